// Operations that move elements: shapes, strides, boxes, indices, order.

import * as e from '../../support/ops.ts';
import { sizeOf, type DType, type Shape } from '../../../runtime/tensor.ts';
import { each, made, of } from '../../support/nd.ts';
import type { F64 } from '../../support/op.ts';
import { entry, Reject, type Call, type Entry, type Source, type Value, type Want } from '../call.ts';

const WORDS: readonly DType[] = ['f32', 'f32', 'f32', 'f32', 'i32', 'u32'];
const any = (s: Source, want: Want = {}): Value => s.tensor({ dtype: s.choice(WORDS), ...want });
const copy = (x: Value, c: Omit<Call, 'inputs' | 'dtypes' | 'bound'>): Call => ({
  inputs: [x],
  dtypes: [x.dtype],
  bound: 'exact',
  ...c,
});
const as = (x: F64, shape: Shape): F64 => ({ shape, data: x.data });
const wrap = (i: number, n: number): number => ((i % n) + n) % n;
/** An axis counted from the front. */
const front = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const set = (at: readonly number[], axis: number, i: number): number[] => at.map((v, a) => (a === axis ? i : v));

/** Sizes with the same product, in another grouping. */
function regrouped(s: Source, n: number): number[] {
  const shape: number[] = [];
  for (let rest = n; rest > 1;) {
    const factors = Array.from({ length: rest }, (_, i) => i + 1).filter((f) => rest % f === 0);
    const f = s.choice(factors);
    shape.push(f);
    rest /= f;
    if (shape.length === 4) {
      shape.push(rest);
      rest = 1;
    }
  }
  return n === 0 ? [...s.order(3), 0] : shape;
}

