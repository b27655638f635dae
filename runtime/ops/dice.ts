// Soft Dice loss.

import { ShapeError } from '../errors.ts';
import { isReal, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

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

const op = defineReal<Attrs>({
  name: 'dice',
  inputs: ['logits', 'labels'],
  outputs: ['y', 'shift', 'score'],
  forward({ logits, labels }, attrs) {
    const { device } = logits;
    const p = params(logits, labels, attrs);
    const shift = device.empty([p.n, 2], 'f32', 'dice normalisers'), partials = device.empty([p.chunks, p.c, 4], 'f32', 'dice partial sums');
    const y = device.empty([], 'f32', 'dice'), score = device.empty([p.c, 2], 'f32', 'dice scores');
    device.run({ shader: 'dice', entry: 'normaliser', bindings: { logits, shifts: shift }, params: p, threads: p.n });
    device.run({ shader: 'dice', entry: 'sums', bindings: { logits, labels, shift, partials }, params: p, threads: p.chunks * p.c });
    device.run({ shader: 'dice', entry: 'finish', bindings: { partials, y, scores: score }, params: p, groups: [1, 1, 1] });
    partials.dispose();
    return { y, shift, score };
  },
  backward: {
    logits: ({ dy, inputs: { logits, labels }, outputs: { shift, score }, attrs }) => {
      const dlogits = logits.device.empty(logits.shape, 'f32', 'dice gradient');
      logits.device.run({ shader: 'dice', entry: 'backward', bindings: { logits, labels, shift, score, dy, dlogits }, params: params(logits, labels, attrs), threads: labels.size });
      return dlogits;
    },
    labels: null,
  },
  saved: ['shift', 'score'],
});

/**
 * 1 - mean over classes of (2 sum p t + smooth) / (sum p + sum t + smooth), with p = softmax(logits), t the one-hot label, and sums over all pixels of
 * the batch whose label is a class and not ignored. Less bent on large classes than cross-entropy; often added to it.
 * @param logits [..., C] f32 or f16
 * @param labels [...] i32
 * @param options.ignoreIndex default 255
 * @param options.smooth default 1
 * @returns a scalar of the dtype of the logits
 * @example const loss = weightedSum([[crossEntropy(logits, labels)], [dice(logits, labels)]]);
 */
export function dice(logits: Tensor, labels: Tensor, options: { ignoreIndex?: number; smooth?: number } = {}): Tensor {
  const { ignoreIndex = 255, smooth = 1 } = options;
  const pixels = logits.shape.slice(0, -1);
  if (logits.rank < 1 || !logits.shape.at(-1) || !isReal(logits)) throw new ShapeError('dice', `logits [${logits.shape}] ${logits.dtype} are not [..., classes] f32 or f16`);
  if (labels.dtype !== 'i32' || String(labels.shape) !== String(pixels)) throw new ShapeError('dice', `labels [${labels.shape}] ${labels.dtype} for logits [${logits.shape}]`, `give i32 labels of shape [${pixels}]`);
  if (!(smooth >= 0 && Number.isFinite(smooth))) throw new ShapeError('dice', `smooth is ${smooth}`, 'give a number that is not negative');
  return op({ logits, labels }, { ignore: ignoreIndex, smooth }).y;
}
