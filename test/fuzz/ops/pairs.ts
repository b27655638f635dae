// Functions of two and three tensors by broadcasting: arithmetic, comparisons, choices, weighted sums.

import * as e from '../../support/ops.ts';
import type { DType, Shape, Tensor } from '../../../runtime/tensor.ts';
import { repeated } from '../../support/broadcast.ts';
import { entry, Reject, type Call, type Entry, type Source, type Value, type Want } from '../call.ts';

type F = (a: number, b: number, dtype: DType) => number;
type Run = (a: e.Operand, b: e.Operand) => Tensor;

const WRAP: Record<DType, (v: number) => number> = {
  f32: (v) => v,
  f16: (v) => v,
  i32: (v) => v | 0,
  u32: (v) => v >>> 0,
};
const DTYPES: readonly DType[] = ['f32', 'f32', 'f32', 'f32', 'f32', 'f16', 'i32', 'u32'];

/** Two operands that broadcast, or one of them a number. */
function two(
  s: Source,
  run: Run,
  f: F,
  o: {
    wantA?: Want;
    wantB?: Want;
    dtypes?: readonly DType[];
    out?: DType;
    accept?: (a: number, b: number, dtype: DType) => boolean;
    more?: Partial<Call>;
  } = {},
): Call {
  const dtype = s.choice(o.dtypes ?? DTYPES);
  const { wantA = {}, wantB = {}, more = {} } = o;
  const whole = dtype === 'i32' || dtype === 'u32';
  const fit = (w: Want): Want => (whole ? { ...w, within: undefined, away: undefined, wide: undefined } : w);
  const out = o.out ?? dtype;
  const wrap = o.out ? (v: number) => v : WRAP[dtype];
  const check = (a: number, b: number): void => {
    if (o.accept && !o.accept(a, b, dtype)) throw new Reject('operands');
  };
  if (s.flag(0.2)) {
    // The number is one of the other operand's dtype.
    const first = s.flag();
    const t = s.tensor({ ...fit(first ? wantB : wantA), dtype });
    const n = s.fresh({ ...fit(first ? wantA : wantB), shape: [], dtype }).data[0];
    t.data.forEach((v) => (first ? check(n, v) : check(v, n)));
    return {
      inputs: [t],
      text: first ? `${n} and` : `and ${n}`,
      run: (x) => (first ? run(n, x) : run(x, n)),
      dtypes: [out],
      bound: whole || o.out ? 'exact' : 'elementwise',
      reference: (x) => ({ shape: x.shape, data: x.data.map((v) => wrap(first ? f(n, v, dtype) : f(v, n, dtype))) }),
      nudged: (step, x) => {
        const near = n * (1 + step);
        return { shape: x.shape, data: x.data.map((v) => wrap(first ? f(near, v, dtype) : f(v, near, dtype))) };
      },
      ...more,
    };
  }
  const a = s.tensor({ ...fit(wantA), dtype });
  const b = s.tensor({ ...fit(wantB), dtype, shape: s.partner(a.shape) });
  const swap = s.flag(0.3) && !o.accept && !wantB.within && !wantA.within;
  const [u, v] = swap ? [b, a] : [a, b];
  if (o.accept) repeated([u, v], (x, y) => (check(x, y), 0));
  return {
    inputs: [u, v],
    run,
    reference: (x, y) => repeated([x, y], (p, q) => wrap(f(p, q, dtype))),
    dtypes: [out],
    bound: whole || o.out ? 'exact' : 'elementwise',
    ...more,
  };
}

const pair = (name: string, run: Run, f: F, o: Parameters<typeof two>[3] = {}): Entry =>
  entry(name, (s) => two(s, run, f, o));

/** The quotient lies safely between whole numbers; integers have a result by 0, too. */
const between = (a: number, b: number, dtype: DType): boolean =>
  dtype === 'i32' || dtype === 'u32' || (Math.abs(b) > 0.2 && Math.abs(a / b - Math.round(a / b)) > 0.02);
