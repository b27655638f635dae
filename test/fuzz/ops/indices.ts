// Reading and writing at indices, and what finds them: order, extremes, counts.

import * as e from '../../support/ops.ts';
import { sizeOf, type DType, type Shape } from '../../../runtime/tensor.ts';
import { repeated } from '../../support/broadcast.ts';
import { each, made, of, place } from '../../support/nd.ts';
import type { F64 } from '../../support/op.ts';
import { mapLines } from '../../support/reduction.ts';
import { entry, Reject, type Call, type Entry, type Source, type Value, type Want } from '../call.ts';

const WORDS: readonly DType[] = ['f32', 'f32', 'f32', 'i32', 'u32'];
const front = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const set = (at: readonly number[], axis: number, i: number): number[] => at.map((v, a) => (a === axis ? i : v));
/** An index counted from the end, or null outside. */
const found = (i: number, n: number): number | null => (i < -n || i >= n ? null : i < 0 ? i + n : i);

/** Indices into an axis of n, some from the end, some outside. */
const indices = (s: Source, shape: Shape, n: number): Value =>
  s.tensor({ shape, dtype: 'i32', within: s.flag(0.5) ? [0, Math.max(0, n - 1)] : [-n - 1, n] });

/** Shape of indices that fit x along an axis: no longer along the others. */
function reaching(s: Source, shape: Shape, axis: number): number[] {
  return shape.map((d, a) => (a === axis ? s.whole(0, 6) : s.flag(0.6) ? d : s.whole(0, d)));
}

interface Along {
  x: Value;
  axis: number;
  a: number;
}
const along = (s: Source, want: Want = {}): Along => {
  const x = s.tensor({ dtype: s.choice(WORDS), rank: [1, 4], ...want });
  const axis = s.axis(x.shape.length);
  return { x, axis, a: front(axis, x.shape.length) };
};

/** x with what `put` does for each element of src at its place. */
function scattered(x: F64, a: number, index: F64, src: F64, put: (old: number, v: number) => number): F64 {
  const y = { shape: x.shape, data: Float64Array.from(x.data) };
  each(index.shape, (at, i) => {
    const to = found(index.data[i], x.shape[a]);
    if (to === null) return;
    const p = place(x.shape, set(at, a, to));
    y.data[p] = put(y.data[p], of(src, at));
  });
  return y;
}

const wrapped = (dtype: DType, y: F64): F64 =>
  dtype === 'f32'
    ? y
    : { shape: y.shape, data: dtype === 'i32' ? y.data.map((v) => v | 0) : y.data.map((v) => v >>> 0) };

const scatter = (name: 'scatter' | 'scatterAdd'): Entry =>
  entry(name, (s) => {
    const { x, axis, a } = along(s);
    const index = indices(s, reaching(s, x.shape, a), x.shape[a]);
    const src = s.tensor({ dtype: x.dtype, shape: index.shape.map((d) => d + (s.flag(0.2) ? 1 : 0)) });
    const add = name === 'scatterAdd';
    return {
      inputs: [x, index, src],
      dtypes: [x.dtype],
      bound: add ? 'linear' : 'exact',
      text: `${axis}`,
      run: (t, i, v) => e[name](t, axis, i, v),
      reference: (t, i, v) => wrapped(x.dtype, scattered(t, a, i, v, add ? (old, w) => old + w : (_, w) => w)),
    };
  });

const WAYS = {
  sum: (a: number, b: number) => a + b,
  prod: (a: number, b: number) => a * b,
  amax: Math.max,
  amin: Math.min,
} as const;

const reduced: Entry = entry('scatterReduce', (s) => {
  const how = s.choice(Object.keys(WAYS) as (keyof typeof WAYS)[]);
  const { x, axis, a } = along(s);
  const index = indices(s, reaching(s, x.shape, a), x.shape[a]);
  const src = s.tensor({ dtype: x.dtype, shape: index.shape });
  const whole = x.dtype !== 'f32';
  const extreme = how === 'amax' || how === 'amin';
  const put = whole && how === 'prod' ? Math.imul : WAYS[how];
  scattered(x, a, index, src, (old, v) => {
    // Finite differences must not change which is the extreme.
    if (s.smooth && extreme && Math.abs(old - v) < 0.02) throw new Reject('a tie');
    return put(old, v);
  });
  return {
    inputs: [x, index, src],
    dtypes: [x.dtype],
    bound: extreme || whole ? 'exact' : how === 'sum' ? 'linear' : 'general',
    text: `${axis} ${how}`,
    run: (t, i, v) => e.scatterReduce(t, axis, i, v, how),
    reference: (t, i, v) => wrapped(x.dtype, scattered(t, a, i, v, put)),
  };
});

