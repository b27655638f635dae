// Operations that move elements: shapes, strides, boxes, indices, order.

import * as e from '../../support/ops.ts';
import { sizeOf, type DType } from '../../../runtime/tensor.ts';
import { made, of } from '../../support/nd.ts';
import { entry, type Entry, type Source } from '../call.ts';
import { any, copy, as, wrap, front, set } from './moving.ts';
import { BOXES } from './boxes.ts';

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

export const MOVES: readonly Entry[] = [...SHAPES, ...BOXES];
