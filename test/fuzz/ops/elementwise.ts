// Functions of one tensor element by element.

import * as e from '../../support/ops.ts';
import type { DType, Tensor } from '../../../runtime/tensor.ts';
import { erf, round, sigmoid, softplus } from '../../support/special.ts';
import { entry, rounded, type Call, type Entry, type Source, type Want } from '../call.ts';

type F = (x: number) => number;
const KINDS: readonly DType[] = ['f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f16', 'i32', 'u32'];

/** What the engine makes of integers: they stay, become f32, or are refused. */
type Integers = 'stay' | 'real' | 'none';

function one(
  s: Source,
  want: Want,
  integers: Integers,
  run: (x: Tensor) => Tensor,
  f: F,
  more: Partial<Call> = {},
): Call {
  const kinds = KINDS.filter((d) => integers !== 'none' || d === 'f32' || d === 'f16');
  const dtype = s.choice(kinds);
  const whole = dtype === 'i32' || dtype === 'u32';
  const within =
    want.within && whole ? ([Math.ceil(want.within[0]), Math.floor(want.within[1])] as const) : want.within;
  const x = s.tensor({
    ...want,
    dtype,
    ...(whole
      ? {
          within: dtype === 'u32' ? ([Math.max(0, within?.[0] ?? 0), Math.max(0, within?.[1] ?? 9)] as const) : within,
          away: undefined,
          wide: undefined,
        }
      : {}),
  });
  const out = whole && integers === 'real' ? 'f32' : dtype;
  return {
    inputs: [x],
    run,
    reference: (v) => ({ shape: v.shape, data: v.data.map(f) }),
    dtypes: [out],
    bound: 'elementwise',
    ...more,
  };
}

const function1 = (
  name: string,
  run: (x: Tensor) => Tensor,
  f: F,
  want: Want = {},
  integers: Integers = 'none',
  more: Partial<Call> = {},
): Entry => entry(name, (s) => one(s, want, integers, run, f, more));

/** Functions of integers that wrap around. */
function whole(s: Source, run: (x: Tensor) => Tensor, real: F, integer: F, want: Want = {}): Call {
  const dtype = s.choice(KINDS);
  const on = dtype === 'i32' || dtype === 'u32';
  const x = s.tensor({ dtype, ...(on ? {} : want) });
  const wrap = (v: number): number => (dtype === 'i32' ? integer(v) | 0 : integer(v) >>> 0);
  return {
    inputs: [x],
    run,
    dtypes: [dtype],
    bound: 'elementwise',
    reference: (v) => ({ shape: v.shape, data: v.data.map(on ? wrap : real) }),
  };
}

/** A function with numbers that are drawn for each call. */
const with1 = (
  name: string,
  make: (s: Source) => { run: (x: Tensor) => Tensor; f: F; text: string; want?: Want },
  integers: Integers = 'none',
): Entry =>
  entry(name, (s) => {
    const { run, f, text, want = {} } = make(s);
    return one(s, want, integers, run, f, { text });
  });

const f32 = Math.fround;
const hardsigmoid = (x: number): number => Math.min(1, Math.max(0, x / 6 + 0.5));
const SELU = [1.6732632423543772, 1.0507009873554805];

