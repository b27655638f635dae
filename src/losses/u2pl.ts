// U2PL's unsupervised term: cross-entropy on the pixels where the teacher is confident: its entropy is below a
// percentile.

import { crossEntropy, weightedSum } from '../../runtime/ops/index.ts';
import { acceptedShare, gate, percentile } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';

/**
 * (#pixels / #kept) * mean over the kept pixels of CE; kept are the valid pixels with an entropy below the given
 * percentile of the valid ones.
 * @param student [..., C] logits
 * @param label [...] i32 pseudo-labels
 * @param entropy [...] f32 of the teacher, see `predictionEntropy`
 * @param keepPercent percentile, 0 to 100; a scalar tensor where it changes between the replays of a plan (see
 * {@link u2plPercent})
 * @param valid [...] f32
 */
export function u2pl(
  student: Tensor,
  label: Tensor,
  entropy: Tensor,
  keepPercent: number | Tensor,
  valid?: Tensor,
): Tensor {
  const kept = gate(entropy, percentile(entropy, keepPercent, valid), valid, { below: true });
  const ce = crossEntropy(student, label, { pixelWeight: kept, denominator: 'kept' });
  return weightedSum([[ce, acceptedShare(kept, undefined, { inverse: true })]]);
}

/** The percentile at a moment of the training: 100 - (100 - first) (1 - progress). @param progress 0 to 1 */
export function u2plPercent(progress: number, first = 80): number {
  return 100 - (100 - first) * (1 - progress);
}
