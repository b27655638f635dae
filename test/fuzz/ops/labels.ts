// Pseudo-labels, gates, fused targets, and tensors that are made from nothing. None has a gradient.

import * as e from '../../support/ops.ts';
import { Rng } from '../../../runtime/random.ts';
import { sizeOf, type DType } from '../../../runtime/tensor.ts';
import { made } from '../../support/nd.ts';
import type { F64 } from '../../support/op.ts';
import { entry, rounded, SPECIALS, type Call, type Entry, type Source, type Value } from '../call.ts';
import { softmaxRows } from './losses.ts';

const logitsOf = (s: Source, rank: readonly [number, number] = [1, 4]): Value =>
  s.tensor({ rank, fits: (d) => d[d.length - 1] > 0, distinct: true });
const c = (x: F64): number => x.shape[x.shape.length - 1];
const rows = (x: F64): number[][] =>
  Array.from({ length: x.data.length / c(x) }, (_, p) => [...x.data.subarray(p * c(x), (p + 1) * c(x))]);
const without = (o: Omit<Call, 'inputs'> & { inputs: Value[] }): Call => ({ grads: [], rough: true, ...o });
const mask = (s: Source, shape: readonly number[], specials?: readonly number[]): Value =>
  s.tensor({ shape, element: () => s.int(2), specials });
const total = (l: readonly number[]): number => l.reduce((a, b) => a + b, 0);
/** Special probabilities. */
const PROBABILITIES = SPECIALS.filter((v) => !(Math.abs(v) > 1) && !(v < 0));
/** The first of the largest; the first NaN where there is one. */
const first = (l: readonly number[]): number =>
  l.findIndex(l.some(Number.isNaN) ? Number.isNaN : (v) => v === Math.max(...l));

const sharpened = (l: readonly number[], t: number): number[] => {
  const p = l.map((v) => v ** (1 / t));
  const sum = total(p);
  return sum === 0 ? l.map(() => 0) : p.map((v) => v / sum);
};

