// ONNX operators over windows: convolutions, pooling, unpooling, patches.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FewmaskError } from '../../runtime/errors.ts';
import type { OnnxAttribute } from '../../runtime/io/onnx/model.ts';
import { type Shape } from '../../runtime/tensor.ts';
import { each, made, of, place } from '../support/nd.ts';
import { f64, type F64 } from '../support/op.ts';
import { normal, list, reals, run, same } from './onnxCases.ts';

/** y[n, m, o...] = sum over c and taps of x[n, c, o stride - before + t dilation] w[m, c, t]. */
function convolved(
  x: F64,
  w: F64,
  stride: number[],
  dilation: number[],
  before: number[],
  out: number[],
  groups: number,
): F64 {
  const per = w.shape[0] / groups;
  return made([x.shape[0], w.shape[0], ...out], ([n, m, ...o]) => {
    let sum = 0;
    each(w.shape.slice(1), ([c, ...t]) => {
      const at = o.map((v, i) => v * stride[i] - before[i] + t[i] * dilation[i]);
      if (at.every((v, i) => v >= 0 && v < x.shape[i + 2]))
        sum += of(x, [n, Math.floor(m / per) * w.shape[1] + c, ...at]) * of(w, [m, c, ...t]);
    });
    return sum;
  });
}

test('convolution over three and four axes', async () => {
  const x = normal([2, 4, 5, 4, 6]);
  const w = normal([6, 2, 2, 3, 3]);
  const b = normal([6]);
  const attributes = { strides: [2, 1, 2], dilations: [2, 1, 1], pads: [1, 0, 2, 0, 1, 1], group: 2 };
  const want = convolved(x, w, [2, 1, 2], [2, 1, 1], [1, 0, 2], [2, 3, 4], 2);
  const [got] = await run('Conv', [reals(x), reals(w), reals(b)], attributes);
  same(
    got,
    made(want.shape, (at) => of(want, at) + b.data[at[1]]),
    'Conv 3-D',
  );
  const x4 = normal([1, 2, 3, 3, 2, 4]);
  const w4 = normal([3, 2, 2, 1, 2, 3]);
  same(
    (await run('Conv', [reals(x4), reals(w4)]))[0],
    convolved(x4, w4, [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0], [2, 3, 1, 2], 1),
    'Conv 4-D',
  );
});

test('nothing to add up', async () => {
  const refused = async (body: Promise<unknown>): Promise<void> => {
    const error = await body.catch((e: unknown) => e);
    assert.instance(error, FewmaskError);
  };
  for (const op of ['Sum', 'Mean', 'Max', 'Min', 'Concat'])
    await refused(run(op, [], op === 'Concat' ? { axis: 0 } : {}));
  await refused(run('Conv', [reals(normal([1, 2, 3, 4, 5])), reals(normal([2, 2, 0, 1, 1]))]));
});