const apart = (s: Source, a: number, b: number): boolean => !s.smooth || Math.abs(a - b) > 0.01;
const whole = (dtype: DType): boolean => dtype === 'i32' || dtype === 'u32';
/** The rest of a / b with the sign of a; by zero NaN, of integers 0. */
const fmod: F = (a, b, dtype) => (b === 0 && whole(dtype) ? 0 : a % b);
/** The same with the sign of b. */
const remainder: F = (a, b, dtype) => {
  const r = fmod(a, b, dtype);
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
};
/** By way of the rest, as PyTorch has it: it is -1 for -1 and Infinity. */
const floorDivide: F = (a, b, dtype) => {
  if (b === 0) return whole(dtype) ? a : a / b;
  return Math.round((a - fmod(a, b, dtype)) / b) - Number(remainder(a, b, dtype) !== fmod(a, b, dtype));
};

/** A whole power by multiplication that wraps around. */
function wholePower(a: number, b: number): number {
  if (b < 0) return a === 1 ? 1 : a === -1 ? (b % 2 ? -1 : 1) : 0;
  let y = 1;
  for (let i = 0; i < b; i++) y = Math.imul(y, a);
  return y;
}

/** IEEE 754's pow, which is 1 where JavaScript's has NaN. */
const power = (a: number, b: number): number => (a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b);

const ARITHMETIC: Entry[] = [
  pair('add', e.add, (a, b) => a + b),
  pair('sub', e.sub, (a, b) => a - b),
  entry('mul', (s) =>
    two(s, e.mul, (a, b) =>
      Number.isInteger(a) && Number.isInteger(b) && Math.abs(a * b) >= 2 ** 53 ? Math.imul(a, b) : a * b,
    ),
  ),
  pair('div', e.div, (a, b) => a / b, {
    wantB: { within: [0.3, 4], wide: [-1e6, 1e6] },
    dtypes: ['f32', 'f32', 'f16'],
  }),
  entry('maximum', (s) => two(s, e.maximum, (a, b) => Math.max(a, b), { accept: (a, b) => apart(s, a, b) })),
  entry('minimum', (s) => two(s, e.minimum, (a, b) => Math.min(a, b), { accept: (a, b) => apart(s, a, b) })),
  entry('pow', (s) =>
    s.flag(0.7)
      ? two(s, e.pow, power, {
          wantA: { within: [0.3, 3], wide: [1e-3, 1e3] },
          wantB: { within: [-3, 3] },
          dtypes: ['f32'],
        })
      : two(s, e.pow, wholePower, { dtypes: ['i32', 'u32'], accept: (_, b) => Math.abs(b) < 100 }),
  ),
  pair('atan2', e.atan2, Math.atan2, { wantA: { within: [0.3, 3] }, dtypes: ['f32'] }),
  pair('fmod', e.fmod, fmod, { wantB: { within: [0.4, 3] }, dtypes: ['f32', 'i32'], accept: between }),
  pair('remainder', e.remainder, remainder, { wantB: { within: [0.4, 3] }, dtypes: ['f32', 'i32'], accept: between }),
  pair('floorDivide', e.floorDivide, floorDivide, {
    wantB: { within: [0.4, 3] },
    dtypes: ['f32', 'i32', 'u32'],
    accept: between,
    more: { grads: [], rough: true },
  }),
];

const num = Number;
const COMPARISONS: Entry[] = (
  [
    ['eq', e.eq, (a, b) => num(a === b)],
    ['ne', e.ne, (a, b) => num(a !== b)],
    ['lt', e.lt, (a, b) => num(a < b)],
    ['le', e.le, (a, b) => num(a <= b)],
    ['gt', e.gt, (a, b) => num(a > b)],
    ['ge', e.ge, (a, b) => num(a >= b)],
    ['logicalAnd', e.logicalAnd, (a, b) => num(a !== 0 && b !== 0)],
    ['logicalOr', e.logicalOr, (a, b) => num(a !== 0 || b !== 0)],
    ['logicalXor', e.logicalXor, (a, b) => num((a !== 0) !== (b !== 0))],
  ] as [string, Run, F][]
).map(([name, run, f]) => pair(name, run, f, { out: 'i32', more: { grads: [], rough: true, bound: 'exact' } }));

const condition = (s: Source, shape: Shape): Value =>
  s.tensor({ shape, dtype: s.flag() ? 'i32' : 'u32', within: [0, 1] });

