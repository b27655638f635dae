// A confidence threshold for each class, from how confident the predictions of the class are. Nothing here has a
// gradient.

import { args } from '../../runtime/args.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { chunks } from '../../runtime/ops/lossReduce.ts';

function check(op: string, label: Tensor, confidence: Tensor, means: Tensor): void {
  if (label.dtype !== 'i32' || confidence.dtype !== 'f32' || label.size !== confidence.size)
    throw new ShapeError(op, `labels ${label}, confidence ${confidence}`, 'give i32 and f32 of the same shape');
  if (means.dtype !== 'f32' || means.rank !== 1 || means.size < 1 || means.size > 256)
    throw new ShapeError(op, `means ${means}`, 'give f32 [classes] of at most 256 classes');
}

/**
 * Moves the mean confidence of each class towards that of the pixels which are predicted as it; a class without pixels
 * stays. In place; the same bit by bit each time.
 * @param means f32 [classes]; below 0: a class that has not occurred, whose first mean is taken as it is
 * @param label i32, the predictions; what is not a class (255) does not count
 * @param confidence f32 of the same shape, probabilities
 * @param decay of the moving average, 0 to 1
 */
export function updateClassConfidence(means: Tensor, label: Tensor, confidence: Tensor, decay: number): void {
  args('updateClassConfidence means label confidence decay:n', arguments);
  check('updateClassConfidence', label, confidence, means);
  if (!(decay >= 0 && decay <= 1))
    throw new ShapeError('updateClassConfidence', `the decay is ${decay}`, 'give a number from 0 to 1');
  const { device } = means;
  const n = label.size;
  const c = means.size;
  if (n === 0) return;
  const { groups, items } = chunks(n);
  const params = { n, c, items, groups, decay, tau: 0 };
  const partials = device.empty([groups, 2, c], 'u32', 'class confidence partial sums');
  device.run({
    shaders: SEGMENTATION,
    shader: 'classThreshold',
    entry: 'sums',
    bindings: { labels: label, confidence, partials },
    params,
    groups: [groups, 1, 1],
  });
  device.run({
    shaders: SEGMENTATION,
    shader: 'classThreshold',
    entry: 'update',
    bindings: { parts: partials, means },
    params,
    threads: c,
  });
  partials.dispose();
}

/**
 * 1 where the confidence is >= the threshold of the pixel's class, its mean from {@link updateClassConfidence} or `tau`
 * where that is lower; else 0. A class that has not occurred has the threshold `tau`.
 * @param label i32; what is not a class (255) is not accepted
 * @param confidence f32 of the same shape
 * @param means f32 [classes]
 * @param valid f32 mask of the same shape
 * @returns f32, shape of the labels: a `pixelWeight` for the losses
 */
export function classGate(label: Tensor, confidence: Tensor, means: Tensor, tau: number, valid?: Tensor): Tensor {
  args('classGate label confidence means tau:n valid?', arguments);
  check('classGate', label, confidence, means);
  if (valid && (valid.dtype !== 'f32' || valid.size !== label.size))
    throw new ShapeError('classGate', `valid is ${valid} for pixels [${label.shape}]`, 'give f32 of the same shape');
  const { device } = label;
  const y = device.empty(label.shape, 'f32', 'classGate');
  device.run({
    shaders: SEGMENTATION,
    shader: 'classThreshold',
    entry: 'open',
    constants: { VALID: !!valid },
    bindings: { labels: label, confidence, thresholds: means, valid: valid ?? confidence, gate: y },
    params: { n: label.size, c: means.size, items: 1, groups: 1, decay: 0, tau },
    threads: label.size,
  });
  return y;
}