const AT: Entry[] = [
  entry('gather', (s) => {
    const { x, axis, a } = along(s);
    const index = indices(s, reaching(s, x.shape, a), x.shape[a]);
    return {
      inputs: [x, index],
      dtypes: [x.dtype],
      bound: 'exact',
      text: `${axis}`,
      run: (t, i) => e.gather(t, axis, i),
      reference: (t, i) =>
        made(i.shape, (at) => {
          const k = found(of(i, at), t.shape[a]);
          return k === null ? 0 : of(t, set(at, a, k));
        }),
    };
  }),
  scatter('scatter'),
  scatter('scatterAdd'),
  reduced,
  entry('indexSelect', (s) => {
    const { x, axis, a } = along(s);
    const index = indices(s, [s.whole(0, 9)], x.shape[a]);
    return {
      inputs: [x, index],
      dtypes: [x.dtype],
      bound: 'exact',
      text: `${axis}`,
      run: (t, i) => e.indexSelect(t, axis, i),
      reference: (t, i) =>
        made(set(t.shape, a, i.data.length), (at) => {
          const k = found(i.data[at[a]], t.shape[a]);
          return k === null ? 0 : of(t, set(at, a, k));
        }),
    };
  }),
  entry('indexAdd', (s) => {
    const { x, axis, a } = along(s);
    const index = indices(s, [s.whole(0, 9)], x.shape[a]);
    const src = s.tensor({ dtype: x.dtype, shape: set(x.shape, a, index.data.length) });
    return {
      inputs: [x, index, src],
      dtypes: [x.dtype],
      bound: 'linear',
      text: `${axis}`,
      run: (t, i, v) => e.indexAdd(t, axis, i, v),
      reference: (t, i, v) =>
        wrapped(
          x.dtype,
          scattered(
            t,
            a,
            made(v.shape, (at) => i.data[at[a]]),
            v,
            (old, w) => old + w,
          ),
        ),
    };
  }),
  entry('embedding', (s) => {
    const w = s.tensor({ rank: [1, 3], dtype: s.choice(WORDS) });
    const index = s.tensor({ rank: [0, 3], dtype: 'i32', within: [0, Math.max(1, w.shape[0])] });
    return {
      inputs: [index, w],
      dtypes: [w.dtype],
      bound: 'exact',
      run: (i, t) => e.embedding(i, t),
      reference: (i, t) =>
        made([...i.shape, ...t.shape.slice(1)], (at) => {
          const k = found(of(i, at.slice(0, i.shape.length)), t.shape[0]);
          return k === null ? 0 : of(t, [k, ...at.slice(i.shape.length)]);
        }),
    };
  }),
  entry('index', (s) => {
    const x = s.tensor({ rank: [1, 4], dtype: s.choice(WORDS) });
    const a = s.int(x.shape.length);
    const count = s.whole(1, x.shape.length - a);
    const first = s.shape(s.whole(0, 2)).map((d) => Math.min(d, 5));
    const lists = Array.from({ length: count }, (_, k) =>
      indices(s, k === 0 ? first : first.map((d) => (s.flag(0.2) ? 1 : d)), x.shape[a + k]),
    );
    return {
      inputs: [x, ...lists],
      dtypes: [x.dtype],
      bound: 'exact',
      text: `from axis ${a}`,
      run: (t, ...i) => e.index(t, i, a),
      reference: (t, ...i) => {
        const places = repeated(i, (...k) => {
          const to = k.map((v, j) => found(v, t.shape[a + j]));
          return to.some((v) => v === null) ? -1 : place(t.shape.slice(a, a + count), to as number[]);
        });
        const merged = {
          shape: [...t.shape.slice(0, a), sizeOf(t.shape.slice(a, a + count)), ...t.shape.slice(a + count)],
          data: t.data,
        };
        const rank = places.shape.length;
        return made([...t.shape.slice(0, a), ...places.shape, ...t.shape.slice(a + count)], (at) => {
          const k = of(places, at.slice(a, a + rank));
          return k < 0 ? 0 : of(merged, [...at.slice(0, a), k, ...at.slice(a + rank)]);
        });
      },
    };
  }),
  entry('oneHot', (s) => {
    const labels = s.tensor({ rank: [0, 3], dtype: 'i32', within: [-1, 6] });
    const classes = s.whole(1, 6);
    const only = s.flag(0.3) ? s.int(classes) : undefined;
    const weight = s.flag(0.4) ? [s.tensor({ shape: labels.shape })] : [];
    return {
      inputs: [labels, ...weight],
      text: `${classes}, only ${only}`,
      bound: 'exact',
      grads: [],
      run: (l, w) => e.oneHot(l, classes, { weight: w, only }),
      reference: (l, w) =>
        made([...l.shape, classes], (at) => {
          const k = at[at.length - 1];
          const here = at.slice(0, -1);
          return of(l, here) === k && (only === undefined || only === k) ? (w ? of(w, here) : 1) : 0;
        }),
    };
  }),
  entry(
    'presentClasses',
    (s) => {
      const labels = s.tensor({ rank: [1, 3], fits: (d) => d[0] > 0, dtype: 'i32', within: [-1, 6] });
      const classes = s.whole(1, 6);
      const n = labels.shape[0];
      return {
        inputs: [labels],
        text: `${classes}`,
        bound: 'exact',
        grads: [],
        run: (l) => e.presentClasses(l, classes),
        reference: (l) =>
          made([n, classes], ([i, k]) =>
            Number(l.data.subarray((i * l.data.length) / n, ((i + 1) * l.data.length) / n).includes(k)),
          ),
      };
    },
    { specials: 'labels are integers' },
  ),
  entry(
    'bincount',
    (s) => {
      const x = s.tensor({ dtype: s.flag() ? 'i32' : 'u32' });
      const bins = s.whole(0, 9);
      return {
        inputs: [x],
        text: `${bins}`,
        bound: 'exact',
        dtypes: ['i32'],
        run: (t) => e.bincount(t, bins),
        reference: (t) => made([bins], ([k]) => t.data.filter((v) => v === k).length),
      };
    },
    { specials: 'labels are integers' },
  ),
];