test('transposed convolution is the adjoint of the convolution, over any axes and with any way to say its size', async () => {
  const dot = (a: F64, b: F64): number => a.data.reduce((s, v, i) => s + v * b.data[i], 0);
  const cases: [Shape, Shape, Record<string, OnnxAttribute>, Shape, number[], number[], number[]][] = [
    [[1, 3, 4], [3, 2, 3], { strides: [2] }, [9], [2], [1], [0]],
    [
      [1, 3, 3, 4, 2],
      [3, 2, 2, 3, 2],
      { strides: [2, 1, 3], pads: [1, 0, 1, 0, 2, 0], output_padding: [1, 0, 2] },
      [6, 4, 6],
      [2, 1, 3],
      [1, 1, 1],
      [1, 0, 1],
    ],
    [[1, 3, 3, 4, 2], [3, 2, 2, 3, 2], { dilations: [2, 1, 2] }, [5, 6, 4], [1, 1, 1], [2, 1, 2], [0, 0, 0]],
    [
      [1, 1, 3, 3],
      [1, 2, 3, 3],
      { strides: [3, 2], output_shape: [10, 8], output_padding: [1, 1] },
      [10, 8],
      [3, 2],
      [1, 1],
      [0, 0],
    ],
    [[1, 1, 3, 3], [1, 2, 3, 3], { strides: [3, 2], output_shape: [8, 6] }, [8, 6], [3, 2], [1, 1], [1, 1]],
    [
      [1, 1, 3, 3],
      [1, 2, 3, 3],
      { strides: [3, 2], output_shape: [8, 6], auto_pad: 'SAME_UPPER' },
      [8, 6],
      [3, 2],
      [1, 1],
      [0, 0],
    ],
    [[1, 1, 3, 3], [1, 2, 3, 3], { strides: [2, 2], auto_pad: 'SAME_LOWER' }, [6, 6], [2, 2], [1, 1], [1, 1]],
    [[1, 1, 3, 3], [1, 2, 1, 1], { strides: [2, 3], auto_pad: 'SAME_UPPER' }, [6, 9], [2, 3], [1, 1], [-1, -1]],
  ];
  for (const [xs, ws, attributes, size, stride, dilation, before] of cases) {
    const x = normal(xs);
    const w = normal(ws);
    const v = normal([1, ws[1], ...size]);
    const [y] = await run('ConvTranspose', [reals(x), reals(w)], attributes);
    const what = `ConvTranspose ${JSON.stringify(attributes)}`;
    assert.equal([...y.shape], [1, ws[1], ...size], what);
    // As weights of the convolution of v: [ci, co, ...] has the same layout.
    const back = convolved(v, w, stride, dilation, before, xs.slice(2), 1);
    const a = dot(y, v);
    const b = dot(x, back);
    assert.ok(Math.abs(a - b) <= 1e-4 * (1 + Math.abs(a)), `${what}: ${a} and ${b}`);
  }
});

/** The taps of each window, as places in x along the spatial axes. */
function windows(
  x: F64,
  kernel: number[],
  stride: number[],
  dilation: number[],
  before: number[],
  out: number[],
  visit: (at: number[], taps: number[][]) => void,
): void {
  each([...x.shape.slice(0, 2), ...out], (at) => {
    const taps: number[][] = [];
    each(kernel, (t) => taps.push(t.map((k, i) => at[i + 2] * stride[i] - before[i] + k * dilation[i])));
    visit(at.slice(), taps);
  });
}

const inside =
  (x: F64) =>
  (at: number[]): boolean =>
    at.every((v, i) => v >= 0 && v < x.shape[i + 2]);

test('maximum over windows of three axes, with places in rows and in columns, and of integers', async () => {
  const x = normal([2, 2, 5, 4, 6]);
  const attributes = { kernel_shape: [3, 2, 3], strides: [2, 1, 2], dilations: [1, 2, 1], pads: [2, 0, 1, 2, 1, 1] };
  const out = [4, 3, 3];
  for (const storage_order of [0, 1]) {
    const [y, places] = await run('MaxPool', [reals(x)], { ...attributes, storage_order }, { outputs: 2 });
    const want = f64(y.shape);
    const at = f64(y.shape);
    windows(x, [3, 2, 3], [2, 1, 2], [1, 2, 1], [2, 0, 1], out, (o, taps) => {
      const best = taps
        .filter(inside(x))
        .reduce((a, b) => (of(x, [...o.slice(0, 2), ...b]) > of(x, [...o.slice(0, 2), ...a]) ? b : a));
      const k = place(y.shape, o);
      const plane = (o[0] * 2 + o[1]) * 120;
      want.data[k] = of(x, [...o.slice(0, 2), ...best]);
      at.data[k] = plane + (storage_order ? best[0] + 5 * (best[1] + 4 * best[2]) : place([5, 4, 6], best));
    });
    same(y, want, 'MaxPool');
    same(places, at, 'places', 0);
  }
  const [y] = await run('MaxPool', [{ dtype: 'i32', shape: [1, 1, 4], data: [-7, 2 ** 30 + 1, 2 ** 30, -9] }], {
    kernel_shape: [2],
  });
  assert.equal([...y.data], [2 ** 30 + 1, 2 ** 30 + 1, 2 ** 30]);
  const [signal, where] = await run(
    'MaxPool',
    [reals(f64([1, 2, 4], [1, 3, 3, 2, 4, 0, 0, 5]))],
    { kernel_shape: [3], pads: [1, 1] },
    { outputs: 2 },
  );
  assert.equal([...signal.data], [3, 3, 3, 3, 4, 4, 5, 5]);
  assert.equal([...where.data], [1, 1, 1, 2, 4, 4, 7, 7]);
});

