// Max-pooling.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import type { Pair } from '../kernel/geometry.ts';
import type { Constants, ParamValue } from '../kernel/kernel.ts';
import { byVectors } from '../kernel/vectors.ts';
import { adaptiveWindows, checkSeen, windows, type PoolOptions, type Windows } from '../kernel/windows.ts';
import type { DType, Ranked, Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

/** Pixels outside of the image never win. */
export type MaxPool2dOptions = PoolOptions;

function settings(
  { shape: x, dtype }: Tensor,
  a: Windows,
): { constants: Constants; params: Record<string, ParamValue>; lanes: number } {
  const { constants, lanes, sizes } = byVectors(x, a.y, dtype);
  return {
    constants: {
      ...(a.adaptive ? { ADAPTIVE: true } : {}),
      ...constants,
      ...(lanes === 4 ? { Index: 'vec4<i32>' } : {}),
    },
    params: { ...sizes, kernel: a.kernel, stride: a.stride, pad: [a.pad[0], a.pad[2]], dilation: a.dilation },
    lanes,
  };
}

const op: Op<Windows, 'x'> = defineReal(
  {
    name: 'maxPool2d',
    inputs: ['x'],
    outputs: ['y'],
    forward({ x }, a) {
      const y = x.device.empty(a.y, x.dtype, 'maxPool2d');
      const { constants, params, lanes } = settings(x, a);
      x.device.run({
        shader: 'maxPool2d',
        entry: 'forward',
        constants,
        bindings: { x, y },
        params,
        threads: y.size / lanes,
      });
      return y;
    },
    backward: {
      x: ({ dy, inputs: { x }, attrs: a }) => {
        const dx = x.device.empty(x.shape, x.dtype, 'maxPool2d');
        const { constants, params, lanes } = settings(x, a);
        const tiled =
          !a.adaptive &&
          a.pad.every((p) => p === 0) &&
          [0, 1].every(
            (i) => a.kernel[i] === a.stride[i] && a.dilation[i] === 1 && a.kernel[i] * a.y[i + 1] === x.shape[i + 1],
          );
        x.device.run({
          shader: 'maxPool2d',
          entry: tiled ? 'backwardTiled' : 'backward',
          constants,
          bindings: { x, dy, dx },
          params,
          threads: (tiled ? dy : x).size / lanes,
        });
        return dx;
      },
    },
  },
  { halves: ['x'] },
);

const indexedOp: Op<Windows, 'x'> = defineReal(
  {
    name: 'maxPool2d with indices',
    inputs: ['x'],
    outputs: ['y', 'indices'],
    forward({ x }, a) {
      const y = x.device.empty(a.y, x.dtype, 'maxPool2d');
      const indices = x.device.empty(a.y, 'i32', 'maxPool2d');
      const { constants, params, lanes } = settings(x, a);
      x.device.run({
        shader: 'maxPool2d',
        entry: 'indexed',
        constants,
        bindings: { x, y, indices },
        params,
        threads: y.size / lanes,
      });
      return { y, indices };
    },
    backward: {
      x: ({ dy, inputs: { x }, outputs: { indices }, attrs: a }) => {
        const dx = x.device.empty(x.shape, x.dtype, 'maxPool2d');
        const { constants, params, lanes } = settings(x, a);
        x.device.run({
          shader: 'maxPool2d',
          entry: 'backwardIndexed',
          constants,
          bindings: { dy, dx, chosen: indices },
          params,
          threads: x.size / lanes,
        });
        return dx;
      },
    },
  },
  { halves: ['x'] },
);

/** Windows that all see something of the image: nothing has no maximum. */
function seeing(op: string, x: Tensor, options: MaxPool2dOptions): Windows {
  const a = windows(op, x, options);
  checkSeen(op, x, a);
  return a;
}

/** Up to this many pixels in a window it is cheaper to look for its maximum again than to keep its place. */
const LOOK_AGAIN = 16;

/** The maxima, with their places kept for the backward pass alone. */
function pooled(x: Tensor, a: Windows): Tensor {
  const { y, indices } = indexedOp({ x }, a);
  if (!y.tracked) indices.dispose();
  return y;
}

/**
 * Maximum over windows; the gradient goes to the first maximum of a window, as in PyTorch. A NaN wins, of several the
 * last.
 * @param x f32 or f16 [n, h, w, c]
 * @returns dtype of x, [n, floor((h + top + bottom - dilation (kernel - 1) - 1) / stride) + 1, …, c]
 * @throws ShapeError when the window does not fit, the padding is as large as it, a window sees nothing but padding, a
 *   setting is not a whole number, or x is an integer
 * @example const y = maxPool2d(x, { kernel: 3, stride: 2, padding: 1 });
 */
export function maxPool2d<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  options: MaxPool2dOptions,
): Tensor<D, 4> {
  args('maxPool2d x {kernel!:A stride:A padding:A dilation:A ceilMode:b}', arguments);
  const a = seeing('maxPool2d', x, options);
  return (a.kernel[0] * a.kernel[1] > LOOK_AGAIN ? pooled(x, a) : op({ x }, a).y) as Tensor<D, 4>;
}

