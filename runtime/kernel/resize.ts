// Where the pixels of a resized picture lie in the source.

import { ShapeError } from '../errors.ts';
import { checkWhole, pair, type Pair } from './geometry.ts';
import type { Tensor } from '../tensor.ts';

/**
 * halfPixel: pixel areas coincide, (o + 1/2) scale - 1/2 (PyTorch's `align_corners=False`). alignCorners: the centres
 * of corner pixels coincide. asymmetric: the upper left corners of pixels coincide, o scale. pytorchHalfPixel:
 * halfPixel, but the first pixel where the result has only one. halfPixelSymmetric: halfPixel, with what a factor
 * leaves over shared between both sides. tfCropAndResize: the corners of the result lie at those of a region of
 * interest. The names are those of ONNX.
 */
export type Coordinates =
  'halfPixel' | 'alignCorners' | 'asymmetric' | 'pytorchHalfPixel' | 'halfPixelSymmetric' | 'tfCropAndResize';

/** Settings of the resizing of images. */
export interface ResizeOptions {
  /** Default halfPixel. */
  coordinates?: Coordinates;
  /** true: the same as coordinates: 'alignCorners'. */
  alignCorners?: boolean;
  /**
   * Factor by which the picture grows, [vertical, horizontal]: positions are computed with it instead of the quotient
   * of the sizes, from which it differs where the size was rounded.
   */
  factor?: readonly [number, number];
  /**
   * For tfCropAndResize, [top, bottom, left, right]: 0 and 1 are the centres of the first and the last pixel (default:
   * all of them).
   */
  roi?: readonly [number, number, number, number];
  /** For tfCropAndResize: what lies beyond the picture (default 0). */
  extrapolation?: number;
}

/** What resizing takes, for the check of arguments. */
export const RESIZE =
  'coordinates:halfPixel|alignCorners|asymmetric|pytorchHalfPixel|halfPixelSymmetric|tfCropAndResize' +
  ' alignCorners:b factor:S roi:S extrapolation:N';

type Both = readonly [number, number];

/** Along both axes: output o lies at (o + half) scale + shift. */
export interface Positions {
  half: Both;
  scale: Both;
  shift: Both;
  /** For each row, and for each column of the result: does it lie beyond the picture? Only where that matters. */
  beyond?: readonly [readonly boolean[], readonly boolean[]];
}

/** Checks the size of a picture and of its result, and gives the positions. @throws ShapeError */
export function positions(op: string, x: Tensor, size: Pair, o: ResizeOptions): Positions & { size: Both } {
  const to = pair(op, 'the size', size, 1);
  if (x.rank !== 4) throw new ShapeError(op, `x is [${x.shape}], not [n, h, w, c]`);
  checkWhole(op, `h and w of [${x.shape}]`, x.shape.slice(1, 3), 1);
  if (o.factor && !o.factor.every((f) => Number.isFinite(f) && f > 0))
    throw new ShapeError(op, `the factor is ${o.factor}`, 'give numbers above 0');
  const coordinates = o.alignCorners ? 'alignCorners' : (o.coordinates ?? 'halfPixel');
  const roi = o.roi ?? [0, 1, 0, 1];
  if (roi.length !== 4 || !roi.every(Number.isFinite) || roi[0] > roi[1] || roi[2] > roi[3])
    throw new ShapeError(op, `the region is ${roi}`, 'give [top, bottom, left, right], and flip x to mirror it');
  const along = (axis: 0 | 1): { half: number; scale: number; shift: number } => {
    const from = x.shape[axis + 1];
    const n = to[axis];
    const scale = o.factor ? 1 / o.factor[axis] : from / n;
    if (coordinates === 'alignCorners') {
      const wanted = o.factor ? from * o.factor[axis] : n;
      return { half: 0, scale: wanted > 1 && n > 1 ? (from - 1) / (wanted - 1) : 0, shift: 0 };
    }
    if (coordinates === 'tfCropAndResize') {
      const [start, end] = [roi[2 * axis], roi[2 * axis + 1]];
      return n > 1
        ? { half: 0, scale: ((end - start) * (from - 1)) / (n - 1), shift: start * (from - 1) }
        : { half: 0, scale: 0, shift: 0.5 * (start + end) * (from - 1) };
    }
    if (coordinates === 'asymmetric') return { half: 0, scale, shift: 0 };
    if (coordinates === 'pytorchHalfPixel' && n === 1) return { half: 0, scale: 0, shift: 0 };
    return { half: 0.5, scale, shift: (coordinates === 'halfPixelSymmetric' ? (from - n * scale) / 2 : 0) - 0.5 };
  };
  const [v, h] = [along(0), along(1)];
  const outside = ({ scale, shift }: typeof v, axis: 0 | 1): boolean[] =>
    Array.from({ length: to[axis] }, (_, i) => i * scale + shift < 0 || i * scale + shift > x.shape[axis + 1] - 1);
  const beyond = coordinates === 'tfCropAndResize' ? ([outside(v, 0), outside(h, 1)] as const) : undefined;
  return {
    size: to,
    half: [v.half, h.half],
    scale: [v.scale, h.scale],
    shift: [v.shift, h.shift],
    ...(beyond?.flat().some((b) => b) ? { beyond } : {}),
  };
}
