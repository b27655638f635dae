// Average pooling.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import type { Pair } from '../kernel/geometry.ts';
import { byVectors } from '../kernel/vectors.ts';
import { adaptiveWindows, checkSeen, windows, type PoolOptions, type Windows } from '../kernel/windows.ts';
import type { DType, Ranked, Shape, Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

/** Settings of {@link avgPool2d}. */
export interface AvgPool2dOptions extends PoolOptions {
  /** Do the zeros of the padding count? (default true; those beyond it, which only `ceilMode` reaches, never do) */
  countIncludePad?: boolean;
  /** What sums are divided by, in place of the number of pixels. */
  divisor?: number;
}

interface Attrs extends Windows {
  x: Shape;
  countPad: boolean;
  divisor: number;
}

function run(entry: 'forward' | 'backward', from: Tensor, a: Attrs): Tensor {
  const forward = entry === 'forward';
  const to = from.device.empty(forward ? a.y : a.x, from.dtype, 'avgPool2d');
  const { constants, lanes, sizes } = byVectors(a.x, a.y, from.dtype);
  from.device.run({
    shader: 'avgPool2d',
    entry,
    constants: { ...constants, ADAPTIVE: a.adaptive, COUNT_PAD: a.countPad },
    bindings: forward ? { x: from, y: to } : { dy: from, dx: to },
    params: {
      ...sizes,
      kernel: a.kernel,
      stride: a.stride,
      pad: [a.pad[0], a.pad[2]],
      end: [a.x[1] + a.pad[1], a.x[2] + a.pad[3]],
      dilation: a.dilation,
      divisor: a.divisor,
    },
    threads: to.size / lanes,
  });
  return to;
}

// Linear: each is the gradient of the other.
const op: Op<Attrs, 'x'> = defineReal(
  {
    name: 'avgPool2d',
    inputs: ['x'],
    outputs: ['y'],
    forward: ({ x }, a) => run('forward', x, a),
    backward: { x: ({ dy, attrs }) => gradientOp({ dy }, attrs).dx },
    twice: true,
  },
  { halves: ['x'] },
);

const gradientOp: Op<Attrs, 'dy'> = defineReal(
  {
    name: 'avgPool2d gradient',
    inputs: ['dy'],
    outputs: ['dx'],
    forward: ({ dy }, a) => run('backward', dy, a),
    backward: { dy: ({ dy: d, attrs }) => op({ x: d }, attrs).y },
    twice: true,
  },
  { halves: ['dy'] },
);

/**
 * Mean over windows.
 * @param x f32 or f16 [n, h, w, c]
 * @returns dtype of x, [n, floor((h + top + bottom - dilation (kernel - 1) - 1) / stride) + 1, …, c]
 * @throws ShapeError when the window does not fit, the padding is as large as it, a window sees nothing that counts, a
 *   setting is not a whole number, the divisor is 0, or x is an integer
 * @example const y = avgPool2d(x, { kernel: 3, stride: 2, padding: 1, countIncludePad: false });
 */
export function avgPool2d<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  options: AvgPool2dOptions,
): Tensor<D, 4> {
  args('avgPool2d x {kernel!:A stride:A padding:A dilation:A ceilMode:b countIncludePad:b divisor:n}', arguments);
  const { countIncludePad = true, divisor } = options;
  if (divisor !== undefined && !(Number.isFinite(divisor) && divisor !== 0))
    throw new ShapeError('avgPool2d', `the divisor is ${divisor}`, 'leave it out, or give a number that is not 0');
  const a = windows('avgPool2d', x, options);
  if (!countIncludePad && divisor === undefined) checkSeen('avgPool2d', x, a);
  return op({ x }, { ...a, x: x.shape, countPad: countIncludePad, divisor: divisor ?? 0 }).y as Tensor<D, 4>;
}

/**
 * Mean over windows that divide the image: output pixel o covers rows floor(o h / size) to ceil((o + 1) h / size),
 * likewise columns.
 * @param x f32 or f16 [n, h, w, c], h and w not 0
 * @param size height and width of the result
 * @returns dtype of x, [n, size[0], size[1], c]
 * @throws ShapeError for empty images or sizes, or when x is an integer
 * @example const y = adaptiveAvgPool2d(x, [1, 1]);
 */
export function adaptiveAvgPool2d<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  size: Pair,
): Tensor<D, 4> {
  args('adaptiveAvgPool2d x size:A', arguments);
  return op({ x }, { ...adaptiveWindows('adaptiveAvgPool2d', x, size), x: x.shape, countPad: false, divisor: 0 })
    .y as Tensor<D, 4>;
}