/**
 * {@link maxPool2d} with the places of the maxima.
 * @returns y; indices, i32 in the shape of y: row * w + column of the (first) maximum in its image
 * @throws ShapeError as {@link maxPool2d}
 * @example const { y, indices } = maxPool2dWithIndices(x, { kernel: 2 });
 */
export function maxPool2dWithIndices(x: Tensor, options: MaxPool2dOptions): { y: Tensor; indices: Tensor } {
  args('maxPool2dWithIndices x {kernel!:A stride:A padding:A dilation:A ceilMode:b}', arguments);
  const { y, indices } = indexedOp({ x }, seeing('maxPool2dWithIndices', x, options));
  return { y, indices };
}

/**
 * Maximum over windows that divide the image: output pixel o covers rows floor(o h / size) to ceil((o + 1) h / size),
 * likewise columns.
 * @param x f32 or f16 [n, h, w, c], h and w not 0
 * @param size height and width of the result
 * @returns dtype of x, [n, size[0], size[1], c]
 * @throws ShapeError for empty images or sizes, or when x is an integer
 * @example const y = adaptiveMaxPool2d(x, 7);
 */
export function adaptiveMaxPool2d<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  size: Pair,
): Tensor<D, 4> {
  args('adaptiveMaxPool2d x size:A', arguments);
  return pooled(x, adaptiveWindows('adaptiveMaxPool2d', x, size)) as Tensor<D, 4>;
}

/**
 * {@link adaptiveMaxPool2d} with the places of the maxima, as {@link maxPool2dWithIndices} gives them.
 * @example const { y, indices } = adaptiveMaxPool2dWithIndices(x, 7);
 */
export function adaptiveMaxPool2dWithIndices(x: Tensor, size: Pair): { y: Tensor; indices: Tensor } {
  args('adaptiveMaxPool2dWithIndices x size:A', arguments);
  const { y, indices } = indexedOp({ x }, adaptiveWindows('adaptiveMaxPool2dWithIndices', x, size));
  return { y, indices };
}

/**
 * Maximum over h and w.
 * @param x f32 or f16 [n, h, w, c], h and w not 0
 * @returns dtype of x, [n, 1, 1, c]
 * @throws ShapeError for other shapes, or when x is an integer
 * @example const pooled = globalMaxPool(x); // [n, h, w, c] -> [n, 1, 1, c]
 */
export function globalMaxPool<D extends DType, R extends number>(x: Tensor<D, R> & Ranked<R, 4>): Tensor<D, 4> {
  args('globalMaxPool x', arguments);
  return pooled(x, adaptiveWindows('globalMaxPool', x, 1)) as Tensor<D, 4>;
}