const LABELS: Entry[] = [
  entry('pseudoLabel', (s) => {
    const x = logitsOf(s);
    const shape = x.shape.slice(0, -1);
    const probabilities = s.flag(0.3);
    const valid = s.flag(0.4) ? [mask(s, shape)] : [];
    return without({
      inputs: [x, ...valid],
      dtypes: ['i32', 'f32'],
      text: probabilities ? 'probabilities' : '',
      inner: 1,
      run: (t, v) => {
        const { label, confidence } = e.pseudoLabel(t, { probabilities, valid: v });
        return [label, confidence];
      },
      reference: (t, v) => {
        const on = (p: number): boolean => !v || v.data[p] !== 0;
        const p = probabilities ? t : softmaxRows(t);
        return [
          { shape, data: Float64Array.from(rows(t), (l, i) => (on(i) ? first(l) : 255)) },
          { shape, data: Float64Array.from(rows(p), (l, i) => (on(i) ? Math.max(...l) : 0)) },
        ];
      },
    });
  }),
  entry('predictionEntropy', (s) => {
    const x = logitsOf(s);
    return without({
      inputs: [x],
      inner: 2,
      run: e.predictionEntropy,
      reference: (t) => ({
        shape: t.shape.slice(0, -1),
        data: Float64Array.from(rows(softmaxRows(t)), (l) => -total(l.map((v) => (v === 0 ? 0 : v * Math.log(v))))),
      }),
    });
  }),
  entry('gate', (s) => {
    const x = s.tensor();
    const valid = s.flag() ? [mask(s, x.shape)] : [];
    const given = s.flag(0.4);
    const below = s.flag(0.3);
    const tau = Math.fround(s.normal());
    const atMost = s.flag(0.3) ? Math.fround(s.normal()) : undefined;
    const taus = given ? [s.tensor({ shape: [], element: () => tau, specials: [NaN, Infinity] })] : [];
    const limit = Math.min(tau, atMost ?? Infinity);
    return without({
      inputs: [x, ...taus, ...valid],
      bound: 'exact',
      text: `${tau}, at most ${atMost}${below ? ' below' : ''}`,
      run: (t, ...more) => e.gate(t, given ? more[0] : tau, more[taus.length], { atMost, below }),
      reference: (t, ...more) => ({
        shape: t.shape,
        data: t.data.map((v, i) => {
          const least = given ? Math.min(more[0].data[0], atMost ?? Infinity) : limit;
          return Number((below ? v < least : v >= least) && (!valid.length || more[taus.length].data[i] !== 0));
        }),
      }),
    });
  }),
  entry('acceptedShare', (s) => {
    const x = mask(s, s.shape(s.whole(0, 3)), [NaN]);
    const valid = s.flag() ? [mask(s, x.shape)] : [];
    const inverse = s.flag(0.3);
    return without({
      inputs: [x, ...valid],
      text: inverse ? 'inverse' : '',
      run: (t, v) => e.acceptedShare(t, v, { inverse }),
      reference: (t, v) =>
        made([], () => {
          const on = [...t.data].map((_, i) => !v || v.data[i] !== 0);
          const all = on.filter(Boolean).length;
          const taken = total([...t.data].map((g, i) => (on[i] ? g : 0)));
          return inverse ? (taken === 0 ? 0 : all / taken) : all === 0 ? 0 : taken / all;
        }),
    });
  }),
  entry('classGate', (s) => {
    const classes = s.whole(1, 5);
    const label = s.tensor({ rank: [0, 3], dtype: 'i32', within: [0, classes] });
    const confidence = s.tensor({ shape: label.shape, within: [0, 1] });
    const means = s.tensor({ shape: [classes], within: [-0.3, 1] });
    const tau = Math.fround(s.uniform(0.3, 0.9));
    const valid = s.flag() ? [mask(s, label.shape)] : [];
    return without({
      inputs: [label, confidence, means, ...valid],
      bound: 'exact',
      text: `${tau}`,
      run: (l, k, m, v) => e.classGate(l, k, m, tau, v),
      reference: (l, k, m, v) => ({
        shape: l.shape,
        data: l.data.map((y, p) =>
          Number(
            y < classes && k.data[p] >= (m.data[y] < 0 ? tau : Math.min(tau, m.data[y])) && (!v || v.data[p] !== 0),
          ),
        ),
      }),
    });
  }),
  entry('fuse', (s) => {
    const a = logitsOf(s);
    const b = s.tensor({ shape: a.shape });
    const norm = s.choice(['rms-batch', 'l2-pixel'] as const);
    const gamma = s.choice([0.5, 0.3, 1]);
    const temperature = s.choice([0.5, 1, 2]);
    const squares = (l: ArrayLike<number>): number => total(Array.from(l, (v) => v * v));
    return without({
      inputs: [a, b],
      inner: 1,
      slack: 4,
      text: `${norm} ${gamma} ${temperature}`,
      run: (u, v) => e.fuse(u, v, { norm, gamma, temperature }),
      reference: (u, v) => {
        const [ru, rv] = [rows(u), rows(v)];
        const rms = Math.sqrt((squares(u.data) + squares(v.data)) / (2 * u.data.length) + 1e-8);
        const by = (p: number): number =>
          norm === 'rms-batch' ? rms : Math.sqrt(Math.max(1e-16, squares(ru[p]) + squares(rv[p])));
        const [p, q] = [rows(softmaxRows(u, by)), rows(softmaxRows(v, by))];
        return {
          shape: u.shape,
          data: Float64Array.from(
            p.flatMap((l, i) =>
              sharpened(
                l.map((k, j) => gamma * k + (1 - gamma) * q[i][j]),
                temperature,
              ),
            ),
          ),
        };
      },
    });
  }),
  entry('sharpen', (s) => {
    const p = s.tensor({ rank: [1, 4], fits: (d) => d[d.length - 1] > 0, within: [0, 1], specials: PROBABILITIES });
    const t = s.choice([0.5, 1, 2]);
    return without({
      inputs: [p],
      slack: 4,
      text: `${t}`,
      run: (x) => e.sharpen(x, t),
      reference: (x) => ({ shape: x.shape, data: Float64Array.from(rows(x).flatMap((l) => sharpened(l, t))) }),
    });
  }),
];

