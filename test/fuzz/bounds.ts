// How far an f32 result may lie from the float64 reference of the same operands.
//
// With u = 2^-24 a sensible algorithm gives the exact result for operands that are off by a few u (backward stable),
// rounded (a few u of the result). So the reference is asked what such changes do:
// - linear: a sum of products; |error| <= c u ref(|operands|), the classical bound with c ~ sqrt(terms) for the random
// walk of roundings
// - elementwise: each operand moved by itself up and down: the first-order condition of every element
// - general: all operands moved at random, six times, root mean square; a little of the largest element on top, for
// normalisers that elements share, and
//   the random walk of a sum over as many terms as there are operands for each result
// - exact: copies, choices, integers
// All are far below what a wrong element is off by, and far above what rounding gives.

import { Rng } from '../../runtime/random.ts';
import type { F64 } from '../support/op.ts';
import { dtypeOf, listed, type Call } from './call.ts';

export const U = 2 ** -24;
const STEP = 2 ** -20;

const absolute = (v: F64): F64 => ({ shape: v.shape, data: v.data.map(Math.abs) });
const largest = (v: ArrayLike<number>): number => {
  let m = 0;
  for (let i = 0; i < v.length; i++) if (Number.isFinite(v[i])) m = Math.max(m, Math.abs(v[i]));
  return m;
};

/** Operands moved by a relative step, each element up or down. */
export function moved(x: readonly F64[], floats: readonly boolean[], step: number, rng: Rng): F64[] {
  return x.map((v, i) =>
    floats[i] ? { shape: v.shape, data: v.data.map((e) => e * (1 + (rng.u32() & 1 ? step : -step))) } : v,
  );
}

/** A bound for each element of each output. */
export function bounds(c: Call, want: readonly F64[], seed: number): Float64Array[] {
  const kind = c.bound ?? 'general';
  const floats = c.inputs.map((v) => v.dtype === 'f32' || v.dtype === 'f16');
  const slack = c.slack ?? 1;
  const at = (x: readonly F64[]): readonly F64[] => listed(c.reference(...x));
  const scale = Math.max(1, ...c.inputs.map((v, i) => (floats[i] ? largest(v.data) / 4 : 0)));
  const most = c.inputs.reduce((n, v) => Math.max(n, v.data.length), 1);
  const spread = want.map((y) => new Float64Array(y.data.length));
  if (kind === 'linear') {
    const sums = at(c.inputs.map((v, i) => (floats[i] ? absolute(v) : v)));
    want.forEach((y, k) => {
      const terms = Math.max(1, most / Math.max(1, y.data.length));
      sums[k].data.forEach((s, i) => (spread[k][i] = (16 + 4 * Math.sqrt(terms)) * U * Math.abs(s)));
    });
  } else if (kind === 'elementwise') {
    c.inputs.forEach((_, j) => {
      // Integers that become f32 are rounded within the function as others are.
      if (!floats[j] && dtypeOf(c, 0) !== 'f32') return;
      const sides = [STEP, -STEP].map((step) =>
        at(c.inputs.map((v, i) => (i === j ? { shape: v.shape, data: v.data.map((e) => e * (1 + step)) } : v))),
      );
      want.forEach((y, k) =>
        y.data.forEach((v, i) => {
          const most = Math.max(...sides.map((s) => Math.abs(s[k].data[i] - v)).filter(Number.isFinite), 0);
          spread[k][i] += (8 * U * most) / STEP;
        }),
      );
    });
    // A number is an operand as well.
    const sides = c.nudged ? [STEP, -STEP].map((step) => listed(c.nudged!(step, ...c.inputs))) : [];
    want.forEach((y, k) =>
      y.data.forEach((v, i) => {
        const most = Math.max(...sides.map((s) => Math.abs(s[k].data[i] - v)).filter(Number.isFinite), 0);
        spread[k][i] += (8 * U * most) / STEP;
      }),
    );
  } else if (kind === 'general') {
    const rng = new Rng(seed, 40);
    const times = 6;
    for (let t = 0; t < times; t++) {
      const near = at(moved(c.inputs, floats, STEP, rng));
      want.forEach((y, k) =>
        y.data.forEach((v, i) => {
          const d = near[k].data[i] - v;
          if (Number.isFinite(d)) spread[k][i] += (d * d) / times;
        }),
      );
    }
    spread.forEach((s, k) => {
      const top = 4 * U * largest(want[k].data);
      s.forEach((v, i) => (s[i] = (64 * U * Math.sqrt(v)) / STEP + top));
    });
  }
  return want.map((y, k) => {
    const dtype = dtypeOf(c, k);
    const own =
      dtype === 'f16'
        ? 2 ** -11
        : kind === 'exact'
          ? 0
          : 16 * U * slack * (kind === 'general' ? 1 + Math.sqrt(most / Math.max(1, y.data.length)) / 4 : 1);
    if (dtype === 'i32' || dtype === 'u32') return spread[k].fill(0);
    return spread[k].map(
      (s, i) =>
        slack * s +
        own * Math.abs(y.data[i]) +
        (kind === 'exact' ? 0 : 16 * U * (c.inner ?? 0) * scale + 1e-37) +
        (dtype === 'f16' ? 2 ** -25 : 0),
    );
  });
}

/** The first element beyond its bound, in words; null when all is well. NaN and infinities must be the same. */
export function mismatch(
  got: ArrayLike<number>,
  want: F64,
  bound: Float64Array,
  shape: readonly number[],
): string | null {
  if (String(shape) !== String(want.shape)) return `the shape is [${shape}], expected [${want.shape}]`;
  if (got.length !== want.data.length) return `${got.length} elements, expected ${want.data.length}`;
  for (let i = 0; i < got.length; i++) {
    const g = got[i];
    const w = want.data[i];
    if (Object.is(g, w) || g === w) continue;
    // The bound of an infinity is infinite: a number in its place is wrong all the same.
    if (Number.isFinite(g) && Number.isFinite(w) && Math.abs(g - w) <= bound[i]) continue;
    return `[${i}] is ${g}, expected ${w} (off by ${Math.abs(g - w)}, at most ${bound[i]})`;
  }
  return null;
}

/** What the engine made: shape and elements of an output. */
export interface Got {
  shape: readonly number[];
  data: ArrayLike<number>;
}

/** For each output what is wrong with it, or null. @param c the call with the operands that the engine had */
export function ordinaryMismatch(c: Call, got: readonly Got[], seed: number): (string | null)[] {
  const want = listed(c.reference(...c.inputs));
  const bound = bounds(c, want, seed);
  return got.map((g, k) => mismatch(g.data, want[k], bound[k], g.shape));
}
