// Gradient clipping by the global norm. The norm and the coefficient stay on the GPU.

import { args } from '../args.ts';
import { ShapeError, UsageError } from '../errors.ts';
import { checkF32, type Tensor } from '../tensor.ts';
import { constantHyper } from './hyper.ts';

const LANES = 64;
const MOST_GROUPS = 256;

/**
 * The norm of all gradients taken together (after the gradient scale of `hyper`) and PyTorch's clip coefficient
 * min(1, maxNorm / (norm + 1e-6)), to be given to an optimiser's `step`. Deterministic. Where a gradient is NaN so are
 * both; an infinite norm makes the coefficient 0.
 * @param hyper the hyper-parameters that the step is given, if it is
 * @returns two scalars, f32
 * @throws ShapeError without gradients, or for one that is not f32; UsageError for a norm that is not positive
 * @example
 * const { norm, coefficient } = clipCoefficient(grads, 1);
 * sgd.step(grads, undefined, coefficient);
 */
export function clipCoefficient(
  grads: readonly Tensor[] | ReadonlyMap<string, Tensor>,
  maxNorm: number,
  hyper?: Tensor,
): { norm: Tensor; coefficient: Tensor } {
  args('clipCoefficient grads:G maxNorm:n hyper?', arguments);
  const list = [...grads.values()];
  if (list.length === 0) throw new ShapeError('clipCoefficient', 'there are no gradients');
  if (!(maxNorm > 0)) throw new UsageError(`the largest gradient norm is ${maxNorm}; give a positive number`);
  const { device } = list[0];
  const parts = list.map((dw) => {
    checkF32('clipCoefficient', { dw });
    const items = Math.max(1, Math.ceil(dw.size / (LANES * MOST_GROUPS)));
    return { dw, items, groups: Math.ceil(dw.size / (LANES * items)) };
  });
  const scale = hyper ?? constantHyper(device, { lr: 0, step: 1 });
  const n = parts.reduce((sum, p) => sum + p.groups, 0);
  const partials = device.empty([n], 'f32', 'clip');
  let first = 0;
  for (const { dw, items, groups } of parts) {
    device.run({
      shader: 'gradNorm',
      entry: 'squares',
      bindings: { dw, hyper: scale, partials },
      params: { n: dw.size, items, first, most: maxNorm },
      groups: [groups, 1, 1],
    });
    first += groups;
  }
  const norm = device.empty([], 'f32', 'clip');
  const coefficient = device.empty([], 'f32', 'clip');
  device.run({
    shader: 'gradNorm',
    entry: 'finish',
    bindings: { partials, norm, coefficient },
    params: { n, items: 0, first: 0, most: maxNorm },
    groups: [1, 1, 1],
  });
  partials.dispose();
  if (!hyper && !device.recorder) scale.dispose();
  return { norm, coefficient };
}