/** A seed, a shape, and the host's generator of the same numbers. */
const randomly = (s: Source): { seed: Value; shape: number[]; rng: (seed: F64) => Rng } => ({
  seed: s.tensor({ shape: [4], dtype: 'u32', element: (i) => (i === 3 ? 0 : s.int(1000)) }),
  shape: s.shape(s.whole(0, 4)),
  rng: ({ data }) => new Rng(data[0], data[1], data[2]),
});

const MADE: Entry[] = [
  ...(['full', 'zeros'] as const).map((name) =>
    entry(name, (s) => {
      // The operand gives the device alone.
      const x = s.tensor({ rank: 0 });
      const shape = s.shape(s.whole(0, 5));
      const dtype = s.choice<DType>(['f32', 'f16', 'i32', 'u32']);
      const whole = dtype === 'i32' || dtype === 'u32';
      const drawn = whole || s.flag(0.8) ? s.whole(0, 5) : s.choice(SPECIALS.slice(0, 5));
      const value = name === 'zeros' ? 0 : rounded(dtype, [drawn])[0];
      return without({
        inputs: [x],
        dtypes: [dtype],
        bound: 'exact',
        text: `[${shape}] ${value} ${dtype}`,
        run: (t) => (name === 'zeros' ? e.zeros(t.device, shape, dtype) : e.full(t.device, shape, value, dtype)),
        reference: () => made(shape, () => value),
      });
    }),
  ),
  entry(
    'uniform',
    (s) => {
      const { seed, shape, rng } = randomly(s);
      const low = s.choice([0, 0, -1]);
      const high = s.choice([1, 1, 3]);
      return without({
        inputs: [seed],
        bound: 'linear',
        inner: 3,
        text: `[${shape}] ${low} ${high}`,
        run: (k) => e.uniform(k, shape, { low, high }),
        reference: (k) => {
          const from = rng(k);
          return {
            shape,
            data: Float64Array.from({ length: sizeOf(shape) }, () => low + (high - low) * from.uniform()),
          };
        },
      });
    },
    { specials: 'the seed is of integers' },
  ),
  entry(
    'normal',
    (s) => {
      const { seed, shape, rng } = randomly(s);
      const mean = s.choice([0, 2]);
      const std = s.choice([1, 0.5]);
      return without({
        inputs: [seed],
        inner: 8,
        slack: 4,
        text: `[${shape}] ${mean} ${std}`,
        run: (k) => e.normal(k, shape, { mean, std }),
        reference: (k) => {
          const from = rng(k);
          return { shape, data: Float64Array.from({ length: sizeOf(shape) }, () => mean + std * from.normal()) };
        },
      });
    },
    { specials: 'the seed is of integers' },
  ),
  entry(
    'bernoulli',
    (s) => {
      const { seed, shape, rng } = randomly(s);
      const p = s.choice([0, 0.3, 1]);
      return without({
        inputs: [seed],
        bound: 'exact',
        text: `[${shape}] ${p}`,
        run: (k) => e.bernoulli(k, shape, p),
        reference: (k) => {
          const from = rng(k);
          return {
            shape,
            data: Float64Array.from({ length: sizeOf(shape) }, () => Number(from.uniform() < Math.fround(p))),
          };
        },
      });
    },
    { specials: 'the seed is of integers' },
  ),
];

export const LABELLED: readonly Entry[] = [...LABELS, ...MADE];
