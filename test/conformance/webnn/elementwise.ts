// WebNN's elementwise operations, by the engine's.

import * as ops from '../../support/ops.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import type { Run } from '../../support/webnnCases.ts';
import { Unsupported } from '../../support/unsupported.ts';

const unary =
  (f: (x: Tensor) => Tensor): Run =>
  ({ input, a }) =>
    f(input ?? a);
const binary =
  (f: (a: Tensor, b: Tensor) => Tensor): Run =>
  ({ a, b }) =>
    f(a, b);

const real = (x: Tensor): boolean => x.dtype === 'f32' || x.dtype === 'f16';

/** Whole numbers are divided towards 0. */
const div = (a: Tensor, b: Tensor): Tensor =>
  real(a) ? ops.div(a, b) : ops.floorDivide(ops.sub(a, ops.fmod(a, b)), b);

/** Integers are i32, those of fewer bits wrap around. */
function cast(x: Tensor, type: string): Tensor {
  if (type === 'float32') return ops.cast(x, 'f32');
  if (type === 'float16') return ops.cast(x, 'f16');
  if (type === 'uint32') return ops.cast(x, 'u32');
  if (type === 'int32' || type === 'int64') return ops.cast(x, 'i32');
  if (type === 'uint8') return ops.remainder(ops.cast(x, 'i32'), 256);
  if (type === 'int8') return ops.sub(ops.remainder(ops.add(ops.cast(x, 'i32'), 128), 256), 128);
  throw new Unsupported(type);
}

/** A limit that an integer can have; NaN, or one beyond all of them, limits nothing. */
function limit(x: Tensor, v: number | undefined, round: (v: number) => number): number | undefined {
  // One that is NaN limits nothing.
  if (v === undefined || Number.isNaN(v)) return undefined;
  if (real(x)) return v;
  const [least, most] = x.dtype === 'u32' ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
  return Math.min(most, Math.max(least, round(v)));
}

function clamp(x: Tensor, min?: number, max?: number): Tensor {
  const limits = { min: limit(x, min, Math.ceil), max: limit(x, max, Math.floor) };
  return limits.min === undefined && limits.max === undefined ? x.view(x.shape) : ops.clamp(x, limits);
}

export const elementwise: Record<string, Run> = {
  ...Object.fromEntries(
    Object.entries({
      abs: ops.abs,
      ceil: ops.ceil,
      cos: ops.cos,
      erf: ops.erf,
      exp: ops.exp,
      floor: ops.floor,
      gelu: ops.gelu,
      hardSwish: ops.hardswish,
      identity: (x: Tensor) => ops.reshape(x, x.shape),
      isInfinite: ops.isInf,
      isNaN: ops.isNan,
      log: ops.log,
      logicalNot: ops.logicalNot,
      neg: ops.neg,
      reciprocal: ops.reciprocal,
      relu: ops.relu,
      roundEven: ops.round,
      sigmoid: ops.sigmoid,
      sign: ops.sign,
      sin: ops.sin,
      softplus: (x: Tensor) => ops.softplus(x),
      softsign: ops.softsign,
      sqrt: ops.sqrt,
      tan: ops.tan,
      tanh: ops.tanh,
    } as Record<string, (x: Tensor) => Tensor>).map(([name, f]) => [name, unary((x) => f(x))]),
  ),
  ...Object.fromEntries(
    Object.entries({
      add: ops.add,
      div,
      equal: ops.eq,
      greater: ops.gt,
      greaterOrEqual: ops.ge,
      lesser: ops.lt,
      lesserOrEqual: ops.le,
      logicalAnd: ops.logicalAnd,
      logicalOr: ops.logicalOr,
      logicalXor: ops.logicalXor,
      max: ops.maximum,
      min: ops.minimum,
      mul: ops.mul,
      notEqual: ops.ne,
      pow: ops.pow,
      sub: ops.sub,
    }).map(([name, f]) => [name, binary(f)]),
  ),
  cast: ({ input }, { type }) => cast(input, type),
  clamp: ({ input }, { minValue, maxValue }) => clamp(input, minValue, maxValue),
  elu: ({ input }, { alpha = 1 }) => ops.elu(input, alpha),
  hardSigmoid: ({ input }, { alpha = 0.2, beta = 0.5 }) => ops.hardtanh(ops.add(ops.mul(input, alpha), beta), 0, 1),
  leakyRelu: ({ input }, { alpha = 0.01 }) => ops.leakyRelu(input, alpha),
  linear: ({ input }, { alpha = 1, beta = 0 }) => ops.add(ops.mul(input, alpha), beta),
  prelu: ({ input, slope }) => ops.where(ops.ge(input, 0), input, ops.mul(input, slope)),
  where: ({ condition, trueValue, falseValue }) => ops.where(condition, trueValue, falseValue),
};
