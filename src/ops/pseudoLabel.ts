// Pseudo-labels: hard labels with their confidence, the confidence gate, and counts of what passed it. Nothing here has
// a gradient.

import { args } from '../../runtime/args.ts';
import { ShapeError } from '../../runtime/errors.ts';
import type { Device } from '../../runtime/device/device.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import { checkWhole } from '../../runtime/kernel/geometry.ts';
import { sizeOf, type Shape, type Tensor } from '../../runtime/tensor.ts';
import { chunks, lossReduce } from '../../runtime/ops/lossReduce.ts';

export interface PseudoLabelOptions {
  /** f32, one element a pixel: where it is 0 the label is 255 and the confidence 0. */
  valid?: Tensor;
  /** The input holds probabilities: the confidence is the largest of them as it stands. */
  probabilities?: boolean;
}

const IGNORE = 255;
/** The largest finite f32: kernels know no infinity. */
const LARGEST = 3.4028234e38;

function checkMask(op: string, name: string, mask: Tensor | undefined, shape: Shape): void {
  if (mask && (mask.dtype !== 'f32' || mask.size !== sizeOf(shape)))
    throw new ShapeError(op, `${name} is ${mask} for pixels [${shape}]`, 'give f32 of the same shape');
}

/**
 * The most likely class of each pixel (the first of equals) and its softmax probability.
 * @param logits [..., C] f32
 * @returns `label` [...] i32, `confidence` [...] f32
 * @example const { label, confidence } = pseudoLabel(weakLogits, { valid });
 */
export function pseudoLabel(logits: Tensor, options: PseudoLabelOptions = {}): { label: Tensor; confidence: Tensor } {
  args('pseudoLabel logits {valid probabilities:b}', arguments);
  const c = logits.shape.at(-1) ?? 0;
  const pixels = logits.shape.slice(0, -1);
  if (logits.rank < 1 || c < 1 || logits.dtype !== 'f32')
    throw new ShapeError('pseudoLabel', `logits ${logits} are not [..., classes] f32`);
  checkMask('pseudoLabel', 'valid', options.valid, pixels);
  const { device } = logits;
  const label = device.empty(pixels, 'i32', 'pseudoLabel');
  const confidence = device.empty(pixels, 'f32', 'confidence');
  device.run({
    shaders: SEGMENTATION,
    shader: 'pseudoLabel',
    entry: 'forward',
    constants: { PROBABILITIES: options.probabilities ?? false, VALID: !!options.valid },
    bindings: { logits, valid: options.valid ?? logits, label, confidence },
    params: { n: label.size, c, ignore: IGNORE, items: 1, tau: 0 },
    threads: label.size,
  });
  return { label, confidence };
}

/**
 * Entropy of the softmax of each pixel, - sum_c p_c log p_c, in nats. Without gradient.
 * @param logits [..., C] f32
 * @returns f32 [...]
 */
export function predictionEntropy(logits: Tensor): Tensor {
  args('predictionEntropy logits', arguments);
  const c = logits.shape.at(-1) ?? 0;
  if (logits.rank < 1 || c < 1 || logits.dtype !== 'f32')
    throw new ShapeError('predictionEntropy', `logits ${logits} are not [..., classes] f32`);
  const y = logits.device.empty(logits.shape.slice(0, -1), 'f32', 'entropy');
  logits.device.run({
    shaders: SEGMENTATION,
    shader: 'pseudoLabel',
    entry: 'entropy',
    bindings: { logits, confidence: y },
    params: { n: y.size, c, ignore: IGNORE, items: 1, tau: 0 },
    threads: y.size,
  });
  return y;
}

/**
 * 1 where confidence >= tau (and the pixel is valid), else 0. A confidence or tau that is NaN opens no gate, from below
 * neither.
 * @param tau a number, or a scalar tensor, which a replayed plan can be given again
 * @param valid f32 mask of the same shape
 * @param options.atMost where tau is larger than this number, the number stands in
 * @param options.below the gate opens where the value is < tau instead
 * @returns f32, shape of the confidence: a `pixelWeight` for the losses
 */
export function gate(
  confidence: Tensor,
  tau: number | Tensor,
  valid?: Tensor,
  options: { atMost?: number; below?: boolean } = {},
): Tensor {
  args('gate confidence tau:O valid? {atMost:n below:b}', arguments);
  const { device } = confidence;
  if (confidence.dtype !== 'f32') throw new ShapeError('gate', `the confidence is ${confidence.dtype}`, 'give f32');
  checkMask('gate', 'valid', valid, confidence.shape);
  const taus = typeof tau === 'number' ? null : tau;
  if (taus && (taus.size !== 1 || taus.dtype !== 'f32'))
    throw new ShapeError('gate', `tau is ${taus}`, 'give a number or a scalar f32 tensor');
  const y = device.empty(confidence.shape, 'f32', 'gate');
  device.run({
    shaders: SEGMENTATION,
    shader: 'pseudoLabel',
    entry: 'threshold',
    constants: { VALID: !!valid, TAU: taus !== null, BELOW: options.below ?? false },
    bindings: { scores: confidence, valid: valid ?? confidence, taus: taus ?? confidence, gate: y },
    params: {
      n: y.size,
      c: 1,
      ignore: IGNORE,
      items: 1,
      tau: Math.min(typeof tau === 'number' ? tau : LARGEST, options.atMost ?? LARGEST, LARGEST),
    },
    threads: y.size,
  });
  return y;
}

