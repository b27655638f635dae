// Consistency between two predictions: Mean Teacher, the Pi-model, CutMix-Seg, temporal ensembling.

import { weightedSum } from '../../runtime/ops/index.ts';
import { acceptedShare, gate, pseudoLabel, softmaxMse } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';

/**
 * mean over pixels and classes of (softmax(student) - sg softmax(teacher))^2: Mean Teacher.
 * @param student [..., C] logits
 * @param teacher [..., C] logits, or probabilities; constant
 * @param options.valid [...] f32: invalid pixels add nothing, and stay in the mean
 * @param options.probabilities the teacher's probabilities are given, not its logits
 */
export function mseMeanC(
  student: Tensor,
  teacher: Tensor,
  options: { valid?: Tensor; probabilities?: boolean } = {},
): Tensor {
  const { valid, probabilities = false } = options;
  return softmaxMse(student, teacher, { targetLogits: !probabilities, reduction: 'meanC', pixelWeight: valid });
}

/**
 * mean over pixels and classes of (softmax(z1) - softmax(z2))^2 with the gradient through both branches: the Pi-model.
 * @param logits1 [..., C] of one view
 * @param logits2 [..., C] of the other
 * @param valid [...] f32: invalid pixels add nothing, and stay in the mean
 * @throws ShapeError when the shapes differ
 */
export function piModel(logits1: Tensor, logits2: Tensor, valid?: Tensor): Tensor {
  return softmaxMse(logits1, logits2, {
    targetLogits: true,
    targetGradient: true,
    reduction: 'meanC',
    pixelWeight: valid,
  });
}

/**
 * sum over classes, mean over all pixels of (softmax(student) - q)^2, times the share of pixels in which the teacher's
 * confidence is at least tau: CutMix-Seg. It is C times the `meanC` form, so a weight of 1 here is a weight of C there.
 * @param student [..., C] logits
 * @param teacher [..., C] logits, or probabilities; constant
 * @param options.tau default 0.97
 * @param options.valid [...] f32: invalid pixels add nothing, and stay in the mean
 * @param options.probabilities the teacher's probabilities are given, not its logits
 */
export function mseSumC(
  student: Tensor,
  teacher: Tensor,
  options: { tau?: number | Tensor; valid?: Tensor; probabilities?: boolean } = {},
): { loss: Tensor; confidentShare: Tensor } {
  const { tau = 0.97, valid, probabilities = false } = options;
  const confidentShare = acceptedShare(gate(pseudoLabel(teacher, { probabilities }).confidence, tau));
  const loss = softmaxMse(student, teacher, {
    targetLogits: !probabilities,
    reduction: 'sumC',
    pixelWeight: valid,
    scalar: confidentShare,
  });
  return { loss, confidentShare };
}

/** 1 / (1 - a^t): what takes the start from 0 out of an ensemble. @param t number of the update, from 1 */
export function ensembleCorrection(t: number, alpha = 0.6): number {
  return 1 / (1 - alpha ** t);
}

/**
 * Temporal ensembling: Z <- a Z + (1-a) z, target = Z / (1 - a^t).
 * @param ensemble Z f32 [...]
 * @param prediction z f32 [...], the same shape
 * @param t number of this update, from 1; or, where it changes between replays of a plan, a scalar tensor with
 *   `ensembleCorrection(t, alpha)`
 * @param alpha a, 0 to below 1
 * @returns the new Z and the target, both [...]
 * @throws ShapeError when the shapes differ
 */
export function temporalEnsemble(
  ensemble: Tensor,
  prediction: Tensor,
  t: number | Tensor,
  alpha = 0.6,
): { ensemble: Tensor; target: Tensor } {
  const next = weightedSum([
    [ensemble, alpha],
    [prediction, 1 - alpha],
  ]);
  return { ensemble: next, target: weightedSum([[next, typeof t === 'number' ? ensembleCorrection(t, alpha) : t]]) };
}