const CHOICES: Entry[] = [
  entry('where', (s) => {
    const dtype = s.choice(DTYPES);
    const a = s.tensor({ dtype });
    const b = s.tensor({ dtype, shape: s.partner(a.shape) });
    const c = condition(s, s.partner(repeated([a, b], () => 0).shape));
    const form = s.int(3);
    const n = s.fresh({ shape: [], dtype }).data[0];
    const given = { dtypes: [dtype], bound: 'exact' as const };
    if (form === 1)
      return {
        ...given,
        inputs: [c, a],
        text: `_, ${n}`,
        run: (k, x) => e.where(k, x, n),
        reference: (k, x) => repeated([k, x], (p, q) => (p ? q : n)),
      };
    if (form === 2)
      return {
        ...given,
        inputs: [c, a],
        text: `${n}, _`,
        run: (k, x) => e.where(k, n, x),
        reference: (k, x) => repeated([k, x], (p, q) => (p ? n : q)),
      };
    return {
      ...given,
      inputs: [c, a, b],
      run: (k, x, y) => e.where(k, x, y),
      reference: (k, x, y) => repeated([k, x, y], (p, q, r) => (p ? q : r)),
    };
  }),
  entry('maskedFill', (s) => {
    const dtype = s.choice(DTYPES);
    const x = s.tensor({ dtype });
    const m = condition(s, s.partner(x.shape));
    const n = s.fresh({ shape: [], dtype }).data[0];
    return {
      inputs: [x, m],
      text: `${n}`,
      run: (t, k) => e.maskedFill(t, k, n),
      reference: (t, k) => repeated([t, k], (v, p) => (p ? n : v)),
      dtypes: [dtype],
      bound: 'exact',
    };
  }),
  entry('clamp', (s) => {
    const dtype = s.choice(DTYPES);
    const which = s.int(3);
    const whole = dtype === 'u32' ? 0 : -1;
    const x = s.tensor({ dtype, away: [-1, 1] });
    const min = which === 1 ? undefined : whole;
    const max = which === 2 ? undefined : 1;
    return {
      inputs: [x],
      text: `${min}, ${max}`,
      run: (t) => e.clamp(t, { min, max }),
      dtypes: [dtype],
      bound: 'exact',
      reference: (t) => ({
        shape: t.shape,
        data: t.data.map((v) => Math.min(max ?? Infinity, Math.max(min ?? -Infinity, v))),
      }),
    };
  }),
  entry('prelu', (s) => {
    const dtype = s.choice<DType>(['f32', 'f32', 'f16']);
    const x = s.tensor({ dtype, away: [0] });
    const slope = s.tensor({ dtype, shape: s.partner(x.shape) });
    return {
      inputs: [x, slope],
      run: e.prelu,
      reference: (t, w) => repeated([t, w], (a, b) => (a > 0 ? a : a * b)),
      dtypes: [dtype],
      bound: 'elementwise',
    };
  }),
  entry('weightedSum', (s) => {
    const n = s.whole(1, 4);
    const first = s.tensor();
    const terms = [first, ...Array.from({ length: n - 1 }, () => s.tensor({ shape: first.shape }))];
    const w = terms.map(() => Math.fround(s.uniform(-2, 2)));
    const scalar = s.tensor({ shape: [] });
    const on = terms.map(() => s.flag(0.4));
    return {
      inputs: [...terms, scalar],
      text: `weights ${w}, with the scalar ${on.map(Number)}`,
      grads: terms.map((_, i) => i),
      bound: 'elementwise',
      inner: 3,
      run: (...t) => e.weightedSum(w.map((v, i) => (on[i] ? [t[i], v, t[n]] : [t[i], v]))),
      reference: (...t) => ({
        shape: first.shape,
        data: Float64Array.from(first.data, (_, i) =>
          w.reduce((sum, v, k) => sum + v * (on[k] ? t[n].data[0] : 1) * t[k].data[i], 0),
        ),
      }),
    };
  }),
];

export const PAIRS: readonly Entry[] = [...ARITHMETIC, ...COMPARISONS, ...CHOICES];