/** Ascending, NaN last, as PyTorch sorts. */
const compared = (a: number, b: number): number => {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a === b ? 0 : a < b ? -1 : 1;
};
const order = (line: readonly number[], descending: boolean): number[] =>
  line.map((_, i) => i).sort((i, j) => (descending ? compared(line[j], line[i]) : compared(line[i], line[j])) || i - j);
/** The first of the largest or smallest; the first NaN where there is one. */
const firstExtreme = (line: readonly number[], smallest: boolean): number => {
  const nan = line.findIndex(Number.isNaN);
  return nan >= 0 ? nan : order(line, !smallest)[0];
};

const sorted = (s: Source): Along => {
  const x = s.tensor({ dtype: s.choice(WORDS), distinct: true, rank: [1, 4] });
  const axis = s.axis(x.shape.length);
  return { x, axis, a: front(axis, x.shape.length) };
};

/** Largest or smallest along an axis: values and indices. */
function extreme(
  run: Call['run'],
  { x, axis }: Along,
  keepdim: boolean,
  smallest: boolean,
  wanted: 'both' | 'index',
): Call {
  if (x.shape[front(axis, x.shape.length)] === 0) throw new Reject('empty axis');
  const cut = (y: F64): F64 =>
    keepdim ? y : { shape: y.shape.filter((_, i) => i !== front(axis, x.shape.length)), data: y.data };
  const best = (line: number[]): number => (line.length ? firstExtreme(line, smallest) : 0);
  const at = (t: F64): F64 => cut(mapLines(t, axis, (l) => [best(l)]));
  const values = (t: F64): F64 => cut(mapLines(t, axis, (l) => [l[best(l)]]));
  return {
    inputs: [x],
    text: `${axis}${keepdim ? ' keepdim' : ''}`,
    bound: 'exact',
    run,
    ...(wanted === 'both' ? { dtypes: [x.dtype, 'i32'] } : { dtypes: ['i32'], grads: [], rough: true }),
    reference: (t) => (wanted === 'both' ? [values(t), at(t)] : at(t)),
  };
}

