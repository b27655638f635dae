// What losses share: rows of logits, weights, denominators.

import { type Shape } from '../../../runtime/tensor.ts';
import { type F64 } from '../../support/op.ts';
import { SPECIALS, type Source, type Value } from '../call.ts';

export const classes = (x: F64): number => x.shape[x.shape.length - 1];

export const total = (l: readonly number[]): number => l.reduce((a, b) => a + b, 0);

/** Tensors that may be there or not, in order; `split` gives them back with undefined for the absent ones. */
export function optional(
  s: Source,
  ...makers: (() => Value)[]
): { given: Value[]; split: <T>(t: readonly T[]) => (T | undefined)[] } {
  const on = makers.map(() => s.flag(0.4));
  return {
    given: makers.filter((_, i) => on[i]).map((m) => m()),
    split: (t) => {
      let k = 0;
      return on.map((there) => (there ? t[k++] : undefined));
    },
  };
}

export const weightsFor = (s: Source, n: number) => (): Value => s.tensor({ shape: [n], within: [0.2, 2] });

/** A factor for each pixel, some of them 0. */
export const gates = (s: Source, shape: Shape) => (): Value =>
  s.tensor({ shape, element: () => (s.flag(0.3) ? 0 : s.uniform(0.2, 2)) });

/** Logits that are infinite have losses whose formulas in use differ, NaN or the limit; targets are probabilities. */
export const FINITE = SPECIALS.filter((v) => Math.abs(v) !== Infinity);

/** The weight 0 leaves a pixel out: what is there does not matter. */
export const weighted = (w: number, loss: number): number => (w === 0 ? 0 : w * loss);
