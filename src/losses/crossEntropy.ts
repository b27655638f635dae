// Cross-entropy as the published methods use it. They differ in what they divide by; each form has its own name here.

import { crossEntropy, crossEntropyMap, gate, kthLargest, softCrossEntropy, sub } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';

/** Hard pseudo-labels with their confidence, from `pseudoLabel`; the label is 255 where a pixel is not valid. */
export interface PseudoLabels {
  /** [...] i32 */
  label: Tensor;
  /** [...] f32 */
  confidence: Tensor;
}

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
 * - sum over the accepted pixels of log p_y, divided by a denominator.
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
 * - sum over (confidence >= tau and valid) of log p_y / #valid, not / #accepted: UniMatch, FixMatch for segmentation,
 *   CorrMatch.
 * @param logits [..., C] of the strong view
 * @param pseudo labels and confidence [...] of the weak one; a label of 255 is not valid
 * @param tau the threshold, a number or a scalar tensor
 * @returns a scalar
 * @throws ShapeError when the shapes do not go together
 */
export function ceThresholdValid(logits: Tensor, pseudo: PseudoLabels, tau: number | Tensor): Tensor {
  return ceAccepted(logits, pseudo.label, gate(pseudo.confidence, tau), 'valid');
}

/**
 * The sum of {@link ceThresholdValid} / #pixels: FixMatch (the mean over the batch, rejected ones included), AugSeg.
 * Parameters, result and errors as there.
 */
export function ceThresholdAll(logits: Tensor, pseudo: PseudoLabels, tau: number | Tensor): Tensor {
  return ceAccepted(logits, pseudo.label, gate(pseudo.confidence, tau), 'all');
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
 */
export function ohem(logits: Tensor, labels: Tensor, options: { threshold: number; minKept: number }): Tensor {
  // In terms of the losses l = -log p_y, which are 0 at ignored pixels: l >= min(-log threshold, the minKept-th largest
  // l).
  const losses = crossEntropyMap(logits, labels);
  const most = -Math.log(options.threshold);
  const hard = kthLargest(losses, Math.max(1, Math.min(options.minKept, losses.size)));
  // All but the easy ones: a NaN is not below any limit, and no gate opens for it.
  const kept = sub(1, gate(losses, hard, undefined, { atMost: most, below: true }));
  return crossEntropy(logits, labels, { pixelWeight: kept, denominator: 'kept' });
}
