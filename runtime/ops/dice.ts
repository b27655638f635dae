// Soft Dice losses.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import type { Op } from '../autograd/tape.ts';
import { checkNumber } from '../device/elements.ts';
import { ShapeError } from '../errors.ts';
import { checkReal, isReal, type Tensor } from '../tensor.ts';
import { add, div, mul, sub } from './binary.ts';
import { defineReal, inF32 } from './cast.ts';
import { mean, sum } from './reduce.ts';
import { square } from './unary.ts';

interface Attrs {
  ignore: number;
  smooth: number;
}

/** Pixels of a chunk: few enough for many threads, many enough that the last pass stays short. Depends on n alone. */
function chunking(n: number): { chunk: number; chunks: number } {
  const chunk = Math.max(64, Math.ceil(n / 256));
  return { chunk, chunks: Math.ceil(n / chunk) };
}

function params(logits: Tensor, labels: Tensor, { ignore, smooth }: Attrs) {
  return { n: labels.size, c: logits.shape.at(-1)!, ignore, smoothing: smooth, ...chunking(labels.size) };
}

const op: Op<Attrs, 'logits' | 'labels'> = defineReal({
  name: 'dice',
  inputs: ['logits', 'labels'],
  outputs: ['y', 'shift', 'score'],
  forward({ logits, labels }, attrs) {
    const { device } = logits;
    const p = params(logits, labels, attrs);
    const shift = device.empty([p.n, 2], 'f32', 'dice');
    const partials = device.empty([p.chunks, p.c, 4], 'f32', 'dice');
    const y = device.empty([], 'f32', 'dice');
    const score = device.empty([p.c, 2], 'f32', 'dice');
    device.run({ shader: 'dice', entry: 'normaliser', bindings: { logits, shifts: shift }, params: p, threads: p.n });
    device.run({
      shader: 'dice',
      entry: 'sums',
      bindings: { logits, labels, shift, partials },
      params: p,
      threads: p.chunks * p.c,
    });
    device.run({
      shader: 'dice',
      entry: 'finish',
      bindings: { partials, y, scores: score },
      params: p,
      groups: [1, 1, 1],
    });
    partials.dispose();
    return { y, shift, score };
  },
  backward: {
    logits: ({ dy, inputs: { logits, labels }, outputs: { shift, score }, attrs }) => {
      const dlogits = logits.device.empty(logits.shape, 'f32', 'dice');
      logits.device.run({
        shader: 'dice',
        entry: 'backward',
        bindings: { logits, labels, shift, score, dy, dlogits },
        params: params(logits, labels, attrs),
        threads: labels.size,
      });
      return dlogits;
    },
    labels: null,
  },
  saved: ['shift', 'score'],
});

/**
 * 1 - mean over classes of (2 sum p t + smooth) / (sum p + sum t + smooth), with p = softmax(logits), t the one-hot
 * label, and sums over all pixels of the batch whose label is a class and not ignored. Less bent on large classes than
 * cross-entropy; often added to it.
 * @param logits [..., C] f32 or f16
 * @param labels [...] i32
 * @param options.ignoreIndex default 255
 * @param options.smooth default 1
 * @returns a scalar of the dtype of the logits
 * @throws ShapeError when shapes or dtypes do not fit
 * @example const loss = weightedSum([[crossEntropy(logits, labels)], [dice(logits, labels)]]);
 */
export function dice(logits: Tensor, labels: Tensor, options: { ignoreIndex?: number; smooth?: number } = {}): Tensor {
  args('dice logits labels {ignoreIndex:n smooth:n}', arguments);
  const { ignoreIndex = 255, smooth = 1 } = options;
  checkNumber('dice', ignoreIndex, 'i32');
  const pixels = logits.shape.slice(0, -1);
  if (logits.rank < 1 || !logits.shape.at(-1) || !isReal(logits))
    throw new ShapeError('dice', `logits ${logits} are not [..., classes] f32 or f16`);
  if (labels.dtype !== 'i32' || String(labels.shape) !== String(pixels))
    throw new ShapeError(
      'dice',
      `labels ${labels} for logits [${logits.shape}]`,
      `give i32 labels of shape [${pixels}]`,
    );
  if (!(smooth >= 0 && Number.isFinite(smooth)))
    throw new ShapeError('dice', `smooth is ${smooth}`, 'give a number that is not negative');
  return op({ logits, labels }, { ignore: ignoreIndex, smooth }).y;
}

/** Settings of {@link softDice}. */
export interface SoftDiceOptions {
  /** Added to both parts of the fraction (default 1). */
  smooth?: number;
  /** Sums of squares in the denominator, as in V-Net (default false). */
  squared?: boolean;
  /** A score for each image and class, not for each class over the batch (default false). */
  perImage?: boolean;
  /** `mean` (default) over the scores, or `none`: 1 - score, [classes] or [n, classes]. */
  reduction?: 'mean' | 'none';
}

/**
 * 1 - (2 sum p t + smooth) / (sum p + sum t + smooth) of probabilities and soft targets, for instance several classes
 * at a pixel: p = sigmoid(logits). Gradients for both.
 * @param p [n, ..., classes] f32 or f16
 * @param t the same shape and dtype
 * @throws ShapeError when shapes or dtypes differ, smooth is negative, or there is no such reduction
 * Source: Milletari et al. 2016 (V-Net, with `squared`), https://arxiv.org/abs/1606.04797
 * @example const loss = softDice(sigmoid(logits), masks, { perImage: true });
 */
export function softDice(p: Tensor, t: Tensor, options: SoftDiceOptions = {}): Tensor {
  args('softDice p t {smooth:n squared:b perImage:b reduction:mean|none}', arguments);
  const { smooth = 1, squared = false, perImage = false, reduction = 'mean' } = options;
  checkReal('softDice', { p, t });
  if (p.rank < 2 || String(p.shape) !== String(t.shape))
    throw new ShapeError(
      'softDice',
      `p is [${p.shape}], t [${t.shape}]`,
      'give two tensors [n, ..., classes] of one shape',
    );
  if (!(smooth >= 0 && Number.isFinite(smooth)))
    throw new ShapeError('softDice', `smooth is ${smooth}`, 'give a number that is not negative');
  return inF32('softDice', [p, t], (p, t) =>
    composed(p.device, () => {
      const axes = p.shape.map((_, i) => i).slice(perImage ? 1 : 0, -1);
      const over = (v: Tensor): Tensor => (axes.length ? sum(v, axes) : v);
      const size = (v: Tensor): Tensor => over(squared ? square(v) : v);
      const loss = sub(1, div(add(mul(over(mul(p, t)), 2), smooth), add(add(size(p), size(t)), smooth)));
      return reduction === 'none' ? loss : mean(loss);
    }),
  );
}
