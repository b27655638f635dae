// The losses of labelled pixels that a run may choose from, and of accepted pseudo-labels.

import { crossEntropy, dice, gt, where, weightedSum } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { ceAccepted, ceValid, ohem } from './crossEntropy.ts';

/**
 * - `ce`: cross-entropy over the valid pixels
 * - `ohem`: of the hard ones among them
 * - `ce+dice`: the mean of cross-entropy and Dice loss, as UniMatch's small recipe has it
 */
export type LabelledLoss = 'ce' | 'ohem' | 'ce+dice';

/** A pixel is hard where the probability of its label is at most this (TorchSemiSeg, UniMatch). */
const HARD = 0.7;
/** At least one pixel in so many counts as hard (TorchSemiSeg). */
const LEAST_HARD = 16;

/**
 * The loss of labelled pixels.
 * @param logits [..., C]
 * @param labels [...] i32, 255 where there is none
 * @param classWeights f32 [C], factors of the cross-entropy, which is then divided by their sum over the valid pixels;
 *   Dice has none, since it counts every class alike
 * @returns a scalar, 0 where no label is valid
 */
export function labelledLoss(logits: Tensor, labels: Tensor, kind: LabelledLoss, classWeights?: Tensor): Tensor {
  if (kind === 'ohem') {
    const minKept = Math.max(1, Math.floor(labels.size / LEAST_HARD));
    return ohem(logits, labels, { threshold: HARD, minKept, classWeights });
  }
  const ce = classWeights
    ? crossEntropy(logits, labels, { classWeights, denominator: 'weight' })
    : ceValid(logits, labels);
  if (kind === 'ce') return ce;
  return weightedSum([
    [ce, 0.5],
    [dice(logits, labels), 0.5],
  ]);
}

/**
 * Class weights by median frequency (Eigen & Fergus 2015): median of the frequencies over the class's own, where the
 * frequency is its share of the pixels of the images that show it. A class that no image shows gets 1.
 * @param images the label maps; 255 is no class
 */
export function medianFrequencyWeights(images: readonly Uint8Array[], classes: number): Float32Array {
  const pixels = new Float64Array(classes);
  const among = new Float64Array(classes);
  for (const labels of images) {
    const own = new Float64Array(classes);
    let valid = 0;
    for (const c of labels) {
      if (c >= classes) continue;
      own[c]++;
      valid++;
    }
    own.forEach((n, c) => {
      if (n === 0) return;
      pixels[c] += n;
      among[c] += valid;
    });
  }
  const frequency = pixels.map((n, c) => n / among[c]);
  const known = [...frequency].filter((f) => f > 0).sort((a, b) => a - b);
  const middle = known.length >> 1;
  const median = known.length % 2 ? known[middle] : (known[middle - 1] + known[middle]) / 2;
  return Float32Array.from(frequency, (f) => (f > 0 ? median / f : 1));
}

/** How accepted pseudo-labels are learned: cross-entropy, or Dice loss, which small classes weigh in as large ones do. */
export type AcceptedLoss = 'ce' | 'dice';

/**
 * The loss of the accepted pixels.
 * @param logits [..., C]
 * @param label [...] i32, 255 where a pixel is not valid
 * @param accepted [...] f32, 0 or 1
 * @param denominator of the cross-entropy, see {@link ceAccepted}
 * @returns a scalar, 0 where nothing is accepted
 */
export function acceptedLoss(
  kind: AcceptedLoss,
  logits: Tensor,
  label: Tensor,
  accepted: Tensor,
  denominator: 'all' | 'valid' | 'kept' = 'valid',
): Tensor {
  if (kind === 'ce') return ceAccepted(logits, label, accepted, denominator);
  return dice(logits, where(gt(accepted, 0), label, 255));
}
