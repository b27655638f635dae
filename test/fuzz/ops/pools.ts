// Pooling.

import * as e from '../../support/ops.ts';
import type { Shape, Tensor } from '../../../runtime/tensor.ts';
import { type F64 } from '../../support/op.ts';
import { at, build } from '../../support/reference.ts';
import { entry, Reject, type Entry, type Source } from '../call.ts';
import { images, two, cells, meanOf } from './windows.ts';

interface Window {
  kernel: [number, number];
  stride: [number, number];
  padding: [number, number, number, number];
  dilation: [number, number];
  ceilMode: boolean;
}

/** Windows that the engine accepts, and the size of the result. */
function pooling(s: Source, x: Shape): { o: Window; size: [number, number] } {
  const kernel = two(s, 1, s.flag(0.2) ? 5 : 3);
  const dilation: [number, number] = s.flag(0.7) ? [1, 1] : two(s, 1, 2);
  const span = kernel.map((k, i) => dilation[i] * (k - 1) + 1);
  const side = (i: number): number => s.whole(0, Math.min(2, Math.floor(span[i] / 2)));
  const o: Window = {
    kernel,
    stride: s.flag(0.5) ? kernel : two(s, 1, 3),
    padding: [side(0), side(0), side(1), side(1)],
    dilation,
    ceilMode: s.flag(0.3),
  };
  const size = [0, 1].map((i) => {
    const before = o.padding[2 * i];
    const steps = (x[1 + i] + before + o.padding[2 * i + 1] - span[i]) / o.stride[i];
    const n = (o.ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
    return o.ceilMode && (n - 1) * o.stride[i] >= x[1 + i] + before ? n - 1 : n;
  }) as [number, number];
  const sees = (i: number, n: number): boolean =>
    Array.from({ length: n }, (_, k) => k * o.stride[i] - o.padding[2 * i]).every((first) =>
      Array.from({ length: kernel[i] }, (_, k) => first + k * dilation[i]).some((at) => at >= 0 && at < x[1 + i]),
    );
  if (
    size[0] < 1 ||
    size[1] < 1 ||
    !sees(0, size[0]) ||
    !sees(1, size[1]) ||
    span.some((d, i) => Math.max(o.padding[2 * i], o.padding[2 * i + 1]) >= d)
  )
    throw new Reject('the window does not fit');
  return { o, size };
}

/** Rows and columns of a window; outside of the image too. */
const taps = (o: Window, oy: number, ox: number): [number, number][] =>
  Array.from({ length: o.kernel[0] * o.kernel[1] }, (_, k) => [
    oy * o.stride[0] - o.padding[0] + Math.floor(k / o.kernel[1]) * o.dilation[0],
    ox * o.stride[1] - o.padding[2] + (k % o.kernel[1]) * o.dilation[1],
  ]);

/** Maxima over lists of pixels, with their places. */
function maxima(
  x: F64,
  size: readonly [number, number],
  list: (oy: number, ox: number) => [number, number][],
): [F64, F64] {
  const shape = [x.shape[0], ...size, x.shape[3]];
  const best = (n: number, oy: number, ox: number, c: number): number => {
    let where = -1;
    let top = -Infinity;
    for (const [y, q] of list(oy, ox)) {
      if (y < 0 || y >= x.shape[1] || q < 0 || q >= x.shape[2]) continue;
      const v = at(x, n, y, q, c);
      // The last NaN, as in PyTorch.
      if (where < 0 || v > top || Number.isNaN(v)) [where, top] = [y * x.shape[2] + q, v];
    }
    return where;
  };
  const places = build(shape, best);
  return [
    build(shape, (n, y, q, c) => {
      const k = at(places, n, y, q, c);
      return at(x, n, Math.floor(k / x.shape[2]), k % x.shape[2], c);
    }),
    places,
  ];
}

const both = (r: { y: Tensor; indices: Tensor }): Tensor[] => [r.y, r.indices];

export const POOLS: Entry[] = [
  entry('maxPool2d', (s) => {
    const x = images(s, { distinct: true });
    const { o, size } = pooling(s, x.shape);
    return {
      inputs: [x],
      bound: 'exact',
      text: JSON.stringify(o),
      run: (t) => e.maxPool2d(t, o),
      reference: (t) => maxima(t, size, (y, q) => taps(o, y, q))[0],
    };
  }),
  entry('maxPool2dWithIndices', (s) => {
    const x = images(s, { distinct: true });
    const { o, size } = pooling(s, x.shape);
    return {
      inputs: [x],
      bound: 'exact',
      dtypes: ['f32', 'i32'],
      text: JSON.stringify(o),
      run: (t) => both(e.maxPool2dWithIndices(t, o)),
      reference: (t) => maxima(t, size, (y, q) => taps(o, y, q)),
    };
  }),
  entry('adaptiveMaxPool2d', (s) => {
    const x = images(s, { distinct: true });
    const size = two(s, 1, 6);
    return {
      inputs: [x],
      bound: 'exact',
      text: `${size}`,
      run: (t) => e.adaptiveMaxPool2d(t, size),
      reference: (t) => maxima(t, size, (y, q) => cells(t.shape, size, y, q))[0],
    };
  }),
  entry('adaptiveMaxPool2dWithIndices', (s) => {
    const x = images(s, { distinct: true });
    const size = two(s, 1, 6);
    return {
      inputs: [x],
      bound: 'exact',
      dtypes: ['f32', 'i32'],
      text: `${size}`,
      run: (t) => both(e.adaptiveMaxPool2dWithIndices(t, size)),
      reference: (t) => maxima(t, size, (y, q) => cells(t.shape, size, y, q)),
    };
  }),
  entry('globalMaxPool', (s) => ({
    inputs: [images(s, { distinct: true })],
    bound: 'exact',
    run: e.globalMaxPool,
    reference: (t) => maxima(t, [1, 1], (y, q) => cells(t.shape, [1, 1], y, q))[0],
  })),
  entry('avgPool2d', (s) => {
    const x = images(s);
    const { o, size } = pooling(s, x.shape);
    const countIncludePad = s.flag();
    const divisor = s.flag(0.2) ? 3 : undefined;
    return {
      inputs: [x],
      bound: 'linear',
      text: JSON.stringify({ ...o, countIncludePad, divisor }),
      run: (t) => e.avgPool2d(t, { ...o, countIncludePad, divisor }),
      reference: (t) =>
        build([t.shape[0], ...size, t.shape[3]], (n, y, q, c) => {
          const list = taps(o, y, q);
          const [h, w] = t.shape.slice(1, 3);
          const counted = list.filter(([i, j]) =>
            countIncludePad ? i < h + o.padding[1] && j < w + o.padding[3] : i >= 0 && i < h && j >= 0 && j < w,
          ).length;
          return meanOf(t, n, c, list) / (divisor ?? counted);
        }),
    };
  }),
  entry('adaptiveAvgPool2d', (s) => {
    const x = images(s);
    const size = two(s, 1, 6);
    return {
      inputs: [x],
      bound: 'linear',
      text: `${size}`,
      run: (t) => e.adaptiveAvgPool2d(t, size),
      reference: (t) =>
        build(
          [t.shape[0], ...size, t.shape[3]],
          (n, y, q, c) => meanOf(t, n, c, cells(t.shape, size, y, q)) / cells(t.shape, size, y, q).length,
        ),
    };
  }),
  entry('globalAvgPool', (s) => ({
    inputs: [images(s)],
    bound: 'linear',
    run: e.globalAvgPool,
    reference: (t) =>
      build(
        [t.shape[0], 1, 1, t.shape[3]],
        (n, y, q, c) => meanOf(t, n, c, cells(t.shape, [1, 1], y, q)) / (t.shape[1] * t.shape[2]),
      ),
  })),
];
