// Operations that move boxes of elements: slices, padding, joining, patches.

import * as e from '../../support/ops.ts';
import { sizeOf, type Shape } from '../../../runtime/tensor.ts';
import { each, made, of } from '../../support/nd.ts';
import type { F64 } from '../../support/op.ts';
import { entry, Reject, type Entry, type Source } from '../call.ts';
import { any, copy, as, wrap, front, set } from './moving.ts';

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

export const BOXES: Entry[] = [
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