const ACTIVATIONS: Entry[] = [
  function1('relu', e.relu, (x) => Math.max(x, 0), { away: [0], wide: [-1e30, 1e30] }, 'stay'),
  with1('leakyRelu', (s) => {
    const slope = f32(s.uniform(0.01, 0.5));
    return {
      run: (x) => e.leakyRelu(x, slope),
      f: (x) => (x >= 0 ? x : slope * x),
      text: `${slope}`,
      want: { away: [0] },
    };
  }),
  with1('hardtanh', (s) => {
    const min = -s.whole(0, 2);
    const max = s.whole(0, 2);
    return {
      run: (x) => e.hardtanh(x, min, max),
      f: (x) => Math.min(max, Math.max(min, x)),
      text: `${min}, ${max}`,
      want: { away: [min, max] },
    };
  }),
  function1(
    'relu6',
    (x) => e.relu6(x),
    (x) => Math.min(6, Math.max(0, x)),
    { within: [-4, 9], away: [0, 6], wide: [-1e6, 1e6] },
    'stay',
  ),
  function1('hardsigmoid', e.hardsigmoid, hardsigmoid, { within: [-5, 5], away: [-3, 3], wide: [-1e6, 1e6] }, 'none', {
    inner: 0.5,
  }),
  function1(
    'hardswish',
    e.hardswish,
    (x) => x * hardsigmoid(x),
    { within: [-5, 5], away: [-3, 3], wide: [-1e6, 1e6] },
    'none',
    { inner: 1 },
  ),
  with1('elu', (s) => {
    const alpha = f32(s.uniform(0.5, 2));
    return {
      run: (x) => e.elu(x, alpha),
      f: (x) => (x > 0 ? x : alpha * Math.expm1(x)),
      text: `${alpha}`,
      want: { away: [0] },
    };
  }),
  function1('selu', e.selu, (x) => (x > 0 ? SELU[1] * x : SELU[0] * SELU[1] * Math.expm1(x)), { away: [0] }),
  with1('celu', (s) => {
    const alpha = f32(s.uniform(0.5, 2));
    return {
      run: (x) => e.celu(x, alpha),
      f: (x) => (x > 0 ? x : alpha * Math.expm1(x / alpha)),
      text: `${alpha}`,
      want: { away: [0] },
    };
  }),
  function1('softsign', e.softsign, (x) => x / (1 + Math.abs(x)), { away: [0] }),
  with1('softplus', (s) => {
    const beta = f32(s.uniform(0.5, 3));
    return {
      run: (x) => e.softplus(x, beta),
      f: (x) => softplus(beta * x) / beta,
      text: `${beta}`,
      want: { within: [-30, 30], wide: [-80, 1e6] },
    };
  }),
  function1('logSigmoid', e.logSigmoid, (x) => -softplus(-x), { within: [-30, 30], wide: [-1e6, 80] }),
  function1('sigmoid', e.sigmoid, sigmoid, { within: [-30, 30], wide: [-80, 1e6] }, 'real'),
  function1('tanh', e.tanh, Math.tanh, { within: [-12, 12], wide: [-1e6, 1e6] }, 'real'),
  function1('silu', e.silu, (x) => x * sigmoid(x), { within: [-20, 20], wide: [-80, 1e6] }),
  entry('gelu', (s) => {
    const tanh = s.flag();
    const f = tanh
      ? (x: number): number => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
      : (x: number): number => (x / 2) * (1 + erf(x / Math.SQRT2));
    return one(
      s,
      { within: [-6, 6], wide: [-1e4, 1e4] },
      'none',
      (x) => e.gelu(x, { approximate: tanh ? 'tanh' : 'none' }),
      f,
      { text: tanh ? 'tanh' : '', inner: 0.25 },
    );
  }),
  function1('mish', e.mish, (x) => x * Math.tanh(softplus(x)), { within: [-20, 20], wide: [-80, 1e6] }),
  function1('erf', e.erf, erf, { within: [-5, 5], wide: [-1e6, 1e6] }, 'real'),
  function1('expm1', e.expm1, Math.expm1, { within: [-8, 8], wide: [-1e4, 80] }, 'real'),
  function1('log1p', e.log1p, Math.log1p, { within: [-0.9, 20], wide: [-0.999, 1e30] }, 'real'),
];

const ELEMENTARY: Entry[] = [
  entry('abs', (s) => whole(s, e.abs, Math.abs, Math.abs, { away: [0] })),
  entry('neg', (s) =>
    whole(
      s,
      e.neg,
      (x) => -x,
      (x) => -x,
    ),
  ),
  entry('square', (s) =>
    whole(
      s,
      e.square,
      (x) => x * x,
      (x) => Math.imul(x, x),
    ),
  ),
  function1('reciprocal', e.reciprocal, (x) => 1 / x, { within: [0.3, 5], wide: [-1e20, 1e20] }, 'real'),
  function1('sqrt', e.sqrt, Math.sqrt, { within: [0.1, 9], wide: [0, 1e30] }, 'real'),
  function1('rsqrt', e.rsqrt, (x) => 1 / Math.sqrt(x), { within: [0.3, 9], wide: [1e-20, 1e30] }, 'real'),
  function1('exp', e.exp, Math.exp, { within: [-8, 5], wide: [-85, 85] }, 'real'),
  function1('log', e.log, Math.log, { within: [0.2, 20], wide: [1e-30, 1e30] }, 'real'),
  function1('log2', e.log2, Math.log2, { within: [0.2, 20], wide: [1e-30, 1e30] }, 'real'),
  function1('sin', e.sin, Math.sin, { within: [-9, 9], wide: [-1e4, 1e4] }, 'real'),
  function1('cos', e.cos, Math.cos, { within: [-9, 9], wide: [-1e4, 1e4] }, 'real'),
  function1('tan', e.tan, Math.tan, { within: [-1.2, 1.2], wide: [-1e4, 1e4] }, 'real'),
  function1('asin', e.asin, Math.asin, { within: [-0.9, 0.9], wide: [-1, 1] }, 'real'),
  function1('acos', e.acos, Math.acos, { within: [-0.9, 0.9], wide: [-1, 1] }, 'real'),
  function1('atan', e.atan, Math.atan, { within: [-9, 9], wide: [-1e20, 1e20] }, 'real'),
  function1('sinh', e.sinh, Math.sinh, { within: [-5, 5], wide: [-85, 85] }, 'real'),
  function1('asinh', e.asinh, Math.asinh, { within: [-9, 9], wide: [-1e6, 1e6] }, 'real'),
  function1('acosh', e.acosh, Math.acosh, { within: [1.2, 9], wide: [1.001, 1e6] }, 'real'),
  function1('atanh', e.atanh, Math.atanh, { within: [-0.9, 0.9], wide: [-0.999, 0.999] }, 'real'),
  function1('cosh', e.cosh, Math.cosh, { within: [-5, 5], wide: [-85, 85] }, 'real'),
];

