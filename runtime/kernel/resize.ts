// Where the pixels of a resized picture lie in the source.

import { ShapeError } from '../errors.ts';
import { checkWhole, pair, type Pair } from './geometry.ts';
import type { Tensor } from '../tensor.ts';

/**
 * halfPixel: pixel areas coincide, (o + 1/2) scale - 1/2 (PyTorch's `align_corners=False`). alignCorners: the centres of corner pixels coincide.
 * asymmetric: the upper left corners of pixels coincide, o scale.
 */
export type Coordinates = 'halfPixel' | 'alignCorners' | 'asymmetric';

export interface ResizeOptions {
  /** Default halfPixel. */
  coordinates?: Coordinates;
  /** true: the same as coordinates: 'alignCorners'. */
  alignCorners?: boolean;
  /**
   * Factor by which the picture grows, [vertical, horizontal]: positions are computed with it instead of the quotient of the sizes, from which it differs
   * where the size was rounded. Corners that are aligned ignore it.
   */
  factor?: readonly [number, number];
}

/** Along both axes: output o lies at (o + half) scale + shift. */
export interface Positions {
  half: number;
  scale: readonly [number, number];
  shift: number;
}

/** Checks the size of a picture and of its result, and gives the positions. @throws ShapeError */
export function positions(op: string, x: Tensor, size: Pair, o: ResizeOptions): Positions & { size: readonly [number, number] } {
  const to = pair(op, 'the size', size, 1);
  if (x.rank !== 4) throw new ShapeError(op, `x is [${x.shape}], not [n, h, w, c]`);
  checkWhole(op, `h and w of [${x.shape}]`, x.shape.slice(1, 3), 1);
  if (o.factor && !o.factor.every((f) => Number.isFinite(f) && f > 0)) throw new ShapeError(op, `the factor is ${o.factor}`, 'give numbers above 0');
  const coordinates = o.alignCorners ? 'alignCorners' : (o.coordinates ?? 'halfPixel');
  const along = (axis: 0 | 1): number => {
    const from = x.shape[axis + 1];
    if (coordinates === 'alignCorners') return to[axis] > 1 ? (from - 1) / (to[axis] - 1) : 0;
    return o.factor ? 1 / o.factor[axis] : from / to[axis];
  };
  const middle = coordinates === 'halfPixel' ? 0.5 : 0;
  return { size: to, half: middle, scale: [along(0), along(1)], shift: 0 - middle };
}
