// InfoNCE: the contrastive loss of CPC.

import type { Device } from '../../runtime/device/device.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { crossEntropy, weightedSum } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';

/** 0, 1, …, n-1 of each device and n: kept, because plans continue to use them. */
const diagonals = new WeakMap<Device, Map<number, Tensor>>();

function diagonal(device: Device, n: number): Tensor {
  let known = diagonals.get(device);
  if (!known) diagonals.set(device, (known = new Map()));
  let t = known.get(n);
  if (!t)
    known.set(
      n,
      (t = device.keep(
        device.tensor(
          Int32Array.from({ length: n }, (_, i) => i),
          [n],
        ),
      )),
    );
  return t;
}

/**
 * mean over rows of -log( exp(S_i,pos / tau) / sum_j exp(S_ij / tau) ). The mutual information is at least log K -
 * loss.
 * @param scores [N, K] f32: row i holds the scores of the candidates of context i
 * @param options.positives i32 [N]: the column of the true candidate (default: the diagonal)
 * @param options.temperature tau (default 1)
 */
export function infoNce(scores: Tensor, options: { positives?: Tensor; temperature?: number } = {}): Tensor {
  const [n, k] = scores.shape;
  const { temperature = 1 } = options;
  if (scores.rank !== 2 || (!options.positives && k < n))
    throw new ShapeError(
      'infoNce',
      `scores are [${scores.shape}]`,
      'give [N, K] with the positives on the diagonal, or name them',
    );
  if (!(temperature > 0))
    throw new ShapeError('infoNce', `the temperature is ${temperature}`, 'give a positive number');
  const positives = options.positives ?? diagonal(scores.device, n);
  const z = temperature === 1 ? scores : weightedSum([[scores, 1 / temperature]]);
  return crossEntropy(z, positives, { ignoreIndex: -1, denominator: 'all' });
}
