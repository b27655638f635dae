// Reductions over axes, what runs along an axis, and normalising functions.

import * as e from '../../support/ops.ts';
import { sizeOf, type DType } from '../../../runtime/tensor.ts';
import { made, of } from '../../support/nd.ts';
import type { F64 } from '../../support/op.ts';
import { grouped, mapLines, reduceBy } from '../../support/reduction.ts';
import { entry, Reject, SPECIALS, type Call, type Entry, type Source, type Value, type Want } from '../call.ts';

import { NORMS } from './norms.ts';

/** Axes as the engine takes them: none, one, or several. */
function drawAxes(s: Source, x: Value): { axes: number | number[] | undefined; list: number[]; keepdim: boolean } {
  const rank = x.shape.length;
  const form = s.int(4);
  const keepdim = s.flag(0.3);
  if (form === 0 || rank === 0) return { axes: undefined, list: [], keepdim };
  if (form === 1) {
    const a = s.axis(rank);
    return { axes: a, list: [a], keepdim };
  }
  const list = s.axes(rank);
  return { axes: list, list, keepdim };
}

function over(
  s: Source,
  want: Want,
  make: (
    x: Value,
    a: { axes: number | number[] | undefined; list: number[]; keepdim: boolean; n: number },
  ) => Omit<Call, 'inputs'>,
): Call {
  const x = s.tensor(want);
  const a = drawAxes(s, x);
  const g = grouped(x.shape, a.list, a.keepdim);
  const n = g.k === 0 ? 0 : x.data.length / g.k;
  const call = make(x, { ...a, n });
  return {
    inputs: [x],
    ...call,
    text: `${call.text ?? ''} over ${a.list.join() || 'all'}${a.keepdim ? ' keepdim' : ''}`,
  };
}

const NUMBERS: readonly DType[] = ['f32', 'f32', 'f32', 'i32', 'u32'];

const WRAP: Record<string, (v: number) => number> = { f32: (v) => v, i32: (v) => v | 0, u32: (v) => v >>> 0 };

const total = (l: readonly number[]): number => l.reduce((a, b) => a + b, 0);

const product =
  (dtype: DType) =>
  (l: readonly number[]): number =>
    dtype === 'f32' ? l.reduce((a, b) => a * b, 1) : WRAP[dtype](l.reduce((a, b) => Math.imul(a, b), 1));

function spreadOf(l: readonly number[], correction: number): number {
  const m = total(l) / l.length;
  return l.length > correction ? l.reduce((a, v) => a + (v - m) ** 2, 0) / (l.length - correction) : NaN;
}

function pNorm(l: readonly number[], p: number): number {
  const a = l.map(Math.abs);
  if (p === 0) return a.filter((v) => v !== 0).length;
  if (p === Infinity) return Math.max(...a);
  if (p === -Infinity) return Math.min(...a);
  return total(a.map((v) => v ** p)) ** (1 / p);
}

const some = (l: number): void => {
  if (l === 0) throw new Reject('no elements');
};