const SHAPES: Entry[] = [
  entry('reshape', (s) => {
    const x = s.tensor({ dtype: s.choice<DType>(['f32', 'f16', 'i32']) });
    const to = regrouped(s, x.data.length);
    const open = s.flag(0.3) && to.length > 0 && x.data.length > 0 ? s.int(to.length) : -1;
    const given = to.map((d, i) => (i === open ? -1 : d));
    return copy(x, { text: `[${given}]`, run: (t) => e.reshape(t, given), reference: (t) => as(t, to) });
  }),
  entry('flatten', (s) => {
    const x = any(s);
    const rank = Math.max(1, x.shape.length);
    const a = s.int(rank);
    const b = s.whole(a, rank - 1);
    return copy(x, {
      text: `${a}, ${b}`,
      run: (t) => e.flatten(t, a, b),
      reference: (t) => as(t, [...t.shape.slice(0, a), sizeOf(t.shape.slice(a, b + 1)), ...t.shape.slice(b + 1)]),
    });
  }),
  entry('squeeze', (s) => {
    const x = any(s);
    const axis = s.flag() && x.shape.length > 0 ? s.axis(x.shape.length) : undefined;
    return copy(x, {
      text: `${axis}`,
      run: (t) => e.squeeze(t, axis),
      reference: (t) =>
        as(
          t,
          t.shape.filter((d, i) => d !== 1 || (axis !== undefined && i !== front(axis, t.shape.length))),
        ),
    });
  }),
  entry('unsqueeze', (s) => {
    const x = any(s, { rank: [0, 4] });
    const axis = s.axis(x.shape.length + 1);
    const a = front(axis, x.shape.length + 1);
    return copy(x, {
      text: `${axis}`,
      run: (t) => e.unsqueeze(t, axis),
      reference: (t) => as(t, [...t.shape.slice(0, a), 1, ...t.shape.slice(a)]),
    });
  }),
  entry('permute', (s) => {
    const x = any(s);
    const order = s.order(x.shape.length);
    return copy(x, {
      text: `${order}`,
      run: (t) => e.permute(t, order),
      reference: (t) =>
        made(
          order.map((a) => t.shape[a]),
          (at) =>
            of(
              t,
              t.shape.map((_, a) => at[order.indexOf(a)]),
            ),
        ),
    });
  }),
  entry('transpose', (s) => {
    const x = any(s, { rank: [2, 5] });
    const rank = x.shape.length;
    const [a, b] = [s.axis(rank), s.axis(rank)];
    const [i, j] = [front(a, rank), front(b, rank)];
    const swap = (v: readonly number[]): number[] => v.map((d, k) => (k === i ? v[j] : k === j ? v[i] : d));
    return copy(x, {
      text: `${a}, ${b}`,
      run: (t) => e.transpose(t, a, b),
      reference: (t) => made(swap(t.shape), (at) => of(t, swap(at))),
    });
  }),
  entry('expand', (s) => {
    const x = any(s, { rank: [0, 4] });
    const lead = s.shape(s.whole(0, 5 - x.shape.length)).map((d) => Math.min(d, 3));
    const to = [...lead, ...x.shape.map((d) => (d === 1 ? s.whole(1, 3) : d))];
    return copy(x, {
      text: `[${to}]`,
      run: (t) => e.expand(t, to),
      reference: (t) =>
        made(to, (at) =>
          of(
            t,
            at.slice(lead.length).map((i, a) => (t.shape[a] === 1 ? 0 : i)),
          ),
        ),
    });
  }),
  entry('flip', (s) => {
    const x = any(s);
    const axes = s.axes(x.shape.length, 0);
    const on = axes.map((a) => front(a, x.shape.length));
    return copy(x, {
      text: `${axes}`,
      run: (t) => e.flip(t, axes),
      reference: (t) =>
        made(t.shape, (at) =>
          of(
            t,
            at.map((i, a) => (on.includes(a) ? t.shape[a] - 1 - i : i)),
          ),
        ),
    });
  }),
  entry('roll', (s) => {
    const x = any(s);
    const flat = s.flag(0.3);
    if (flat) {
      const by = s.whole(-9, 9);
      const n = x.data.length;
      return copy(x, {
        text: `${by}`,
        run: (t) => e.roll(t, [by]),
        reference: (t) => ({ shape: t.shape, data: t.data.map((_, i) => t.data[wrap(i - by, n)]) }),
      });
    }
    const axes = s.axes(x.shape.length, 0);
    const by = axes.map(() => s.whole(-7, 7));
    const on = axes.map((a) => front(a, x.shape.length));
    return copy(x, {
      text: `${by} along ${axes}`,
      run: (t) => e.roll(t, by, axes),
      reference: (t) =>
        made(t.shape, (at) =>
          of(
            t,
            at.map((i, a) => (on.includes(a) ? wrap(i - by[on.indexOf(a)], t.shape[a]) : i)),
          ),
        ),
    });
  }),
  entry('repeat', (s) => {
    const x = any(s, { rank: [0, 4] });
    const lead = s.whole(0, 5 - x.shape.length - 1);
    const by = Array.from({ length: lead + x.shape.length }, () => s.choice([1, 1, 2, 3, 0]));
    const sizes = [...Array<number>(lead).fill(1), ...x.shape];
    return copy(x, {
      text: `${by}`,
      run: (t) => e.repeat(t, by),
      reference: (t) =>
        made(
          sizes.map((d, a) => d * by[a]),
          (at) => of(t, at.map((i, a) => i % sizes[a]).slice(lead)),
        ),
    });
  }),
  entry('repeatInterleave', (s) => {
    const x = any(s);
    const by = s.whole(0, 3);
    const axis = s.flag(0.7) && x.shape.length > 0 ? s.axis(x.shape.length) : undefined;
    if (axis === undefined)
      return copy(x, {
        text: `${by}`,
        run: (t) => e.repeatInterleave(t, by),
        reference: (t) => made([t.data.length * by], ([i]) => t.data[Math.floor(i / by)]),
      });
    const a = front(axis, x.shape.length);
    return copy(x, {
      text: `${by} along ${axis}`,
      run: (t) => e.repeatInterleave(t, by, axis),
      reference: (t) =>
        made(
          t.shape.map((d, k) => (k === a ? d * by : d)),
          (at) => of(t, set(at, a, Math.floor(at[a] / by))),
        ),
    });
  }),
  entry('pixelShuffle', (s) => {
    const r = s.whole(1, 3);
    const x = any(s, { shape: [s.whole(0, 2), s.whole(1, 5), s.whole(1, 5), r * r * s.whole(1, 4)] });
    const to = [x.shape[0], x.shape[1] * r, x.shape[2] * r, x.shape[3] / (r * r)];
    return copy(x, {
      text: `${r}`,
      run: (t) => e.pixelShuffle(t, r),
      reference: (t) =>
        made(to, ([n, y, q, c]) => of(t, [n, Math.floor(y / r), Math.floor(q / r), c * r * r + (y % r) * r + (q % r)])),
    });
  }),
  entry('pixelUnshuffle', (s) => {
    const r = s.whole(1, 3);
    const x = any(s, { shape: [s.whole(0, 2), r * s.whole(1, 4), r * s.whole(1, 4), s.whole(1, 5)] });
    const [n, h, w, c] = x.shape;
    return copy(x, {
      text: `${r}`,
      run: (t) => e.pixelUnshuffle(t, r),
      reference: (t) =>
        made([n, h / r, w / r, c * r * r], ([k, y, q, m]) =>
          of(t, [k, y * r + (Math.floor(m / r) % r), q * r + (m % r), Math.floor(m / (r * r))]),
        ),
    });
  }),
  ...(['tril', 'triu'] as const).map((name) =>
    entry(name, (s) => {
      const x = any(s, { rank: [2, 4] });
      const d = s.whole(-4, 4);
      const rank = x.shape.length;
      return copy(x, {
        text: `${d}`,
        run: (t) => e[name](t, d),
        reference: (t) =>
          made(t.shape, (at) =>
            (name === 'tril' ? at[rank - 1] - at[rank - 2] <= d : at[rank - 1] - at[rank - 2] >= d) ? of(t, at) : 0,
          ),
      });
    }),
  ),
];

