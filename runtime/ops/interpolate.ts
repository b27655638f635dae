// Resizing by PyTorch's names.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import { ShapeError } from '../errors.ts';
import type { Pair } from '../kernel/geometry.ts';
import type { DType, Ranked, Shape, Tensor } from '../tensor.ts';
import { adaptiveAvgPool2d } from './avgPool2d.ts';
import { reshape } from './reshape.ts';
import { resizeBilinear } from './resizeBilinear.ts';
import { resizeNearest } from './resizeNearest.ts';

/** Settings of {@link interpolate}. */
export interface InterpolateOptions {
  /** Size of the result: this, or a scale factor. */
  size?: Pair;
  /** The result has floor(size factor) pixels. */
  scaleFactor?: Pair;
  /** Default nearest. `linear` is for [n, w, c]. */
  mode?: 'nearest' | 'nearest-exact' | 'linear' | 'bilinear' | 'area';
  /** For linear and bilinear (default false). */
  alignCorners?: boolean;
  /** Compute positions from the sizes, not from the scale factor (default false; aligned corners always do). */
  recomputeScaleFactor?: boolean;
}

/**
 * torch.nn.functional.interpolate in the layout of the engine, for one and two axes.
 * @param x [n, h, w, c] or [n, w, c]; f32 or f16, for the nearest modes also i32 or u32
 * @param options one number for size or factor holds for all axes
 * @returns [n, size..., c], dtype of x
 * @throws ShapeError for other ranks, when size and factor are both given or neither is, when the mode does not fit, or
 *   as {@link resizeBilinear} does
 * @example const y = interpolate(x, { scaleFactor: 2, mode: 'bilinear' });
 */
export function interpolate<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 3 | 4>,
  options: InterpolateOptions,
): Tensor<D, R> {
  args(
    'interpolate x ' +
      '{!size:A scaleFactor:A mode:nearest|nearest-exact|linear|bilinear|area alignCorners:b recomputeScaleFactor:b}',
    arguments,
  );
  const { mode = 'nearest', alignCorners = false, scaleFactor } = options;
  const refuse = (why: string, hint?: string): never => {
    throw new ShapeError('interpolate', why, hint);
  };
  if (x.rank !== 3 && x.rank !== 4) refuse(`x is [${x.shape}]`, 'give [n, h, w, c] or [n, w, c]');
  if ((options.size === undefined) === (scaleFactor === undefined))
    refuse('the size is not clear', 'give either size or scaleFactor');
  if ((mode === 'linear' && x.rank !== 3) || (mode === 'bilinear' && x.rank !== 4))
    refuse(`mode ${mode} does not fit x [${x.shape}]`);
  const shape: Shape = x.shape;
  const flat = x.rank === 3;
  const both = (v: Pair, rows: number): readonly [number, number] =>
    typeof v !== 'number' ? v : flat ? [rows, v] : [v, v];
  const factor = scaleFactor === undefined ? undefined : both(scaleFactor, 1);
  const [h, w] = flat ? [1, shape[1]] : shape.slice(1, 3);
  const size = factor ? ([Math.floor(h * factor[0]), Math.floor(w * factor[1])] as const) : both(options.size!, 1);
  const o = options.recomputeScaleFactor || alignCorners || !factor ? {} : { factor };
  const resize = (image: Tensor): Tensor => {
    if (mode === 'area') return adaptiveAvgPool2d(image, size);
    if (mode === 'nearest') return resizeNearest(image, size, { ...o, coordinates: 'asymmetric', rounding: 'floor' });
    return mode === 'nearest-exact'
      ? resizeNearest(image, size, o)
      : resizeBilinear(image, size, { ...o, alignCorners });
  };
  if (!flat) return resize(x) as Tensor<D, R>;
  return composed(x.device, () =>
    reshape(resize(reshape(x, [shape[0], 1, ...shape.slice(1)])), [shape[0], size[1], shape[2]]),
  ) as Tensor<D, R>;
}