const REDUCE: Entry[] = [
  entry('sum', (s) =>
    over(s, { dtype: s.choice(NUMBERS) }, (x, { axes, list, keepdim }) => ({
      dtypes: [x.dtype],
      bound: 'linear',
      run: (t) => e.sum(t, axes, { keepdim }),
      reference: (t) => reduceBy(t, list, keepdim, (l) => WRAP[x.dtype](total(l))),
    })),
  ),
  entry('mean', (s) =>
    over(s, {}, (_, { axes, list, keepdim }) => ({
      bound: 'linear',
      run: (t) => e.mean(t, axes, { keepdim }),
      reference: (t) => reduceBy(t, list, keepdim, (l) => total(l) / l.length),
    })),
  ),
  entry('prod', (s) =>
    over(
      s,
      { dtype: s.choice(NUMBERS), within: [-2, 2], fits: (d) => sizeOf(d) <= 60 },
      (x, { axes, list, keepdim }) => ({
        dtypes: [x.dtype],
        run: (t) => e.prod(t, axes, { keepdim }),
        reference: (t) => reduceBy(t, list, keepdim, product(x.dtype)),
      }),
    ),
  ),
  ...(['amax', 'amin'] as const).map((name) =>
    entry(name, (s) =>
      over(s, { dtype: s.choice(NUMBERS), distinct: true }, (x, { axes, list, keepdim, n }) => {
        if (grouped(x.shape, list).k > 0) some(n);
        else if (x.data.length === 0 && n === 0) throw new Reject('no elements');
        return {
          dtypes: [x.dtype],
          bound: 'exact',
          run: (t) => e[name](t, axes, { keepdim }),
          reference: (t) => reduceBy(t, list, keepdim, (l) => (name === 'amax' ? Math.max(...l) : Math.min(...l))),
        };
      }),
    ),
  ),
  ...(['any', 'all'] as const).map((name) =>
    entry(name, (s) =>
      over(
        s,
        { dtype: s.choice(NUMBERS), element: () => s.int(3), specials: SPECIALS },
        (_, { axes, list, keepdim }) => ({
          dtypes: ['i32'],
          bound: 'exact',
          grads: [],
          rough: true,
          run: (t) => e[name](t, axes, { keepdim }),
          reference: (t) =>
            reduceBy(t, list, keepdim, (l) =>
              Number(name === 'any' ? l.some((v) => v !== 0) : l.every((v) => v !== 0)),
            ),
        }),
      ),
    ),
  ),
  entry('logsumexp', (s) =>
    over(s, {}, (_, { axes, list, keepdim }) => ({
      inner: 1,
      run: (t) => e.logsumexp(t, axes, { keepdim }),
      reference: (t) =>
        reduceBy(t, list, keepdim, (l) => {
          const m = Math.max(...l);
          return l.length === 0
            ? -Infinity
            : !Number.isFinite(m)
              ? m
              : m + Math.log(total(l.map((v) => Math.exp(v - m))));
        }),
    })),
  ),
  ...(['variance', 'std'] as const).map((name) =>
    entry(name, (s) => {
      const correction = s.int(3);
      return over(s, {}, (x, { axes, list, keepdim, n }) => {
        if (s.smooth && n <= correction) throw new Reject('not a number');
        const reference = (t: F64): F64 =>
          reduceBy(t, list, keepdim, (l) =>
            name === 'std' ? Math.sqrt(spreadOf(l, correction)) : spreadOf(l, correction),
          );
        // Where all elements are equal, as in a border of a convolution, the root has a kink.
        if (s.smooth && n > 1 && name === 'std' && reference(x).data.some((v) => v < 0.02))
          throw new Reject('nothing spread');
        return { text: `correction ${correction}`, run: (t) => e[name](t, axes, { correction, keepdim }), reference };
      });
    }),
  ),
  entry('norm', (s) => {
    const p = s.choice([0, 1, 2, 2, 3, 1.5, Infinity, -Infinity]);
    return over(
      s,
      {
        away: [0],
        distinct: !Number.isFinite(p) && s.smooth,
        within: Number.isFinite(p) ? undefined : s.smooth ? [0.1, 3] : undefined,
      },
      (x, { axes, list, keepdim, n }) => {
        if (!Number.isFinite(p) && (n === 0 || x.data.length === 0)) throw new Reject('no elements');
        if (s.smooth && !Number.isFinite(p) && new Set(x.data.map(Math.abs)).size < x.data.length)
          throw new Reject('ties');
        return {
          text: `p ${p}`,
          rough: p === 0,
          run: (t) => e.norm(t, p, axes, { keepdim }),
          reference: (t) => reduceBy(t, list, keepdim, (l) => pNorm(l, p)),
        };
      },
    );
  }),
  entry('sumTo', (s) => {
    const x = s.tensor();
    const to = x.shape.slice(s.int(x.shape.length + 1)).map((d) => (s.flag() ? 1 : d));
    const front = x.shape.length - to.length;
    const list = x.shape.map((_, a) => a).filter((a) => a < front || to[a - front] === 1);
    return {
      inputs: [x],
      bound: 'linear',
      text: `[${to}]`,
      run: (t) => e.sumTo(t, to),
      reference: (t) => ({ shape: to, data: list.length ? reduceBy(t, list, false, total).data : t.data }),
    };
  }),
  entry('channelMax', (s) => {
    const x = s.tensor({ rank: [1, 4], fits: (d) => d[d.length - 1] > 0, distinct: true });
    return {
      inputs: [x],
      bound: 'exact',
      run: e.channelMax,
      reference: (t) => mapLines(t, -1, (l) => [Math.max(...l)]),
    };
  }),
];

