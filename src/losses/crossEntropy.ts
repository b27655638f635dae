// Cross-entropy as the published methods use it. They differ in what they divide by; each form has its own name here.

import { crossEntropy, crossEntropyMap, softCrossEntropy, sub } from '../../runtime/ops/index.ts';
import { gate, kthLargest } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';

/**
 * - sum log p_y / #(y != 255): all supervised terms.
 * @param logits [..., C]
 * @param labels [...] i32
 * @returns a scalar, 0 where no label is valid
 */
export function ceValid(logits: Tensor, labels: Tensor): Tensor {
  return crossEntropy(logits, labels, { denominator: 'valid' });
}

/**
 * - sum log p_y / #pixels, where every pixel has a label, padding included: CPS.
 * @param logits [..., C]
 * @param labels [...] i32
 * @returns a scalar
 */
export function ceAll(logits: Tensor, labels: Tensor): Tensor {
  return crossEntropy(logits, labels, { denominator: 'all' });
}

/**
 * - sum over the accepted pixels of log p_y, divided by a denominator: FixMatch, UniMatch, CorrMatch, AugSeg.
 * @param logits [..., C]
 * @param label [...] i32, 255 where a pixel is not valid
 * @param accepted [...] f32, 0 or 1
 * @param denominator `valid` (segmentation, default), `all` (the original: rejected and invalid pixels count), `kept`
 *   (only accepted ones)
 * @returns a scalar
 * @throws ShapeError when the shapes do not go together
 */
export function ceAccepted(
  logits: Tensor,
  label: Tensor,
  accepted: Tensor,
  denominator: 'all' | 'valid' | 'kept' = 'valid',
): Tensor {
  return crossEntropy(logits, label, { pixelWeight: accepted, denominator });
}

/**
 * - sum_c q_c log p_c summed over valid pixels / #valid: PseudoSeg. The targets q are constants.
 * @param valid [...] f32, 0 or 1
 */
export function softCeValid(logits: Tensor, q: Tensor, valid?: Tensor): Tensor {
  return softCrossEntropy(logits, q, { pixelWeight: valid, denominator: 'valid' });
}

/**
 * Online hard example mining: the mean of -log p_y over the valid pixels with p_y <= max(threshold, the minKept-th
 * smallest p_y). Where there are fewer valid pixels than `minKept`, all of them count. A pixel whose loss is NaN counts
 * as hard, so that the mean shows it.
 * @param options.threshold probability (published: 0.7)
 * @param options.minKept pixels in the batch (published: 50000 for each image, 100000, 200000)
 * @param options.classWeights f32 [C], factors of the losses that are averaged; they do not change which are hard
 */
export function ohem(
  logits: Tensor,
  labels: Tensor,
  options: { threshold: number; minKept: number; classWeights?: Tensor },
): Tensor {
  // In terms of the losses l = -log p_y, which are 0 at ignored pixels: l >= min(-log threshold, the minKept-th largest
  // l).
  const losses = crossEntropyMap(logits, labels);
  const most = -Math.log(options.threshold);
  const hard = kthLargest(losses, Math.max(1, Math.min(options.minKept, losses.size)));
  // All but the easy ones: a NaN is not below any limit, and no gate opens for it.
  const kept = sub(1, gate(losses, hard, undefined, { atMost: most, below: true }));
  return crossEntropy(logits, labels, {
    pixelWeight: kept,
    classWeights: options.classWeights,
    denominator: 'kept',
  });
}