/** Indices of a range as Python has them. */
function range(n: number, [start, stop, step]: readonly [number | null, number | null, number]): number[] {
  const out: number[] = [];
  const fix = (v: number): number => (v < 0 ? v + n : v);
  if (step > 0)
    for (
      let i = start === null ? 0 : Math.max(0, fix(start));
      i < (stop === null ? n : Math.min(n, fix(stop)));
      i += step
    )
      out.push(i);
  else
    for (
      let i = start === null ? n - 1 : Math.min(n - 1, fix(start));
      i > (stop === null ? -1 : Math.max(-1, fix(stop)));
      i += step
    )
      out.push(i);
  return out;
}

const pick = (t: F64, lists: readonly (readonly number[])[]): F64 =>
  made(
    lists.map((l) => l.length),
    (at) =>
      of(
        t,
        at.map((i, a) => lists[a][i]),
      ),
  );

/** Where a padding reads; null for the constant. */
function source(i: number, n: number, mode: string): number | null {
  if (i >= 0 && i < n) return i;
  if (mode === 'constant') return null;
  if (mode === 'circular') return wrap(i, n);
  if (mode === 'replicate') return i < 0 ? 0 : n - 1;
  return i < 0 ? -i : 2 * (n - 1) - i;
}

function padded(t: F64, padding: readonly (readonly [number, number])[], mode: string, value: number): F64 {
  return made(
    t.shape.map((d, a) => d + padding[a][0] + padding[a][1]),
    (at) => {
      const from = at.map((i, a) => source(i - padding[a][0], t.shape[a], mode));
      return from.some((v) => v === null) ? value : of(t, from as number[]);
    },
  );
}

/** Joins along an axis. */
export function joined(parts: readonly F64[], axis: number): F64 {
  const shape = parts[0].shape.map((d, a) => (a === axis ? parts.reduce((n, p) => n + p.shape[axis], 0) : d));
  return made(shape, (at) => {
    let i = at[axis];
    let k = 0;
    while (i >= parts[k].shape[axis]) i -= parts[k++].shape[axis];
    return of(parts[k], set(at, axis, i));
  });
}

