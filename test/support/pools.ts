// Float64 pooling: every window as a list of pixels.

import type { PoolOptions } from '../../runtime/kernel/windows.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { build } from './reference.ts';
import type { F64 } from './op.ts';

/**
 * One window: the values of its pixels in the image, how many pixels of the padded image it has, and the places of the
 * former.
 */
export interface Window {
  values: number[];
  places: number[];
  padded: number;
}

const two = <T>(v: T | readonly [T, T] | undefined, otherwise: readonly [T, T]): readonly [T, T] =>
  v === undefined ? otherwise : Array.isArray(v) ? (v as unknown as readonly [T, T]) : [v as T, v as T];

/** Pools x by `value` of each window. */
export function poolReference(x: F64, o: PoolOptions, value: (w: Window) => number): F64 {
  const kernel = two(o.kernel, [1, 1]);
  const stride = two(o.stride, kernel);
  const dilation = two(o.dilation, [1, 1]);
  const p =
    Array.isArray(o.padding) && o.padding.length === 4
      ? (o.padding as number[])
      : two(o.padding as number, [0, 0]).flatMap((v) => [v, v]);
  const sizes = [x.shape[1], x.shape[2]];
  const out = sizes.map((size, i) => {
    let n = 0;
    // PyTorch: a window starts inside the image or its left padding; without ceil mode it also ends inside the padded
    // image.
    const reach = dilation[i] * (kernel[i] - 1) + 1;
    const total = size + p[2 * i] + p[2 * i + 1];
    while (
      o.ceilMode
        ? n * stride[i] < size + p[2 * i] && (n - 1) * stride[i] + reach < total
        : n * stride[i] + reach <= total
    )
      n++;
    return n;
  });
  return pool(
    x,
    [x.shape[0], out[0], out[1], x.shape[3]],
    (oy, ox) => {
      const taps = [oy, ox].map((at, i) =>
        Array.from({ length: kernel[i] }, (_, k) => at * stride[i] - p[2 * i] + k * dilation[i]),
      );
      return taps.map((t, i) => t.filter((v) => v < sizes[i] + p[2 * i + 1]));
    },
    value,
  );
}

export function adaptiveReference(x: F64, size: readonly [number, number], value: (w: Window) => number): F64 {
  return pool(
    x,
    [x.shape[0], size[0], size[1], x.shape[3]],
    (oy, ox) =>
      [oy, ox].map((at, i) => {
        const n = x.shape[i + 1];
        const first = Math.floor((at * n) / size[i]);
        const end = Math.ceil(((at + 1) * n) / size[i]);
        return Array.from({ length: end - first }, (_, k) => first + k);
      }),
    value,
  );
}

function pool(x: F64, shape: Shape, taps: (oy: number, ox: number) => number[][], value: (w: Window) => number): F64 {
  const [, h, w, c] = x.shape;
  return build(shape, (n, oy, ox, k) => {
    const [rows, columns] = taps(oy, ox);
    const found: Window = { values: [], places: [], padded: rows.length * columns.length };
    for (const r of rows)
      for (const q of columns) {
        if (r < 0 || q < 0 || r >= h || q >= w) continue;
        found.values.push(x.data[((n * h + r) * w + q) * c + k]);
        found.places.push(r * w + q);
      }
    return value(found);
  });
}

export const mean = (v: readonly number[]): number => v.reduce((s, a) => s + a, 0) / v.length;
