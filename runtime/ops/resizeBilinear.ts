// Bilinear resize.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import type { Op } from '../autograd/tape.ts';
import { positions, RESIZE, type Positions, type ResizeOptions } from '../kernel/resize.ts';
import { byVectors } from '../kernel/vectors.ts';
import { checkReal, type DType, type Ranked, type Shape, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { where } from './where.ts';

export type { Coordinates, ResizeOptions } from '../kernel/resize.ts';

interface Attrs {
  x: Shape;
  y: Shape;
  scale: readonly [number, number];
  shift: readonly [number, number];
}

// Linear: each is the gradient of the other.
const op: Op<Attrs, 'x'> = defineReal(
  {
    name: 'resizeBilinear',
    inputs: ['x'],
    outputs: ['y'],
    forward({ x }, { y: shape, scale, shift }) {
      const y = x.device.empty(shape, x.dtype, 'resizeBilinear');
      const { constants, lanes, sizes } = byVectors(x.shape, shape, x.dtype);
      x.device.run({
        shader: 'resizeBilinear',
        entry: 'forward',
        constants,
        bindings: { x, y },
        params: { ...sizes, scale, shift },
        threads: y.size / lanes,
      });
      return y;
    },
    backward: { x: ({ dy, attrs }) => gradientOp({ dy }, attrs).dx },
    twice: true,
  },
  { halves: ['x'] },
);

const gradientOp: Op<Attrs, 'dy'> = defineReal(
  {
    name: 'resizeBilinear gradient',
    inputs: ['dy'],
    outputs: ['dx'],
    forward({ dy }, { x: shape, y, scale, shift }) {
      const dx = dy.device.empty(shape, dy.dtype, 'resizeBilinear');
      const { constants, lanes, sizes } = byVectors(shape, y, dy.dtype);
      dy.device.run({
        shader: 'resizeBilinear',
        entry: 'backward',
        constants,
        bindings: { dy, dx },
        params: { ...sizes, scale, shift },
        threads: dx.size / lanes,
      });
      return dx;
    },
    backward: { dy: ({ dy: d, attrs }) => op({ x: d }, attrs).y },
    twice: true,
  },
  { halves: ['dy'] },
);

/** What `resize` makes of x, with a constant for the pixels that lie beyond it. */
export function extrapolated(
  x: Tensor,
  beyond: Positions['beyond'],
  { extrapolation = 0 }: ResizeOptions,
  resize: () => Tensor,
): Tensor {
  if (!beyond) return resize();
  const [rows, columns] = beyond;
  const mask = Int32Array.from({ length: rows.length * columns.length }, (_, i) =>
    Number(rows[Math.floor(i / columns.length)] || columns[i % columns.length]),
  );
  return composed(x.device, () =>
    where(x.device.tensor(mask, [1, rows.length, columns.length, 1]), extrapolation, resize()),
  );
}

/**
 * Enlarging interpolates; shrinking does not filter (as PyTorch without antialias).
 * @param x f32 or f16 [n, h, w, c]
 * @param size height and width of the result, whole numbers of at least 1
 * @returns dtype of x, [n, size[0], size[1], c]
 * @throws ShapeError when a size is empty or not a whole number, a factor is not above 0, or x is an integer
 * @example const y = resizeBilinear(x, [2 * h, 2 * w], { alignCorners: true });
 */
export function resizeBilinear<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  size: readonly [number, number],
  options: ResizeOptions = {},
): Tensor<D, 4> {
  args(`resizeBilinear x size:A {${RESIZE}}`, arguments);
  checkReal('resizeBilinear', { x });
  const [n, , , c] = x.shape as Shape;
  const {
    size: [h, w],
    half,
    scale,
    shift,
    beyond,
  } = positions('resizeBilinear', x, size, options);
  return extrapolated(
    x,
    beyond,
    options,
    () =>
      op(
        { x },
        { x: x.shape, y: [n, h, w, c], scale, shift: [half[0] * scale[0] + shift[0], half[1] * scale[1] + shift[1]] },
      ).y,
  ) as Tensor<D, 4>;
}
