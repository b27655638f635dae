// NaN, infinities, both zeros and denormals in every function of one element or two: what IEEE 754 and PyTorch give,
// forwards and backwards, in f32 and f16.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import * as ops from '../support/ops.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { erf, round, sigmoid, softplus } from '../support/special.ts';

type F = (v: number) => number;
type Two = (a: Tensor, b: Tensor) => Tensor;
/** A function, its reference in float64, and its slope where it has one. */
type Row = readonly [run: (x: Tensor) => Tensor, f: F, df?: F];

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const VALUES = [nan, inf, -inf, 0, -0, 1e-40, -1e-40, 1e-30, 0.5, -0.5, 1, -1, 1.5, -2, 7, -7, 3e38, -3e38];
const HALVES = [nan, inf, -inf, 0, -0, 6e-8, -6e-8, 0.5, -0.5, 1, -1, 1.5, -2, 7, -7, 65504, -65504];

const fround = Math.fround;
const cdf = (v: number): number => (1 + erf(v / Math.SQRT2)) / 2;
const pdf = (v: number): number => Math.exp((-v * v) / 2) / Math.sqrt(2 * Math.PI);
const clip = (v: number, low: number, high: number): number => Math.min(high, Math.max(low, v));
const geluTanh = (v: number): number => Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3);
const dgeluTanh = (v: number): number => Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * v ** 2);
const below = (v: number, limit: number, f: F): number => (v < limit ? nan : f(v));
const dsigmoid = (v: number): number => sigmoid(v) * sigmoid(-v);
/** d of a piecewise function: `otherwise` where v is NaN, which PyTorch's comparisons lead to. */
const piece =
  (otherwise: number, df: F): F =>
  (v) =>
    Number.isNaN(v) ? otherwise : df(v);
const SELU = [1.6732632423543772, 1.0507009873554805];
const elu =
  (a: number, b: number, c: number): F =>
  (v) =>
    v <= 0 ? a * Math.expm1(b * v) : c * v;
const delu = (a: number, b: number, c: number): F => piece(c, (v) => (v <= 0 ? a * b * Math.exp(b * v) : c));

