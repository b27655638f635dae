// Elementwise operations against PyTorch in float64 (conformance set torch-ops).

import * as ops from '../../support/ops.ts';
import type { Operand } from '../../../runtime/ops/index.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { oneOf } from '../../support/reading.ts';
import { type Family, type Run } from '../../support/torchCases.ts';

const UNARY: Record<string, (x: Tensor) => Tensor> = {
  relu: ops.relu,
  selu: ops.selu,
  silu: ops.silu,
  mish: ops.mish,
  hardswish: ops.hardswish,
  hardsigmoid: ops.hardsigmoid,
  relu6: ops.relu6,
  softsign: ops.softsign,
  logsigmoid: ops.logSigmoid,
  sigmoid: ops.sigmoid,
  tanh: ops.tanh,
  erf: ops.erf,
  expm1: ops.expm1,
  log1p: ops.log1p,
  exp: ops.exp,
  log: ops.log,
  log2: ops.log2,
  sqrt: ops.sqrt,
  rsqrt: ops.rsqrt,
  square: ops.square,
  abs: ops.abs,
  neg: ops.neg,
  reciprocal: ops.reciprocal,
  sin: ops.sin,
  cos: ops.cos,
  sign: ops.sign,
  floor: ops.floor,
  ceil: ops.ceil,
  trunc: ops.trunc,
  isnan: ops.isNan,
  isinf: ops.isInf,
  isfinite: ops.isFinite,
  logical_not: ops.logicalNot,
};

const BINARY: Record<string, (a: Operand, b: Operand) => Tensor> = {
  add: ops.add,
  sub: ops.sub,
  mul: ops.mul,
  div: ops.div,
  pow: ops.pow,
  maximum: ops.maximum,
  minimum: ops.minimum,
  eq: ops.eq,
  ne: ops.ne,
  lt: ops.lt,
  le: ops.le,
  gt: ops.gt,
  ge: ops.ge,
  logical_and: ops.logicalAnd,
  logical_or: ops.logicalOr,
  logical_xor: ops.logicalXor,
  remainder: ops.remainder,
  fmod: ops.fmod,
  floor_divide: ops.floorDivide,
  atan2: ops.atan2,
};

const runs: Record<string, Run> = {
  ...Object.fromEntries(Object.entries(UNARY).map(([name, f]): [string, Run] => [name, ({ x }) => f(x)])),
  ...Object.fromEntries(
    Object.entries(BINARY).map(([name, f]): [string, Run] => [name, ({ a, b }, p) => f(a, b ?? p.b)]),
  ),
  leaky_relu: ({ x }, { negative_slope: slope = 0.01 }) => ops.leakyRelu(x, slope),
  elu: ({ x }, { alpha = 1 }) => ops.elu(x, alpha),
  celu: ({ x }, { alpha = 1 }) => ops.celu(x, alpha),
  hardtanh: ({ x }, { min_val: min = -1, max_val: max = 1 }) => ops.hardtanh(x, min, max),
  round({ x }, { decimals = 0 }) {
    const scale = 10 ** decimals;
    return decimals === 0 ? ops.round(x) : ops.div(ops.round(ops.mul(x, scale)), scale);
  },
  gelu: ({ x }, { approximate = 'none' }) =>
    ops.gelu(x, { approximate: oneOf('approximate', approximate, { none: 'none', tanh: 'tanh' } as const) }),
  softplus({ x }, { beta = 1, threshold = 20 }) {
    // PyTorch takes x itself above the threshold; at the default that makes no difference in f32.
    const y = ops.softplus(x, beta);
    return threshold === 20 ? y : ops.where(ops.gt(ops.mul(x, beta), threshold), x, y);
  },
  where: ({ cond, a, b }) => ops.where(cond, a, b),
  masked_fill: ({ x, mask }, p) => ops.maskedFill(x, mask, p.value),
  clamp: ({ x }, p) => ops.clamp(x, { min: p.min, max: p.max }),
};

export const elementwise: Family = { runs };
