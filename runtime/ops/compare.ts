// Comparisons, logic, and what kind of number an element is: 1 or 0 in i32. None has a gradient.

import { operandArgs, tensorArg } from '../args.ts';
import { pairwise, type Operand, type Pairwise, type RankOf } from '../kernel/pairwise.ts';
import type { DType, Tensor } from '../tensor.ts';
import { inF32 } from './cast.ts';

function compare(op: Pairwise, a: Operand, b: Operand): Tensor<'i32'> {
  operandArgs(op, a, b);
  return inF32(op, [a, b], (u, v) => pairwise(op, u, v)) as Tensor<'i32'>;
}

/** Of one operand. */
function classify<R extends number>(op: Pairwise, x: Tensor<DType, R>): Tensor<'i32', R> {
  tensorArg(op, x);
  return compare(op, x, 0) as Tensor<'i32', R>;
}

/**
 * 1 where a = b, else 0, by broadcasting; NaN equals nothing.
 * @param a f32, f16, i32, u32 of any shape, or a number; `eq` says what holds for every function of two operands here
 * @param b of the dtype of a, or a number that stands for a scalar of it; one of both is a tensor
 * @returns i32 in the common shape
 * @throws ShapeError when the shapes do not meet, dtypes differ, or a number is none of the dtype
 * @example const mask = eq(labels, 255);
 */
export function eq<A extends Operand, B extends Operand>(a: A, b: B): Tensor<'i32', RankOf<A | B>> {
  return compare('eq', a, b) as Tensor<'i32', RankOf<A | B>>;
}

/**
 * 1 where a and b differ, else 0; NaN differs from everything. See {@link eq}.
 * @example const valid = ne(labels, 255);
 */
export function ne<A extends Operand, B extends Operand>(a: A, b: B): Tensor<'i32', RankOf<A | B>> {
  return compare('ne', a, b) as Tensor<'i32', RankOf<A | B>>;
}

/**
 * 1 where a < b, else 0. See {@link eq}.
 * @example const small = lt(x, 0.5);
 */
export function lt<A extends Operand, B extends Operand>(a: A, b: B): Tensor<'i32', RankOf<A | B>> {
  return compare('lt', a, b) as Tensor<'i32', RankOf<A | B>>;
}

/**
 * 1 where a <= b, else 0. See {@link eq}.
 * @example const small = le(x, 0.5);
 */
export function le<A extends Operand, B extends Operand>(a: A, b: B): Tensor<'i32', RankOf<A | B>> {
  return compare('le', a, b) as Tensor<'i32', RankOf<A | B>>;
}

/**
 * 1 where a > b, else 0. See {@link eq}.
 * @example const mask = gt(confidence, 0.95);
 */
export function gt<A extends Operand, B extends Operand>(a: A, b: B): Tensor<'i32', RankOf<A | B>> {
  return compare('gt', a, b) as Tensor<'i32', RankOf<A | B>>;
}

/**
 * 1 where a >= b, else 0. See {@link eq}.
 * @example const mask = ge(confidence, 0.95);
 */
export function ge<A extends Operand, B extends Operand>(a: A, b: B): Tensor<'i32', RankOf<A | B>> {
  return compare('ge', a, b) as Tensor<'i32', RankOf<A | B>>;
}

/**
 * 1 where neither a nor b is 0, else 0. See {@link eq}.
 * @example const both = logicalAnd(gt(x, 0), lt(x, 1));
 */
export function logicalAnd<A extends Operand, B extends Operand>(a: A, b: B): Tensor<'i32', RankOf<A | B>> {
  return compare('logicalAnd', a, b) as Tensor<'i32', RankOf<A | B>>;
}

/**
 * 1 where a or b is not 0, else 0. See {@link eq}.
 * @example const outside = logicalOr(lt(x, 0), gt(x, 1));
 */
export function logicalOr<A extends Operand, B extends Operand>(a: A, b: B): Tensor<'i32', RankOf<A | B>> {
  return compare('logicalOr', a, b) as Tensor<'i32', RankOf<A | B>>;
}

/**
 * 1 where one of a and b is 0 and the other is not, else 0. See {@link eq}.
 * @example const differ = logicalXor(a, b);
 */
export function logicalXor<A extends Operand, B extends Operand>(a: A, b: B): Tensor<'i32', RankOf<A | B>> {
  return compare('logicalXor', a, b) as Tensor<'i32', RankOf<A | B>>;
}

/**
 * 1 where x is 0, else 0.
 * @param x f32, f16, i32, u32 of any shape
 * @returns i32, shape of x
 * @throws DisposedError
 * @example const rest = logicalNot(mask);
 */
export function logicalNot<R extends number>(x: Tensor<DType, R>): Tensor<'i32', R> {
  tensorArg('logicalNot', x);
  return eq(x, 0) as Tensor<'i32', R>;
}

/**
 * 1 where x is not a number, else 0.
 * @param x f32, f16, i32, u32 of any shape
 * @returns i32, shape of x
 * @throws DisposedError
 * @example const broken = any(isNan(x));
 */
export function isNan<R extends number>(x: Tensor<DType, R>): Tensor<'i32', R> {
  return classify('isNan', x);
}

/**
 * 1 where x is infinite, else 0.
 * @param x f32, f16, i32, u32 of any shape
 * @returns i32, shape of x
 * @throws DisposedError
 * @example const broken = any(isInf(x));
 */
export function isInf<R extends number>(x: Tensor<DType, R>): Tensor<'i32', R> {
  return classify('isInf', x);
}

/**
 * 1 where x is neither infinite nor NaN, else 0.
 * @param x f32, f16, i32, u32 of any shape
 * @returns i32, shape of x
 * @throws DisposedError
 * @example const sound = all(isFinite(x));
 */
export function isFinite<R extends number>(x: Tensor<DType, R>): Tensor<'i32', R> {
  return classify('isFinite', x);
}
