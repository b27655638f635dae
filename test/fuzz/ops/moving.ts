// What the operations that move elements share.

import { type DType, type Shape } from '../../../runtime/tensor.ts';
import type { F64 } from '../../support/op.ts';
import { type Call, type Source, type Value, type Want } from '../call.ts';

export const WORDS: readonly DType[] = ['f32', 'f32', 'f32', 'f32', 'i32', 'u32'];

export const any = (s: Source, want: Want = {}): Value => s.tensor({ dtype: s.choice(WORDS), ...want });

export const copy = (x: Value, c: Omit<Call, 'inputs' | 'dtypes' | 'bound'>): Call => ({
  inputs: [x],
  dtypes: [x.dtype],
  bound: 'exact',
  ...c,
});

export const as = (x: F64, shape: Shape): F64 => ({ shape, data: x.data });

export const wrap = (i: number, n: number): number => ((i % n) + n) % n;

/** An axis counted from the front. */
export const front = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

export const set = (at: readonly number[], axis: number, i: number): number[] => at.map((v, a) => (a === axis ? i : v));