test('averages and powers over windows of three axes, and under wide padding', async () => {
  const x = normal([1, 2, 5, 4, 6]);
  const sizes = { kernel: [3, 2, 3], stride: [2, 1, 2], dilation: [1, 2, 1], before: [2, 0, 1] };
  const attributes = {
    kernel_shape: sizes.kernel,
    strides: sizes.stride,
    dilations: sizes.dilation,
    pads: [2, 0, 1, 2, 1, 1],
  };
  for (const count_include_pad of [0, 1]) {
    const [y] = await run('AveragePool', [reals(x)], { ...attributes, count_include_pad });
    const want = f64(y.shape);
    windows(x, sizes.kernel, sizes.stride, sizes.dilation, sizes.before, [4, 3, 3], (o, taps) => {
      const there = taps.filter(inside(x));
      want.data[place(y.shape, o)] =
        there.reduce((s, t) => s + of(x, [...o.slice(0, 2), ...t]), 0) /
        (count_include_pad ? taps.length : there.length);
    });
    same(y, want, `AveragePool ${count_include_pad}`);
  }
  const [p] = await run('LpPool', [reals(x)], { ...attributes, p: 3 });
  const want = f64(p.shape);
  windows(x, sizes.kernel, sizes.stride, sizes.dilation, sizes.before, [4, 3, 3], (o, taps) => {
    want.data[place(p.shape, o)] = Math.cbrt(
      taps.filter(inside(x)).reduce((s, t) => s + Math.abs(of(x, [...o.slice(0, 2), ...t])) ** 3, 0),
    );
  });
  same(p, want, 'LpPool', 1e-4);
  const flat = normal([1, 1, 3, 3]);
  const [wide] = await run('AveragePool', [reals(flat)], {
    kernel_shape: [3, 3],
    pads: [2, 2, 2, 2],
    count_include_pad: 1,
  });
  same(
    wide,
    made([1, 1, 5, 5], ([, , y, z]) => {
      let s = 0;
      each([3, 3], ([i, k]) => {
        if (inside(flat)([y + i - 2, z + k - 2])) s += of(flat, [0, 0, y + i - 2, z + k - 2]);
      });
      return s / 9;
    }),
    'wide padding',
  );
  same(
    (await run('GlobalLpPool', [reals(flat)], { p: 2 }))[0],
    f64([1, 1, 1, 1], [Math.hypot(...flat.data)]),
    'GlobalLpPool',
  );
});

test('patches of three axes with uneven padding are added up', async () => {
  const size = [4, 3, 5];
  const kernel = [2, 2, 3];
  const attributes = { strides: [2, 1, 2], dilations: [1, 2, 1], pads: [1, 0, 2, 0, 1, 1] };
  const places = [2, 2, 3];
  const x = normal([2, 3 * 12, 12]);
  const want = f64([2, 3, ...size]);
  each([2, 3, ...kernel, ...places], ([n, c, k0, k1, k2, o0, o1, o2]) => {
    const at = [o0 * 2 - 1 + k0, o1 + 2 * k1, o2 * 2 - 2 + k2];
    if (at.every((v, i) => v >= 0 && v < size[i]))
      want.data[place(want.shape, [n, c, ...at])] += of(x, [n, (c * 2 + k0) * 6 + k1 * 3 + k2, (o0 * 2 + o1) * 3 + o2]);
  });
  same((await run('Col2Im', [reals(x), list(...size), list(...kernel)], attributes))[0], want, 'Col2Im');
});

test.run();