const TABLE: Record<string, Row> = {
  relu: [ops.relu, (v) => Math.max(v, 0), piece(1, (v) => Number(v > 0))],
  leakyRelu: [(x) => ops.leakyRelu(x, 0.25), (v) => (v > 0 ? v : 0.25 * v), (v) => (v > 0 ? 1 : 0.25)],
  prelu: [
    (x) => ops.prelu(x, ops.full(x.device, [1], 0.25, x.dtype)),
    (v) => (v > 0 ? v : 0.25 * v),
    (v) => (v > 0 ? 1 : 0.25),
  ],
  hardtanh: [(x) => ops.hardtanh(x), (v) => clip(v, -1, 1), piece(1, (v) => Number(v > -1 && v < 1))],
  relu6: [(x) => ops.relu6(x), (v) => clip(v, 0, 6), piece(1, (v) => Number(v > 0 && v < 6))],
  hardsigmoid: [ops.hardsigmoid, (v) => clip(v / 6 + 0.5, 0, 1), piece(0, (v) => (v > -3 && v < 3 ? 1 / 6 : 0))],
  hardswish: [
    ops.hardswish,
    (v) => v * clip(v / 6 + 0.5, 0, 1),
    piece(1, (v) => (v < -3 ? 0 : v <= 3 ? v / 3 + 0.5 : 1)),
  ],
  elu: [(x) => ops.elu(x), elu(1, 1, 1), delu(1, 1, 1)],
  selu: [ops.selu, elu(SELU[0] * SELU[1], 1, SELU[1]), delu(SELU[0] * SELU[1], 1, SELU[1])],
  celu: [(x) => ops.celu(x, 2), elu(2, 0.5, 1), delu(2, 0.5, 1)],
  softsign: [ops.softsign, (v) => v / (1 + Math.abs(v)), (v) => (1 + Math.abs(v)) ** -2],
  softplus: [(x) => ops.softplus(x, 2), (v) => softplus(2 * v) / 2, (v) => sigmoid(2 * v)],
  logSigmoid: [ops.logSigmoid, (v) => -softplus(-v), (v) => sigmoid(-v)],
  sigmoid: [ops.sigmoid, sigmoid, dsigmoid],
  tanh: [ops.tanh, Math.tanh, (v) => 4 * dsigmoid(2 * v)],
  silu: [ops.silu, (v) => v * sigmoid(v), (v) => sigmoid(v) + v * dsigmoid(v)],
  gelu: [(x) => ops.gelu(x), (v) => v * cdf(v), (v) => cdf(v) + v * pdf(v)],
  'gelu by tanh': [
    (x) => ops.gelu(x, { approximate: 'tanh' }),
    (v) => v * sigmoid(2 * geluTanh(v)),
    (v) => sigmoid(2 * geluTanh(v)) + v * dsigmoid(2 * geluTanh(v)) * 2 * dgeluTanh(v),
  ],
  mish: [
    ops.mish,
    (v) => v * Math.tanh(softplus(v)),
    (v) => Math.tanh(softplus(v)) + v * (1 - Math.tanh(softplus(v)) ** 2) * sigmoid(v),
  ],
  erf: [ops.erf, erf, (v) => (2 / Math.sqrt(Math.PI)) * Math.exp(-v * v)],
  expm1: [ops.expm1, Math.expm1, Math.exp],
  log1p: [ops.log1p, Math.log1p, (v) => 1 / (1 + v)],
  asinh: [ops.asinh, Math.asinh, (v) => 1 / Math.sqrt(1 + v * v)],
  acosh: [ops.acosh, (v) => below(v, 1, Math.acosh), (v) => 1 / Math.sqrt((v - 1) * (v + 1))],
  atanh: [ops.atanh, Math.atanh, (v) => 1 / ((1 - v) * (1 + v))],
  abs: [ops.abs, Math.abs, Math.sign],
  neg: [ops.neg, (v) => -v, () => -1],
  square: [ops.square, (v) => v * v, (v) => 2 * v],
  reciprocal: [ops.reciprocal, (v) => 1 / v, (v) => -1 / (v * v)],
  sqrt: [ops.sqrt, Math.sqrt, (v) => 0.5 / Math.sqrt(v)],
  rsqrt: [ops.rsqrt, (v) => 1 / Math.sqrt(v), (v) => -0.5 / (v * Math.sqrt(v))],
  exp: [ops.exp, Math.exp, Math.exp],
  log: [ops.log, Math.log, (v) => 1 / v],
  log2: [ops.log2, Math.log2, (v) => 1 / (Math.LN2 * v)],
  sin: [ops.sin, Math.sin, Math.cos],
  cos: [ops.cos, Math.cos, (v) => -Math.sin(v)],
  tan: [ops.tan, Math.tan, (v) => 1 + Math.tan(v) ** 2],
  asin: [ops.asin, Math.asin, (v) => 1 / Math.sqrt((1 - v) * (1 + v))],
  acos: [ops.acos, Math.acos, (v) => -1 / Math.sqrt((1 - v) * (1 + v))],
  atan: [ops.atan, Math.atan, (v) => 1 / (1 + v * v)],
  sinh: [ops.sinh, Math.sinh, Math.cosh],
  cosh: [ops.cosh, Math.cosh, Math.sinh],
  sign: [ops.sign, Math.sign],
  floor: [ops.floor, Math.floor],
  ceil: [ops.ceil, Math.ceil],
  round: [ops.round, round],
  trunc: [ops.trunc, Math.trunc],
  clamp: [(x) => ops.clamp(x, { min: -1, max: 1 }), (v) => clip(v, -1, 1)],
  cast: [(x) => ops.cast(ops.cast(x, 'f16'), x.dtype), (v) => (Math.abs(v) > 65504 ? Math.sign(v) * inf : v)],
};

const tiny = 2 ** -126;

/** Whether an adapter may give `got` where f is to be taken at v: denormals may be 0 on the way in and out. */
function right(got: number, f: F, v: number, half: boolean): boolean {
  const bound = half ? 2e-3 : 2e-5;
  const most = half ? 65504 : 3.4028235e38;
  const least = half ? 2 ** -14 : tiny;
  return (Math.abs(v) < least ? [v, v < 0 || Object.is(v, -0) ? -0 : 0] : [v]).some((at) => {
    const exact = f(at);
    const want = half ? (Math.abs(exact) >= 65520 ? Math.sign(exact) * inf : exact) : fround(exact);
    if (Number.isNaN(want)) return Number.isNaN(got);
    if (!Number.isFinite(want)) return got === want || (Number.isFinite(exact) && Math.abs(got) >= 0.999 * most);
    return Math.abs(got - want) <= bound * Math.max(Math.abs(want), half ? 1e-3 : 1e-5) + 2 * least;
  });
}

for (const dtype of ['f32', 'f16'] as const) {
  test(`functions of one ${dtype} element`, async () => {
    const device = await testDevice();
    const half = dtype === 'f16';
    const values = half ? HALVES : VALUES;
    const wrong: string[] = [];
    for (const [name, [run, f, df]] of Object.entries(TABLE)) {
      const x = device.tensor(values, [values.length], dtype);
      const given = await x.read();
      x.requiresGrad = true;
      const y = run(x);
      const seed = ops.full(device, [values.length], 1, dtype);
      const [got, slopes] = await device.read([y, df ? grad(y, [x], { dy: seed })[0] : y]);
      given.forEach((v: number, i: number) => {
        if (!right(got[i], f, v, half)) wrong.push(`${name}(${v}) is ${got[i]}, expected ${f(v)}`);
        if (!df || right(slopes[i], df, v, half)) return;
        wrong.push(`the slope of ${name} at ${v} is ${slopes[i]}, expected ${df(v)}`);
      });
    }
    assert.equal(wrong, []);
  });
}

