// Float64 references for tensors of any rank: every element from its index.

import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { f64, type F64 } from './op.ts';

/** Calls `visit` with the index of each element, the last axis fastest. */
export function each(shape: Shape, visit: (at: number[], i: number) => void): void {
  const at = shape.map(() => 0);
  const n = sizeOf(shape);
  for (let i = 0; i < n; i++) {
    visit(at, i);
    for (let a = shape.length - 1; a >= 0 && ++at[a] === shape[a]; a--) at[a] = 0;
  }
}

/** Number of an element. */
export const place = (shape: Shape, at: readonly number[]): number => at.reduce((i, k, a) => i * shape[a] + k, 0);

/** Builds a tensor from a function of the index. */
export function made(shape: Shape, value: (at: number[]) => number): F64 {
  const y = f64(shape);
  each(shape, (at, i) => (y.data[i] = value(at)));
  return y;
}

/** Element of x. */
export const of = (x: F64, at: readonly number[]): number => x.data[place(x.shape, at)];

/** Draws shapes and settings for a run of random cases. */
export class Draw extends Rng {
  constructor(seed: number) {
    super(seed, 5);
  }

  /** A whole number from low to high. */
  whole(low: number, high: number): number {
    return low + this.int(high - low + 1);
  }

  /** Sizes from 0 to 5, few of them 0, many 4. */
  shape(rank: number): number[] {
    return Array.from({ length: rank }, () => (this.bernoulli(0.06) ? 0 : this.bernoulli(0.2) ? 4 : this.whole(1, 5)));
  }

  /** Numbers 0 to n - 1 in any order. */
  order(n: number): number[] {
    return this.shuffle(Array.from({ length: n }, (_, i) => i));
  }
}
