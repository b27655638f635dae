// Comparisons, logic, and what kind of number an element is: 1 or 0 in i32. None has a gradient.

import { pairwise, type Operand, type Pairwise } from '../kernel/pairwise.ts';
import type { Tensor } from '../tensor.ts';
import { inF32 } from './cast.ts';

const compare = (op: Pairwise, a: Operand, b: Operand): Tensor<'i32'> => inF32(op, [a, b], (u, v) => pairwise(op, u, v)) as Tensor<'i32'>;

/**
 * 1 where a = b, else 0, by broadcasting; NaN equals nothing.
 * @param a f32, f16, i32, u32 of any shape, or a number; `eq` says what holds for every function of two operands here
 * @param b of the dtype of a, or a number that stands for a scalar of it; one of both is a tensor
 * @returns i32 in the common shape
 * @throws ShapeError when the shapes do not meet, dtypes differ, or a number is none of the dtype
 * @example const mask = eq(labels, 255);
 */
export function eq(a: Operand, b: Operand): Tensor<'i32'> {
  return compare('eq', a, b);
}

/**
 * 1 where a and b differ, else 0; NaN differs from everything. See {@link eq}.
 * @example const valid = ne(labels, 255);
 */
export function ne(a: Operand, b: Operand): Tensor<'i32'> {
  return compare('ne', a, b);
}

/**
 * 1 where a < b, else 0. See {@link eq}.
 * @example const small = lt(x, 0.5);
 */
export function lt(a: Operand, b: Operand): Tensor<'i32'> {
  return compare('lt', a, b);
}

/**
 * 1 where a <= b, else 0. See {@link eq}.
 * @example const small = le(x, 0.5);
 */
export function le(a: Operand, b: Operand): Tensor<'i32'> {
  return compare('le', a, b);
}

/**
 * 1 where a > b, else 0. See {@link eq}.
 * @example const mask = gt(confidence, 0.95);
 */
export function gt(a: Operand, b: Operand): Tensor<'i32'> {
  return compare('gt', a, b);
}

/**
 * 1 where a >= b, else 0. See {@link eq}.
 * @example const mask = ge(confidence, 0.95);
 */
export function ge(a: Operand, b: Operand): Tensor<'i32'> {
  return compare('ge', a, b);
}

/**
 * 1 where neither a nor b is 0, else 0. See {@link eq}.
 * @example const both = logicalAnd(gt(x, 0), lt(x, 1));
 */
export function logicalAnd(a: Operand, b: Operand): Tensor<'i32'> {
  return compare('logicalAnd', a, b);
}

/**
 * 1 where a or b is not 0, else 0. See {@link eq}.
 * @example const outside = logicalOr(lt(x, 0), gt(x, 1));
 */
export function logicalOr(a: Operand, b: Operand): Tensor<'i32'> {
  return compare('logicalOr', a, b);
}

/**
 * 1 where one of a and b is 0 and the other is not, else 0. See {@link eq}.
 * @example const differ = logicalXor(a, b);
 */
export function logicalXor(a: Operand, b: Operand): Tensor<'i32'> {
  return compare('logicalXor', a, b);
}

/**
 * 1 where x is 0, else 0.
 * @param x f32, f16, i32, u32 of any shape
 * @returns i32, shape of x
 * @throws DisposedError
 * @example const rest = logicalNot(mask);
 */
export function logicalNot(x: Tensor): Tensor<'i32'> {
  return eq(x, 0);
}

/**
 * 1 where x is no number, else 0.
 * @param x f32, f16, i32, u32 of any shape
 * @returns i32, shape of x
 * @throws DisposedError
 * @example const broken = any(isNan(x));
 */
export function isNan(x: Tensor): Tensor<'i32'> {
  return compare('isNan', x, 0);
}

/**
 * 1 where x is infinite, else 0.
 * @param x f32, f16, i32, u32 of any shape
 * @returns i32, shape of x
 * @throws DisposedError
 * @example const broken = any(isInf(x));
 */
export function isInf(x: Tensor): Tensor<'i32'> {
  return compare('isInf', x, 0);
}

/**
 * 1 where x is neither infinite nor NaN, else 0.
 * @param x f32, f16, i32, u32 of any shape
 * @returns i32, shape of x
 * @throws DisposedError
 * @example const sound = all(isFinite(x));
 */
export function isFinite(x: Tensor): Tensor<'i32'> {
  return compare('isFinite', x, 0);
}