test('a gradient that is NaN does not reach what a flat piece has made', async () => {
  const device = await testDevice();
  const flat: [string, (x: Tensor) => Tensor, number[]][] = [
    ['relu', ops.relu, [-1, 0, -inf]],
    ['hardtanh', (x) => ops.hardtanh(x), [-2, 2, inf, -inf]],
    ['hardsigmoid', ops.hardsigmoid, [-4, 4, inf]],
    ['hardswish', ops.hardswish, [-4]],
    ['clamp', (x) => ops.clamp(x, { min: -1, max: 1 }), [-2, 2, inf]],
    ['maximum', (x) => ops.maximum(x, 5), [-2, 2]],
    ['minimum', (x) => ops.minimum(x, -5), [-2, 2]],
    ['pow', (x) => ops.pow(x, 0), [-2, 2, nan]],
  ];
  for (const [name, run, values] of flat) {
    for (const upstream of [nan, inf]) {
      const x = device.tensor(values, [values.length]);
      x.requiresGrad = true;
      const [dx] = grad(run(x), [x], { dy: ops.full(device, [values.length], upstream) });
      assert.equal(
        [...(await dx.read())].map(Math.abs),
        values.map(() => 0),
        `${name}, ${upstream}`,
      );
    }
  }
});

// Of two elements: every value beside every other. JavaScript's ** has NaN where IEEE 754's pow has 1.
const power = (a: number, b: number): number => (a === 1 || (a === -1 && Math.abs(b) === inf) ? 1 : a ** b);
const remainder = (a: number, b: number): number => (a % b !== 0 && a % b < 0 !== b < 0 ? (a % b) + b : a % b);
/** PyTorch's, by way of the rest. */
function floorDivide(a: number, b: number): number {
  if (b === 0) return a / b;
  const r = a % b;
  const whole = Math.round((a - r) / b);
  return r !== 0 && r < 0 !== b < 0 ? whole - 1 : whole;
}
const PAIRS: Record<string, readonly [run: Two, f: (a: number, b: number) => number]> = {
  add: [ops.add, (a, b) => a + b],
  sub: [ops.sub, (a, b) => a - b],
  mul: [ops.mul, (a, b) => a * b],
  div: [ops.div, (a, b) => a / b],
  maximum: [ops.maximum, Math.max],
  minimum: [ops.minimum, Math.min],
  pow: [ops.pow, power],
  atan2: [ops.atan2, Math.atan2],
  fmod: [ops.fmod, (a, b) => a % b],
  remainder: [ops.remainder, remainder],
  floorDivide: [ops.floorDivide, floorDivide],
  prelu: [ops.prelu, (a, b) => (a > 0 ? a : a * b)],
  eq: [ops.eq, (a, b) => Number(a === b)],
  ne: [ops.ne, (a, b) => Number(a !== b)],
  lt: [ops.lt, (a, b) => Number(a < b)],
  le: [ops.le, (a, b) => Number(a <= b)],
  gt: [ops.gt, (a, b) => Number(a > b)],
  ge: [ops.ge, (a, b) => Number(a >= b)],
  logicalAnd: [ops.logicalAnd, (a, b) => Number(a !== 0 && b !== 0)],
  logicalOr: [ops.logicalOr, (a, b) => Number(a !== 0 || b !== 0)],
  logicalXor: [ops.logicalXor, (a, b) => Number((a !== 0) !== (b !== 0))],
  'clamp from below': [(a, b) => ops.clamp(a, { min: b }), Math.max],
  'clamp from above': [(a, b) => ops.clamp(a, { max: b }), Math.min],
};

for (const dtype of ['f32', 'f16'] as const) {
  test(`functions of two ${dtype} elements, tensors and numbers`, async () => {
    const device = await testDevice();
    const half = dtype === 'f16';
    const wrong: string[] = [];
    const values = (half ? HALVES : VALUES).filter((v) => v === 0 || !(Math.abs(v) < (half ? 1e-4 : 1e-35)));
    const n = values.length;
    const check = (name: string, u: number, v: number, got: number): void => {
      const f = PAIRS[name][1];
      const want = f(fround(u), fround(v));
      if (!right(got, () => want, 1, half)) wrong.push(`${name}(${u}, ${v}) is ${got}, expected ${want}`);
    };
    const a = device.tensor(values, [n, 1], dtype);
    const b = device.tensor(values, [1, n], dtype);
    for (const [name, [run]] of Object.entries(PAIRS)) {
      const got = await run(a, b).read();
      for (let i = 0; i < n * n; i++) {
        const u = values[Math.floor(i / n)];
        const v = values[i % n];
        check(name, u, v, got[i]);
      }
    }
    // One of them a number. The limits of clamp may be, x not.
    for (const [name, [run]] of Object.entries(PAIRS).filter(([k]) => k !== 'prelu')) {
      const of = run as unknown as (a: Tensor | number, b: Tensor | number) => Tensor;
      for (const v of [nan, inf, -inf, 0, -0, 1]) {
        const second = await of(a, v).read();
        values.forEach((u, i) => check(name, u, v, second[i]));
        if (/clamp/.test(name)) continue;
        const first = await of(v, b).read();
        values.forEach((u, i) => check(name, v, u, first[i]));
      }
    }
    assert.equal(wrong, []);
  });
}

