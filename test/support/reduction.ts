// Float64 references of operations that work along axes, and the shapes they are tried at.

import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { f64, type F64 } from './op.ts';

/**
 * Shapes and the axes to reduce: rank 0 to 5, sizes 0 and 1, odd sizes, axes from the back, groups that do not
 * neighbour, real and long ones.
 */
export const REDUCTIONS: readonly { shape: Shape; axes: number[]; keepdim?: boolean }[] = [
  { shape: [], axes: [] },
  { shape: [], axes: [-1], keepdim: true },
  { shape: [7], axes: [0] },
  { shape: [1], axes: [-1], keepdim: true },
  { shape: [3, 5], axes: [0] },
  { shape: [3, 5], axes: [-1], keepdim: true },
  { shape: [0, 3], axes: [1] },
  { shape: [2, 67, 3], axes: [1] },
  { shape: [5, 1, 131], axes: [1, 2] },
  { shape: [3, 4, 5, 6], axes: [0, 2] },
  { shape: [2, 3, 9, 11], axes: [0, 2, 3], keepdim: true },
  { shape: [2, 3, 4, 3, 5], axes: [0, 2, -1] },
  { shape: [2, 3, 2, 3, 2, 3, 2], axes: [1, 3, 5] },
  { shape: [8, 128, 128, 3], axes: [-1] },
  { shape: [8, 128, 128, 3], axes: [0, 1, 2] },
  { shape: [2, 70001], axes: [1] },
];

/** The shape without its axes, and for each element the result that it goes into. */
export function grouped(
  shape: Shape,
  axes: readonly number[],
  keepdim = false,
): { shape: number[]; of: Int32Array; k: number } {
  const rank = shape.length;
  const on = new Set(axes.length ? axes.map((a) => (a < 0 ? a + rank : a)) : shape.map((_, i) => i));
  const kept = shape.map((d, i) => (on.has(i) ? 1 : d));
  const strides = kept.map((_, i) => (on.has(i) ? 0 : sizeOf(kept.slice(i + 1))));
  const of = new Int32Array(sizeOf(shape));
  for (let i = 0; i < of.length; i++) {
    let rest = i;
    for (let a = rank - 1; a >= 0; a--) {
      of[i] += (rest % shape[a]) * strides[a];
      rest = Math.floor(rest / shape[a]);
    }
  }
  return { shape: keepdim ? kept : shape.filter((_, i) => !on.has(i)), of, k: sizeOf(kept) };
}

/** Reduces with a function of the elements of a result, in their order. */
export function reduceBy(x: F64, axes: readonly number[], keepdim: boolean, f: (v: number[]) => number): F64 {
  const g = grouped(x.shape, axes, keepdim);
  const lists: number[][] = Array.from({ length: g.k }, () => []);
  x.data.forEach((v, i) => lists[g.of[i]].push(v));
  return f64(g.shape, lists.map(f));
}

/** Maps each line along an axis to another line, of any length. */
export function mapLines(x: F64, axis: number, f: (line: number[]) => number[]): F64 {
  const a = axis < 0 ? axis + x.shape.length : axis;
  const n = x.shape[a];
  const inner = sizeOf(x.shape.slice(a + 1));
  const outer = sizeOf(x.shape.slice(0, a));
  const length = f(Array<number>(n).fill(0)).length;
  const y = f64([...x.shape.slice(0, a), length, ...x.shape.slice(a + 1)]);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const line = Array.from({ length: n }, (_, j) => x.data[(o * n + j) * inner + i]);
      f(line).forEach((v, j) => (y.data[(o * length + j) * inner + i] = v));
    }
  }
  return y;
}

/** The printed name of a case. */
export const named = (op: string, c: { shape: Shape; axes: readonly number[]; keepdim?: boolean }): string =>
  `${op} [${c.shape}] over ${c.axes.join(', ') || 'all'}${c.keepdim ? ' keepdim' : ''}`;