const BOXES: Entry[] = [
  entry('slice', (s) => {
    const x = any(s);
    if (s.flag(0.3)) {
      const start = x.shape.map((d) => s.whole(0, d));
      const size = x.shape.map((d, a) => s.whole(0, d - start[a]));
      return copy(x, {
        text: `[${size}] from [${start}]`,
        run: (t) => e.slice(t, start, size),
        reference: (t) =>
          pick(
            t,
            size.map((n, a) => Array.from({ length: n }, (_, i) => i + start[a])),
          ),
      });
    }
    const end = (d: number): number | null => (s.flag(0.3) ? null : s.whole(-d - 1, d + 1));
    const ranges = x.shape
      .slice(0, s.whole(0, x.shape.length))
      .map((d) => (s.flag(0.2) ? null : ([end(d), end(d), s.choice([1, 1, 2, 3, -1, -2])] as const)));
    return copy(x, {
      text: JSON.stringify(ranges),
      run: (t) => e.slice(t, ranges),
      reference: (t) =>
        pick(
          t,
          t.shape.map((n, a) => range(n, ranges[a] ?? [null, null, 1])),
        ),
    });
  }),
  entry('pad', (s) => {
    const x = any(s, { rank: [1, 4] });
    const mode = s.choice(['constant', 'reflect', 'replicate', 'circular'] as const);
    const value = mode === 'constant' ? s.whole(0, 3) : 0;
    const padding = x.shape.map(
      (d) =>
        [0, 0].map(() =>
          s.flag(0.4) ? 0 : Math.min(s.whole(-1, 4), mode === 'reflect' ? d - 1 : mode === 'circular' ? d : 4),
        ) as [number, number],
    );
    if (
      padding.some(
        ([a, b], i) =>
          x.shape[i] + a + b < 0 ||
          (mode !== 'constant' && x.shape[i] === 0 && a + b > 0) ||
          (mode === 'reflect' && Math.max(a, b) >= Math.max(1, x.shape[i])) ||
          x.shape[i] === 0,
      )
    )
      throw new Reject('padding');
    return copy(x, {
      text: `${JSON.stringify(padding)} ${mode} ${value}`,
      run: (t) => e.pad(t, padding, { mode, value }),
      reference: (t) => padded(t, padding, mode, value),
    });
  }),
  entry('pad2d', (s) => {
    const x = any(s, { rank: 4 });
    const [a, b, c, d] = Array.from({ length: 4 }, () => s.whole(0, 3));
    const value = s.whole(0, 2);
    return copy(x, {
      text: `${[a, b, c, d]}, ${value}`,
      run: (t) =>
        e.pad2d(
          t,
          [
            [a, b],
            [c, d],
          ],
          value,
        ),
      reference: (t) =>
        padded(
          t,
          [
            [0, 0],
            [a, b],
            [c, d],
            [0, 0],
          ],
          'constant',
          value,
        ),
    });
  }),
  entry('concat', (s) => {
    const x = any(s, { rank: [1, 4] });
    const axis = s.axis(x.shape.length);
    const a = front(axis, x.shape.length);
    const n = s.whole(1, 4);
    const parts = [
      x,
      ...Array.from({ length: n - 1 }, () => s.tensor({ dtype: x.dtype, shape: set(x.shape, a, s.whole(0, 5)) })),
    ];
    return {
      inputs: parts,
      dtypes: [x.dtype],
      bound: 'exact',
      text: `${axis}`,
      run: (...t) => e.concat(t, axis),
      reference: (...t) => joined(t, a),
    };
  }),
  entry('stack', (s) => {
    const x = any(s, { rank: [0, 4] });
    const n = s.whole(1, 4);
    const axis = s.axis(x.shape.length + 1);
    const a = front(axis, x.shape.length + 1);
    const parts = [x, ...Array.from({ length: n - 1 }, () => s.tensor({ dtype: x.dtype, shape: x.shape }))];
    return {
      inputs: parts,
      dtypes: [x.dtype],
      bound: 'exact',
      text: `${axis}`,
      run: (...t) => e.stack(t, axis),
      reference: (...t) =>
        joined(
          t.map((v) => as(v, [...v.shape.slice(0, a), 1, ...v.shape.slice(a)])),
          a,
        ),
    };
  }),
  ...(['split', 'chunk'] as const).map((name) =>
    entry(name, (s) => {
      const x = any(s, { rank: [1, 4], fits: (d) => d.every((n) => n > 0) });
      const axis = s.axis(x.shape.length);
      const a = front(axis, x.shape.length);
      const n = x.shape[a];
      const by = s.whole(Math.ceil(n / 6), n);
      const step = name === 'split' ? by : Math.ceil(n / s.whole(1, 4));
      const sizes: number[] = [];
      for (let left = n; left > 0; left -= step) sizes.push(Math.min(step, left));
      const listed = name === 'split' && s.flag(0.3);
      let at = 0;
      const lists = sizes.map((k) => Array.from({ length: k }, () => at++));
      return {
        inputs: [x],
        dtypes: sizes.map(() => x.dtype),
        bound: 'exact',
        text: `${sizes} along ${axis}`,
        run: (t) =>
          name === 'split' ? e.split(t, listed ? sizes : step, axis) : e.chunk(t, Math.ceil(n / step), axis),
        reference: (t) =>
          lists.map((l) =>
            pick(
              t,
              t.shape.map((d, k) => (k === a ? l : Array.from({ length: d }, (_, i) => i))),
            ),
          ),
      };
    }),
  ),
  entry('unfold', (s) => {
    const x = any(s, { shape: [s.whole(0, 2), s.whole(1, 7), s.whole(1, 7), s.whole(1, 5)] });
    const { kernel, o, oh, ow } = patch(s, x.shape);
    const c = x.shape[3];
    return copy(x, {
      text: JSON.stringify({ kernel, ...o }),
      run: (t) => e.unfold(t, kernel, o),
      reference: (t) =>
        made([t.shape[0], oh, ow, kernel[0] * kernel[1] * c], ([n, y, q, m]) => {
          const tap = Math.floor(m / c);
          const at = [
            n,
            y * o.stride[0] - o.padding[0] + Math.floor(tap / kernel[1]) * o.dilation[0],
            q * o.stride[1] - o.padding[1] + (tap % kernel[1]) * o.dilation[1],
            m % c,
          ];
          return at[1] >= 0 && at[1] < t.shape[1] && at[2] >= 0 && at[2] < t.shape[2] ? of(t, at) : 0;
        }),
    });
  }),
  entry('fold', (s) => {
    const size = [s.whole(0, 2), s.whole(1, 7), s.whole(1, 7), s.whole(1, 5)];
    const { kernel, o, oh, ow } = patch(s, size);
    const c = size[3];
    const x = s.tensor({ shape: [size[0], oh, ow, kernel[0] * kernel[1] * c] });
    return {
      inputs: [x],
      bound: 'linear',
      text: JSON.stringify({ size, kernel, ...o }),
      run: (t) => e.fold(t, [size[1], size[2]], kernel, o),
      reference: (t) => {
        const y: F64 = { shape: size, data: new Float64Array(sizeOf(size)) };
        each(t.shape, ([n, i, j, m], at) => {
          const tap = Math.floor(m / c);
          const row = i * o.stride[0] - o.padding[0] + Math.floor(tap / kernel[1]) * o.dilation[0];
          const column = j * o.stride[1] - o.padding[1] + (tap % kernel[1]) * o.dilation[1];
          if (row >= 0 && row < size[1] && column >= 0 && column < size[2])
            y.data[((n * size[1] + row) * size[2] + column) * c + (m % c)] += t.data[at];
        });
        return y;
      },
    };
  }),
];

function patch(s: Source, [, h, w]: Shape) {
  const two = (low: number, high: number): [number, number] => [s.whole(low, high), s.whole(low, high)];
  const kernel = two(1, 3);
  const o = { stride: two(1, 3), padding: two(0, 2), dilation: two(1, 2) };
  const [oh, ow] = [h, w].map(
    (d, i) => Math.floor((d + 2 * o.padding[i] - o.dilation[i] * (kernel[i] - 1) - 1) / o.stride[i]) + 1,
  );
  if (oh < 1 || ow < 1) throw new Reject('the window does not fit');
  return { kernel, o, oh, ow };
}

export const MOVES: readonly Entry[] = [...SHAPES, ...BOXES];