test('the signs of atan2 beside zeros and infinities', async () => {
  const device = await testDevice();
  const values = [0, -0, 1, -1, inf, -inf];
  const n = values.length;
  const got = await ops.atan2(device.tensor(values, [n, 1]), device.tensor(values, [1, n])).read();
  values.forEach((u, i) =>
    values.forEach((v, k) => {
      const want = Math.atan2(u, v);
      const is = got[i * n + k];
      const same = Math.abs(is - want) < 1e-6 && Object.is(Math.sign(is), Math.sign(want));
      assert.ok(same, `atan2(${u}, ${v}) is ${is}, expected ${want}`);
    }),
  );
});

test('gradients of functions of two elements where one is special', async () => {
  const device = await testDevice();
  /** The gradients of a and b with dy = 1. */
  const at = async (run: Two, u: number, v: number, upstream: number): Promise<[number, number]> => {
    const a = device.tensor([u], [1]);
    const b = device.tensor([v], [1]);
    a.requiresGrad = b.requiresGrad = true;
    const [da, db] = await device.read(grad(run(a, b), [a, b], { dy: device.tensor([upstream], [1]) }));
    return [da[0], db[0]];
  };
  const table: [string, Two, number, number, number, [number, number]][] = [
    // Beside NaN both get the gradient; the loser gets 0 whatever it is.
    ['maximum', ops.maximum, nan, 1, 2, [2, 2]],
    ['maximum', ops.maximum, 1, nan, 2, [2, 2]],
    ['maximum', ops.maximum, 1, 0, nan, [nan, 0]],
    ['maximum', ops.maximum, inf, inf, 2, [1, 1]],
    ['minimum', ops.minimum, nan, nan, 2, [2, 2]],
    ['minimum', ops.minimum, 1, 0, inf, [0, inf]],
    ['pow', ops.pow, nan, 0, 1, [0, nan]],
    ['pow', ops.pow, 0, 2, 1, [0, 0]],
    ['pow', ops.pow, 0, -1, 1, [-inf, -inf]],
    ['pow', ops.pow, inf, 2, 1, [inf, inf]],
    ['pow', ops.pow, nan, 2, 1, [nan, nan]],
    ['pow', ops.pow, -2, 2, 1, [-4, nan]],
    ['mul', ops.mul, inf, 0, 1, [0, inf]],
    ['div', ops.div, 1, inf, 1, [0, -0]],
    ['atan2', ops.atan2, nan, 1, 1, [nan, nan]],
    ['remainder', ops.remainder, -1, inf, 1, [1, 1]],
    ['fmod', ops.fmod, nan, 2, 1, [1, nan]],
    ['prelu', ops.prelu, inf, 0.5, 1, [1, 0]],
    ['prelu', ops.prelu, 2, nan, 1, [1, 0]],
    ['prelu', ops.prelu, nan, 0.5, 1, [0.5, nan]],
    ['where', (a, b) => ops.where(ops.lt(a, b), a, b), 1, nan, 3, [0, 3]],
  ];
  for (const [name, run, u, v, upstream, want] of table) {
    const got = await at(run, u, v, upstream);
    assert.equal(
      got.map((g) => g + 0),
      want.map((g) => g + 0),
      `${name} of ${u} and ${v}, dy ${upstream}`,
    );
  }
});

test('zeros keep their sign where it can be told from the result', async () => {
  const device = await testDevice();
  const x = device.tensor([0, -0], [2]);
  for (const [name, run] of Object.entries({ reciprocal: ops.reciprocal, rsqrt: ops.rsqrt })) {
    assert.equal([...(await run(x).read())], [inf, -inf], name);
  }
  const twice = (t: Tensor): Tensor => ops.neg(ops.neg(t));
  const odd = { atan: ops.atan, asin: ops.asin, sinh: ops.sinh, sqrt: ops.sqrt, twice };
  for (const [name, run] of Object.entries(odd)) {
    assert.equal([...(await ops.reciprocal(run(x)).read())], [inf, -inf], name);
  }
});

test.run();
