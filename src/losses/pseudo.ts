// Losses on hard pseudo-labels: FixMatch and cross pseudo supervision. Labels carry no gradient, so the stop-gradients
// are implicit.

import { add, gate, pseudoLabel } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { ceAccepted, ceAll, ceValid, type PseudoLabels } from './crossEntropy.ts';

export interface FixMatchLoss extends PseudoLabels {
  loss: Tensor;
  /** [...] f32: 1 where confidence >= tau and the pixel is valid. */
  accepted: Tensor;
}

/**
 * FixMatch: sum 1[max p(w) >= tau] CE(argmax p(w), p(s)) over the valid pixels, divided by a denominator.
 * @param weak [..., C] logits of the weak view; no gradient flows into them
 * @param strong [..., C] logits of the strong view
 * @param tau the threshold, compared with >=
 * @param options.denominator see {@link ceAccepted}
 * @param options.valid [...] f32: 0 where a pixel is padding
 */
export function fixmatch(
  weak: Tensor,
  strong: Tensor,
  tau: number | Tensor,
  options: { denominator?: 'all' | 'valid' | 'kept'; valid?: Tensor } = {},
): FixMatchLoss {
  const { label, confidence } = pseudoLabel(weak, { valid: options.valid });
  const accepted = gate(confidence, tau, options.valid);
  const loss = ceAccepted(strong, label, accepted, options.denominator);
  return { loss, label, confidence, accepted };
}

/**
 * Cross pseudo supervision: CE(P1, argmax P2) + CE(P2, argmax P1), without a threshold.
 * @param logits1 [..., C] of network 1
 * @param logits2 [..., C] of network 2
 * @param options.valid [...] f32: leaves padding out of the sums and of their denominators (the published code counts
 *   it)
 */
export function cps(logits1: Tensor, logits2: Tensor, options: { valid?: Tensor } = {}): Tensor {
  const y1 = pseudoLabel(logits1, options).label;
  const y2 = pseudoLabel(logits2, options).label;
  const ce = options.valid ? ceValid : ceAll;
  return add(ce(logits1, y2), ce(logits2, y1));
}