/**
 * The share of accepted pixels among the valid ones (all, without a mask); 0 if there are none.
 * @param accepted f32, from {@link gate}
 * @param valid f32 mask of the same shape
 * @param options.inverse one over the share; also 0 if there are none
 * @returns a scalar
 */
export function acceptedShare(accepted: Tensor, valid?: Tensor, options: { inverse?: boolean } = {}): Tensor {
  args('acceptedShare accepted valid? {inverse:b}', arguments);
  const { device, size } = accepted;
  if (accepted.dtype !== 'f32') throw new ShapeError('acceptedShare', `the gate is ${accepted.dtype}`, 'give f32');
  checkMask('acceptedShare', 'valid', valid, accepted.shape);
  const { groups, items } = chunks(size);
  const partials = device.empty([groups, 2], 'f32', 'acceptedShare');
  device.run({
    shaders: SEGMENTATION,
    shader: 'pseudoLabel',
    entry: 'share',
    constants: { VALID: !!valid, INVERSE: options.inverse ?? false },
    bindings: { gates: accepted, valid: valid ?? accepted, partials },
    params: { n: size, c: 1, ignore: IGNORE, items, tau: 0 },
    groups: [groups, 1, 1],
  });
  const { y, inverse } = lossReduce(partials, 0);
  partials.dispose();
  inverse.dispose();
  return y;
}

/**
 * Zeroed counts for {@link countPseudoLabels}; they outlive scopes and plans.
 * @throws ShapeError for no whole number, or more classes than fit
 */
export function pseudoLabelCounts(device: Device, classes: number): Tensor {
  args('pseudoLabelCounts device:D classes:n', arguments);
  checkWhole('pseudoLabelCounts', 'classes', [classes], 0);
  if (classes > 2 ** 20) throw new ShapeError('pseudoLabelCounts', `${classes} classes`, 'give at most 2^20');
  return device.keep(device.tensor(new Uint32Array(4 + classes), [4 + classes]));
}

/**
 * Adds a batch to the counts, in place: pixels that have a pseudo-label, those accepted, those accepted whose truth is
 * known, those of them that are right, and the accepted ones of each class.
 * @param counts from {@link pseudoLabelCounts}
 * @param label i32, 255 where there is none
 * @param accepted f32, shape of the labels, from {@link gate}
 * @param truth i32, shape of the labels: labels for judging only, never for training
 */
export function countPseudoLabels(counts: Tensor, label: Tensor, accepted: Tensor, truth?: Tensor): void {
  args('countPseudoLabels counts label accepted truth?', arguments);
  const c = counts.size - 4;
  if (counts.dtype !== 'u32' || c < 1 || c > 256)
    throw new ShapeError(
      'countPseudoLabels',
      `counts ${counts}`,
      'make them with pseudoLabelCounts for at most 256 classes',
    );
  if (label.dtype !== 'i32') throw new ShapeError('countPseudoLabels', `labels are ${label.dtype}`, 'give i32');
  if (truth && (truth.dtype !== 'i32' || truth.size !== label.size))
    throw new ShapeError('countPseudoLabels', `truth ${truth} for labels [${label.shape}]`);
  checkMask('countPseudoLabels', 'accepted', accepted, label.shape);
  const { groups, items } = chunks(label.size);
  counts.device.run({
    shaders: SEGMENTATION,
    shader: 'pseudoLabel',
    entry: 'stats',
    constants: { TRUTH: !!truth },
    bindings: { labels: label, gates: accepted, truth: truth ?? label, counts },
    params: { n: label.size, c, ignore: IGNORE, items, tau: 0 },
    groups: [groups, 1, 1],
  });
}

export interface PseudoLabelStats {
  /** Accepted pixels over pixels with a pseudo-label (0 if there are none). */
  accepted: number;
  /** Share of right labels among the accepted ones whose truth is known; undefined if there are none. */
  accuracy: number | undefined;
  /** Accepted pixels of each class. */
  histogram: number[];
}

/** The counts, read. */
export function pseudoLabelStats(counts: Uint32Array): PseudoLabelStats {
  args('pseudoLabelStats counts:u', arguments);
  const [valid, accepted, judged, right] = counts;
  return {
    accepted: valid ? accepted / valid : 0,
    accuracy: judged ? right / judged : undefined,
    histogram: [...counts.subarray(4)],
  };
}