const ORDER: Entry[] = [
  ...(['maxDim', 'minDim', 'argmax', 'argmin'] as const).map((name) =>
    entry(name, (s) => {
      const given = sorted(s);
      const keepdim = s.flag(0.3);
      const smallest = name.endsWith('in') || name === 'minDim';
      const { axis } = given;
      if (name === 'argmax' || name === 'argmin') {
        if (s.flag(0.3) && given.x.data.length > 0) {
          const { x } = given;
          return {
            inputs: [x],
            text: `all${keepdim ? ' keepdim' : ''}`,
            bound: 'exact',
            dtypes: ['i32'],
            grads: [],
            rough: true,
            run: (t) => e[name](t, undefined, { keepdim }),
            reference: (t) => ({
              shape: keepdim ? t.shape.map(() => 1) : [],
              data: Float64Array.of(firstExtreme([...t.data], smallest)),
            }),
          };
        }
        return extreme((t) => e[name](t, axis, { keepdim }), given, keepdim, smallest, 'index');
      }
      return extreme(
        (t) => {
          const { values, indices: i } = e[name](t, axis, { keepdim });
          return [values, i];
        },
        given,
        keepdim,
        smallest,
        'both',
      );
    }),
  ),
  entry('sort', (s) => {
    const { x, axis } = sorted(s);
    const descending = s.flag();
    return {
      inputs: [x],
      text: `${axis} ${descending ? 'down' : 'up'}`,
      bound: 'exact',
      dtypes: [x.dtype, 'i32'],
      run: (t) => {
        const { values, indices: i } = e.sort(t, axis, { descending });
        return [values, i];
      },
      reference: (t) => [
        mapLines(t, axis, (l) => order(l, descending).map((i) => l[i])),
        mapLines(t, axis, (l) => order(l, descending)),
      ],
    };
  }),
  entry('argsort', (s) => {
    const { x, axis } = sorted(s);
    const descending = s.flag();
    return {
      inputs: [x],
      text: `${axis} ${descending ? 'down' : 'up'}`,
      bound: 'exact',
      dtypes: ['i32'],
      grads: [],
      rough: true,
      run: (t) => e.argsort(t, axis, { descending }),
      reference: (t) => mapLines(t, axis, (l) => order(l, descending)),
    };
  }),
  entry('topk', (s) => {
    const { x, axis, a } = sorted(s);
    const k = s.whole(0, x.shape[a]);
    const largest = s.flag();
    return {
      inputs: [x],
      text: `${k} along ${axis} ${largest ? 'largest' : 'smallest'}`,
      bound: 'exact',
      dtypes: [x.dtype, 'i32'],
      run: (t) => {
        const { values, indices: i } = e.topk(t, k, axis, { largest });
        return [values, i];
      },
      reference: (t) => [
        mapLines(t, axis, (l) =>
          order(l, largest)
            .slice(0, k)
            .map((i) => l[i]),
        ),
        mapLines(t, axis, (l) => order(l, largest).slice(0, k)),
      ],
    };
  }),
  entry('kthLargest', (s) => {
    const x = s.tensor({ fits: (d) => sizeOf(d) > 0 });
    const k = s.whole(1, x.data.length);
    return {
      inputs: [x],
      text: `${k}`,
      bound: 'exact',
      grads: [],
      run: (t) => e.kthLargest(t, k),
      reference: (t) => made([], () => [...t.data].sort((p, q) => compared(q, p))[k - 1]),
    };
  }),
  entry('percentile', (s) => {
    const x = s.tensor({ fits: (d) => sizeOf(d) > 0 });
    const q = s.int(101);
    const valid = s.flag(0.4) ? [s.tensor({ shape: x.shape, element: () => s.int(2) })] : [];
    return {
      inputs: [x, ...valid],
      text: `${q}`,
      grads: [],
      rough: true,
      inner: 3,
      run: (t, v) => e.percentile(t, q, v),
      reference: (t, v) =>
        made([], () => {
          const l = [...t.data].filter((_, i) => !v || v.data[i] !== 0).sort(compared);
          const p = (q / 100) * (l.length - 1);
          const low = Math.floor(p);
          const part = p - low;
          const next = l[low + 1] ?? l[low];
          if (l.some(Number.isNaN)) return NaN;
          if (l.length === 0 || part === 0 || next === l[low]) return l[low] ?? 0;
          return (1 - part) * l[low] + part * next;
        }),
    };
  }),
];

export const INDICES: readonly Entry[] = [...AT, ...ORDER];