/** exp(scale x) by its sum. */
const soft = (l: readonly number[], scale: number, log: boolean): number[] => {
  const m = Math.max(...l.map((v) => scale * v));
  const z = total(l.map((v) => Math.exp(scale * v - m)));
  return l.map((v) => (log ? scale * v - m - Math.log(z) : Math.exp(scale * v - m) / z));
};

const ALONG: Entry[] = [
  ...(['softmax', 'logSoftmax'] as const).map((name) =>
    entry(name, (s) => {
      const x = s.tensor({ rank: [0, 4] });
      const scale = s.choice([1, 1, 0.5, 2]);
      const axis = x.shape.length === 0 ? -1 : s.axis(x.shape.length);
      const log = name === 'logSoftmax';
      return {
        inputs: [x],
        inner: 1,
        text: `scale ${scale} along ${axis}`,
        run: (t) => e[name](t, axis, { scale }),
        reference: (t) =>
          t.shape.length === 0
            ? { shape: [], data: Float64Array.from(soft([...t.data], scale, log)) }
            : mapLines(t, axis, (l) => soft(l, scale, log)),
      };
    }),
  ),
  entry('cumsum', (s) => {
    const x = s.tensor({ rank: [1, 4], dtype: s.choice(NUMBERS) });
    const axis = s.axis(x.shape.length);
    const exclusive = s.flag(0.3);
    const reverse = s.flag(0.4);
    const run = (l: number[]): number[] => {
      const out: number[] = [];
      let sum = 0;
      for (const v of reverse ? [...l].reverse() : l) {
        out.push(exclusive ? sum : sum + v);
        sum = WRAP[x.dtype](sum + v);
      }
      return (reverse ? out.reverse() : out).map(WRAP[x.dtype]);
    };
    return {
      inputs: [x],
      dtypes: [x.dtype],
      bound: 'linear',
      slack: 4,
      text: `${axis}${exclusive ? ' exclusive' : ''}${reverse ? ' reverse' : ''}`,
      run: (t) => e.cumsum(t, axis, { exclusive, reverse }),
      reference: (t) => mapLines(t, axis, run),
    };
  }),
  entry('normalize', (s) => {
    const p = s.choice([1, 2, 2, 3]);
    const x = s.tensor({ rank: [1, 4], away: [0] });
    const list = s.flag() ? [-1] : s.axes(x.shape.length);
    const eps = 1e-12;
    return {
      // Along a single value the gradient is 0 by terms that cancel; powers leave what PyTorch's leave, 5e-7 of them.
      inputs: [x],
      slack: p > 2 ? 32 : 8,
      text: `p ${p} over ${list}`,
      run: (t) => e.normalize(t, { p, axes: list, eps }),
      reference: (t) => {
        const n = reduceBy(t, list, true, (l) => Math.max(eps, pNorm(l, p)));
        return made(
          t.shape,
          (at) =>
            of(t, at) /
            of(
              n,
              at.map((i, a) => (n.shape[a] === 1 ? 0 : i)),
            ),
        );
      },
    };
  }),
  entry('cosineSimilarity', (s) => {
    const a = s.tensor({ rank: [1, 4], away: [0] });
    const b = s.tensor({ shape: a.shape, away: [0] });
    const list = s.flag() ? [-1] : s.axes(a.shape.length);
    const eps = 1e-8;
    return {
      inputs: [a, b],
      text: `over ${list}`,
      inner: 1,
      slack: 8,
      run: (u, v) => e.cosineSimilarity(u, v, { axes: list }),
      reference: (u, v) => {
        const length = (t: F64): F64 => reduceBy(t, list, false, (l) => Math.max(eps, pNorm(l, 2)));
        const dot = reduceBy({ shape: u.shape, data: u.data.map((k, i) => k * v.data[i]) }, list, false, total);
        const [m, n] = [length(u), length(v)];
        return { shape: dot.shape, data: dot.data.map((k, i) => k / (m.data[i] * n.data[i])) };
      },
    };
  }),
];

export const REDUCTIONS: readonly Entry[] = [...REDUCE, ...ALONG, ...NORMS];