/** Constant between jumps: exact, and without a gradient. */
const STEPS: Entry[] = (
  [
    ['sign', e.sign, Math.sign],
    ['floor', e.floor, Math.floor],
    ['ceil', e.ceil, Math.ceil],
    ['round', e.round, round],
    ['trunc', e.trunc, Math.trunc],
  ] as const
).map(([name, run, f]) =>
  function1(name, run, f, { away: s0(name), wide: [-1e9, 1e9] }, 'stay', { bound: 'exact', grads: [], rough: true }),
);

function s0(name: string): number[] {
  return name === 'sign' ? [0] : name === 'round' ? [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5] : [-3, -2, -1, 0, 1, 2, 3];
}

const TRUTHS = {
  isNan: Number.isNaN,
  isInf: (v: number) => Math.abs(v) === Infinity,
  isFinite: Number.isFinite,
  logicalNot: (v: number) => v === 0,
};

const TESTS: Entry[] = (
  [
    ['isNan', e.isNan],
    ['isInf', e.isInf],
    ['isFinite', e.isFinite],
    ['logicalNot', e.logicalNot],
  ] as const
).map(([name, run]) =>
  entry(name, (s) => {
    const dtype = s.choice(KINDS);
    const x = s.tensor({ dtype });
    const f = (v: number): number => Number(TRUTHS[name](v));
    return {
      inputs: [x],
      run,
      reference: (v) => ({ shape: v.shape, data: v.data.map(f) }),
      dtypes: ['i32'],
      bound: 'exact',
      grads: [],
      rough: true,
    };
  }),
);

const CASTS: Entry[] = [
  entry('cast', (s) => {
    const from = s.choice<DType>(['f32', 'f16', 'i32', 'u32']);
    const to = s.choice<DType>(['f32', 'f32', 'f16', 'i32', 'u32']);
    const x = s.tensor({ dtype: from });
    const real = (d: DType): boolean => d === 'f32' || d === 'f16';
    const convert = (data: Float64Array): Float64Array => {
      if (to === 'f32') return real(from) ? data : rounded('f32', data);
      // The bound of an f16 knows its rounding; finite differences must not meet it.
      if (to === 'f16')
        return real(from) ? data.map((v) => (Math.abs(v) < 65520 ? v : v * Infinity)) : rounded('f16', data);
      // Of what an integer cannot hold the nearest; NaN is 0.
      const [least, most] = to === 'u32' ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
      const whole = real(from) ? data.map((v) => Math.min(most, Math.max(least, Math.trunc(v || 0)))) : data;
      return Float64Array.from(to === 'i32' ? Int32Array.from(whole) : Uint32Array.from(whole));
    };
    return {
      inputs: [x],
      run: (t) => e.cast(t, to),
      text: to,
      dtypes: [to],
      bound: 'exact',
      grads: real(from) && real(to) ? undefined : [],
      rough: !real(to),
      reference: (v) => ({ shape: v.shape, data: convert(v.data) }),
    };
  }),
  entry('detach', (s) => {
    const x = s.tensor({ dtype: s.choice(KINDS) });
    return {
      inputs: [x],
      run: e.detach,
      reference: (v) => v,
      dtypes: [x.dtype],
      bound: 'exact',
      grads: [],
      rough: true,
    };
  }),
];

export const ELEMENTWISE: readonly Entry[] = [...ACTIVATIONS, ...ELEMENTARY, ...STEPS, ...TESTS, ...CASTS];
