// PseudoSeg: calibrated fusion of the decoder's and the attention branch's predictions, and the loss on it.

import { fuse, type FuseOptions } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { softCeValid } from './crossEntropy.ts';

/**
 * q = Sharpen(gamma softmax(zp / Norm) + (1 - gamma) softmax(m / Norm), T), a constant: no gradient flows into zp or m.
 * @param zp [..., C] the decoder's logits of the weak view
 * @param m [..., C] the attention branch's logits
 * @param options.norm `rms-batch` (default, the published code): one root mean square over both maps and the whole
 *   batch. `l2-pixel` (the paper's
 * wording): the Euclidean norm of both in each pixel, which gives softer targets.
 * @param options.gamma default 0.5
 * @param options.temperature default 0.5
 */
export function calibratedFusion(zp: Tensor, m: Tensor, options: FuseOptions = {}): Tensor {
  return fuse(zp, m, options);
}

/**
 * Soft cross-entropy of the strong view with the fused pseudo-label, over the valid pixels (padding and the CutOut box
 * are not).
 * @param strong [..., C] logits of the strong view, of the size of the maps
 * @param zp [..., C] the decoder's logits of the weak view
 * @param m [..., C] the attention branch's logits
 * @param options.valid f32 [...]: 0 where a pixel does not count
 * @returns the loss, a scalar, and the pseudo-label q [..., C]
 * @throws ShapeError when the shapes do not go together
 */
export function pseudoseg(
  strong: Tensor,
  zp: Tensor,
  m: Tensor,
  options: FuseOptions & { valid?: Tensor } = {},
): { loss: Tensor; q: Tensor } {
  const { valid, ...fusion } = options;
  const q = calibratedFusion(zp, m, fusion);
  return { loss: softCeValid(strong, q, valid), q };
}
