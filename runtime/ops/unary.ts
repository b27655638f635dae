// Elementary functions of one tensor. The activations lie in activation.ts.

import { tensorArg } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { pointwise } from '../autograd/pointwise.ts';
import { UNARY_OP } from '../kernel/generated.ts';
import { pairwise } from '../kernel/pairwise.ts';
import { stored } from '../kernel/vectors.ts';
import type { DType, Real, Tensor } from '../tensor.ts';
import { defineReal, real } from './cast.ts';

/** Functions that are constant between their jumps: without a gradient. */
type Step = 'sign' | 'floor' | 'ceil' | 'round' | 'trunc';

const unary = pointwise<Exclude<keyof typeof UNARY_OP, Step>>(defineReal, 'unary', UNARY_OP);

const step: Op<{ op: Step }, 'x'> = defineReal(
  {
    name: 'step',
    inputs: ['x'],
    outputs: ['y'],
    forward({ x }, { op }) {
      const y = x.device.empty(x.shape, x.dtype, op);
      x.device.run({
        shader: 'unary',
        entry: 'forward',
        constants: { OP: UNARY_OP[op], ...stored(x) },
        bindings: { x, y },
        params: { n: x.size },
        threads: x.size,
      });
      return y;
    },
    backward: { x: null },
  },
  { halves: ['x'] },
);

function smooth<D extends DType, R extends number>(
  op: Parameters<typeof unary>[1],
  x: Tensor<D, R>,
): Tensor<Real<D>, R> {
  tensorArg(op, x);
  return unary(real(x), op);
}

const integer = (x: Tensor): boolean => x.dtype === 'i32' || x.dtype === 'u32';

/** Whole numbers are what they are rounded to: x through another tensor. */
function stepped<T extends Tensor>(op: Step, x: T): T {
  tensorArg(op, x);
  return (integer(x) ? x.view(x.shape) : step({ x }, { op }).y) as T;
}

/**
 * |x|; the gradient at 0 is 0. Integers stay integers. `abs` says what holds for every function here.
 * @param x f32, f16 (computed in f32), i32 or u32 of any shape
 * @returns shape and dtype of x; for integers f32, as in PyTorch, but where it is said that they stay integers
 * @throws ShapeError when x is of a dtype that it does not take, DisposedError
 * @example const y = abs(x);
 */
export function abs<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  tensorArg('abs', x);
  return (
    x.dtype === 'u32'
      ? x.view(x.shape)
      : x.dtype === 'i32'
        ? pairwise('maximum', x, pairwise('sub', 0, x))
        : smooth('abs', x)
  ) as Tensor<D, R>;
}

/**
 * -x. Integers stay integers and wrap around. See {@link abs}.
 * @example const y = neg(x); // 2 -> -2
 */
export function neg<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  tensorArg('neg', x);
  return (integer(x) ? pairwise('sub', 0, x) : smooth('neg', x)) as Tensor<D, R>;
}

/**
 * x^2. Integers stay integers and wrap around. See {@link abs}.
 * @example const y = square(x); // 3 -> 9
 */
export function square<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  tensorArg('square', x);
  return (integer(x) ? pairwise('mul', x, x) : smooth('square', x)) as Tensor<D, R>;
}

/**
 * 1 / x. See {@link abs}.
 * @example const y = reciprocal(x); // 4 -> 0.25
 */
export function reciprocal<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('reciprocal', x);
}

/**
 * The square root; NaN below 0. See {@link abs}.
 * @example const y = sqrt(x); // 9 -> 3
 */
export function sqrt<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('sqrt', x);
}

/**
 * 1 / sqrt(x). See {@link abs}.
 * @example const y = rsqrt(x); // 4 -> 0.5
 */
export function rsqrt<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('rsqrt', x);
}

/**
 * e^x. See {@link abs}.
 * @example const y = exp(x); // 1 -> 2.718
 */
export function exp<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('exp', x);
}

/**
 * The natural logarithm; NaN below 0. See {@link abs}.
 * @example const y = log(x); // 1 -> 0
 */
export function log<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('log', x);
}

/**
 * The logarithm to base 2; NaN below 0. See {@link abs}.
 * @example const y = log2(x); // 8 -> 3
 */
export function log2<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('log2', x);
}

/**
 * The sine of x in radians. See {@link abs}.
 * @example const y = sin(x);
 */
export function sin<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('sin', x);
}

/**
 * The cosine of x in radians. See {@link abs}.
 * @example const y = cos(x);
 */
export function cos<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('cos', x);
}

/**
 * The tangent of x in radians. See {@link abs}.
 * @example const y = tan(x);
 */
export function tan<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('tan', x);
}

/**
 * The angle in radians, -pi/2 to pi/2, whose sine is x; NaN beyond -1 and 1. See {@link abs}.
 * @example const y = asin(x); // 1 -> 1.571
 */
export function asin<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('asin', x);
}

/**
 * The angle in radians, 0 to pi, whose cosine is x; NaN beyond -1 and 1. See {@link abs}.
 * @example const y = acos(x); // 1 -> 0
 */
export function acos<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('acos', x);
}

/**
 * The angle in radians, -pi/2 to pi/2, whose tangent is x. See {@link abs}.
 * @example const y = atan(x); // 1 -> 0.785
 */
export function atan<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('atan', x);
}

/**
 * (e^x - e^-x) / 2. See {@link abs}.
 * @example const y = sinh(x);
 */
export function sinh<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('sinh', x);
}

/**
 * (e^x + e^-x) / 2. See {@link abs}.
 * @example const y = cosh(x);
 */
export function cosh<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return smooth('cosh', x);
}

/**
 * -1, 0 or 1. Integers stay integers. It has no gradient. See {@link abs}.
 * @example const y = sign(x); // -3, 0, 2 -> -1, 0, 1
 */
export function sign<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  tensorArg('sign', x);
  return integer(x)
    ? (pairwise('minimum', x.dtype === 'u32' ? x : pairwise('maximum', x, -1), 1) as Tensor<D, R>)
    : stepped('sign', x);
}

/**
 * The largest whole number not above x. Integers stay integers. It has no gradient. See {@link abs}.
 * @example const y = floor(x); // -1.5 -> -2
 */
export function floor<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  return stepped('floor', x);
}

/**
 * The smallest whole number not below x. Integers stay integers. It has no gradient. See {@link abs}.
 * @example const y = ceil(x); // -1.5 -> -1
 */
export function ceil<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  return stepped('ceil', x);
}

/**
 * The nearest whole number; halves become even. Integers stay integers. It has no gradient. See {@link abs}.
 * @example const y = round(x); // 0.5, 1.5 -> 0, 2
 */
export function round<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  return stepped('round', x);
}

/**
 * x without its fraction. Integers stay integers. It has no gradient. See {@link abs}.
 * @example const y = trunc(x); // -1.5 -> -1
 */
export function trunc<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  return stepped('trunc', x);
}
