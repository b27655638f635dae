// ONNX's operators against plain loops and the numbers of the specification, where its own node tests are few.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FewmaskError, OnnxError, UnsupportedError } from '../../runtime/errors.ts';
import { OnnxGraph } from '../../runtime/io/onnx/graph.ts';
import type { OnnxAttribute, OnnxTensor, OnnxType } from '../../runtime/io/onnx/model.ts';
import { upload } from '../../runtime/io/onnx/operator.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { each, made, of, place } from '../support/nd.ts';
import { close, f64, type F64 } from '../support/op.ts';

const rng = new Rng(41, 2);
const normal = (shape: Shape): F64 =>
  f64(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => rng.normal()),
  );
const list = (...data: number[]): OnnxTensor => ({ dtype: 'i64', shape: [data.length], data });
const reals = (x: F64): OnnxTensor => ({ dtype: 'f32', shape: x.shape, data: [...x.data] });

/** The outputs of one node. */
async function run(
  op: string,
  inputs: readonly (OnnxTensor | null)[],
  attributes: Record<string, OnnxAttribute> = {},
  { opset = 22, outputs = 1 } = {},
): Promise<F64[]> {
  const device = await testDevice();
  const names = inputs.map((t, i) => (t ? `x${i}` : ''));
  const made = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const given = inputs.flatMap((t, i) => (t ? [{ name: `x${i}`, dtype: t.dtype, t }] : []));
  const graph = new OnnxGraph(device, {
    opset,
    nodes: [{ op, inputs: names, outputs: made, attributes }],
    inputs: given,
    outputs: made.map((name) => ({ name })),
    initializers: new Map(),
  });
  const y = await graph.run(Object.fromEntries(given.map(({ name, t }) => [name, upload(device, t).tensor])));
  return Promise.all(made.map(async (name) => f64(y[name].shape, await y[name].read())));
}

function same(got: F64, want: F64, what: string, tolerance = 1e-5): void {
  assert.equal([...got.shape], [...want.shape], what);
  close(got.data, want.data, tolerance, what);
}

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

test('the specification of MaxUnpool, Resize by cubic convolution, Upsample and Hardmax', async () => {
  const [y] = await run(
    'MaxUnpool',
    [
      reals(f64([1, 1, 2, 2], [5, 6, 7, 8])),
      { dtype: 'i64', shape: [1, 1, 2, 2], data: [5, 7, 13, 15] },
      list(1, 1, 5, 5),
    ],
    { kernel_shape: [2, 2], strides: [2, 2] },
  );
  assert.equal([...y.data], [0, 0, 0, 0, 0, 0, 5, 0, 6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 8, 0, 0, 0, 0, 0, 0]);
  const x = reals(
    f64(
      [1, 1, 4, 4],
      Array.from({ length: 16 }, (_, i) => i + 1),
    ),
  );
  const scales = (s: number): OnnxTensor => ({ dtype: 'f32', shape: [4], data: [1, 1, s, s] });
  const firstRow = async (s: number, attributes: Record<string, OnnxAttribute>): Promise<number[]> => {
    const [z] = await run('Resize', [x, null, scales(s)], { mode: 'cubic', ...attributes });
    return [...z.data.slice(0, z.shape[3])];
  };
  close(
    await firstRow(2, {}),
    [0.47265625, 0.76953125, 1.24609375, 1.875, 2.28125, 2.91015625, 3.38671875, 3.68359375],
    1e-6,
    'cubic',
  );
  close(
    await firstRow(2, { cubic_coeff_a: -0.5, exclude_outside: 1 }),
    [0.55882353, 0.81494204, 1.35698249, 1.89705882, 2.39705882, 2.93713516, 3.47917561, 3.73529412],
    1e-6,
    'cubic without what is outside',
  );
  close(await firstRow(0.8, {}), [1.47119141, 2.78125, 4.08251953], 1e-6, 'cubic down');
  const [up] = await run(
    'Upsample',
    [reals(f64([1, 1, 2, 2], [1, 2, 3, 4])), { dtype: 'f32', shape: [4], data: [1, 1, 2, 3] }],
    { mode: 'nearest' },
    { opset: 9 },
  );
  assert.equal([...up.data], [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4]);
  assert.equal(
    [...(await run('Hardmax', [reals(f64([2, 4], [3, 0, 1, 2, 0, 3, 3, 1]))]))[0].data],
    [1, 0, 0, 0, 0, 1, 0, 0],
  );
  assert.equal(
    [...(await run('Hardmax', [reals(f64([2, 2, 2], [3, 0, 1, 2, 0, 3, 4, 1]))], {}, { opset: 11 }))[0].data],
    [1, 0, 0, 0, 0, 0, 1, 0],
  );
});

test('local response normalisation', async () => {
  const x = normal([2, 5, 3, 2]);
  const [y] = await run('LRN', [reals(x)], { alpha: 0.5, beta: 0.6, bias: 2, size: 4 });
  same(
    y,
    made(x.shape, ([n, c, h, w]) => {
      let s = 0;
      for (let k = Math.max(0, c - 1); k <= Math.min(4, c + 2); k++) s += of(x, [n, k, h, w]) ** 2;
      return of(x, [n, c, h, w]) / (2 + (0.5 / 4) * s) ** 0.6;
    }),
    'LRN',
  );
});

/** Pixel i of an axis under a rule; null for none. */
function beyond(i: number, size: number, padding: string, align: boolean): number | null {
  if (padding === 'zeros') return i >= 0 && i < size ? i : null;
  if (padding === 'border') return Math.min(Math.max(i, 0), size - 1);
  if (size === 1) return 0;
  const period = align ? 2 * (size - 1) : 2 * size;
  const m = ((i % period) + period) % period;
  return m < size ? m : align ? period - m : period - 1 - m;
}

test('sampling by cubic convolution, and in volumes', async () => {
  const cubic = (d: number): number =>
    d <= 1 ? (1.25 * d - 2.25) * d * d + 1 : d < 2 ? ((-0.75 * d + 3.75) * d - 6) * d + 3 : 0;
  for (const mode of ['linear', 'cubic', 'nearest'])
    for (const padding_mode of ['zeros', 'border', 'reflection'])
      for (const align_corners of [0, 1])
        for (const size of [
          [3, 4],
          [2, 3, 4],
        ]) {
          const align = align_corners === 1;
          const axes = size.length;
          const x = normal([2, 2, ...size]);
          const grid = f64(
            [2, ...size.map(() => 3), axes],
            Float32Array.from({ length: 2 * 3 ** axes * axes }, () => 2.6 * rng.uniform() - 1.3),
          );
          const [y] = await run('GridSample', [reals(x), reals(grid)], { mode, padding_mode, align_corners });
          const want = made([2, 2, ...size.map(() => 3)], ([n, c, ...o]) => {
            let parts: { at: number[]; w: number }[] = [{ at: [], w: 1 }];
            size.forEach((d, a) => {
              const g = of(grid, [n, ...o, axes - 1 - a]);
              let s = align ? ((g + 1) / 2) * (d - 1) : ((g + 1) * d - 1) / 2;
              const [low, high] = align ? [0, d - 1] : [-0.5, d - 0.5];
              if (padding_mode === 'border') s = Math.min(Math.max(s, 0), d - 1);
              if (padding_mode === 'reflection') {
                while (s < low || s > high) s = s < low ? 2 * low - s : 2 * high - s;
              }
              const base = Math.floor(s);
              const taps =
                mode === 'nearest'
                  ? [[Math.round(s), 1]]
                  : mode === 'linear'
                    ? [
                        [base, base + 1 - s],
                        [base + 1, s - base],
                      ]
                    : [-1, 0, 1, 2].map((k) => [base + k, cubic(Math.abs(s - base - k))]);
              parts = parts.flatMap((p) =>
                taps.flatMap(([i, w]) => {
                  const k = beyond(i, d, padding_mode, align);
                  return k === null ? [] : [{ at: [...p.at, k], w: p.w * w }];
                }),
              );
            });
            return parts.reduce((s, p) => s + p.w * of(x, [n, c, ...p.at]), 0);
          });
          same(y, want, `GridSample ${mode} ${padding_mode} ${align_corners} over ${axes} axes`, 2e-5);
        }
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

test('indices with batches, products at indices, training-mode dropout, casts to f16', async () => {
  const x = normal([2, 3, 4, 2]);
  const at = { dtype: 'i64' as const, shape: [2, 5, 1], data: [0, 2, -1, 1, 0, 1, 1, 2, 0, -3] };
  const [y] = await run('GatherND', [reals(x), at], { batch_dims: 1 });
  same(
    y,
    made([2, 5, 4, 2], ([b, i, ...rest]) => of(x, [b, (at.data[b * 5 + i] + 3) % 3, ...rest])),
    'GatherND',
  );
  const [p] = await run(
    'ScatterND',
    [reals(f64([3], [2, 3, 4])), { dtype: 'i64', shape: [3, 1], data: [1, 1, 0] }, reals(f64([3], [5, 7, 10]))],
    { reduction: 'mul' },
  );
  assert.equal([...p.data], [20, 105, 4]);
  const ones = f64([1000], Array<number>(1000).fill(1));
  const truth: OnnxTensor = { dtype: 'bool', shape: [], data: [1] };
  const ratio: OnnxTensor = { dtype: 'f32', shape: [], data: [0.75] };
  const [d, mask] = await run('Dropout', [reals(ones), ratio, truth], { seed: 3 }, { outputs: 2 });
  assert.ok(d.data.every((v, i) => v === 4 * mask.data[i]));
  const kept = mask.data.reduce((a, b) => a + b, 0);
  assert.ok(kept > 180 && kept < 320, String(kept));
  assert.equal(
    [...(await run('Cast', [reals(f64([3], [0.1, 1e-9, 1e9]))], { to: 10 }))[0].data],
    [0.0999755859375, 0, Infinity],
  );
  same(
    (await run('Einsum', [reals(x), reals(x)], { equation: 'abcd,abcd->ba' }))[0],
    made([3, 2], ([b, a]) => {
      let s = 0;
      each([4, 2], (r) => (s += of(x, [a, b, ...r]) ** 2));
      return s;
    }),
    'Einsum',
  );
});

test('attention: heads, grouped queries, earlier steps, masks', async () => {
  const ints = (shape: Shape, f: (i: number) => number, dtype: OnnxType): OnnxTensor => ({
    dtype,
    shape,
    data: Array.from({ length: sizeOf(shape) }, (_, i) => f(i)),
  });
  const q = normal([2, 4, 3, 5]);
  const k = normal([2, 2, 4, 5]);
  const v = normal([2, 2, 4, 6]);
  const pk = normal([2, 2, 2, 5]);
  const pv = normal([2, 2, 2, 6]);
  const bias = normal([1, 4, 3, 4]);
  const truth = ints([3, 4], (i) => Number(i % 3 !== 1), 'bool');
  const lengths = ints([2], (i) => 3 + i, 'i64');
  const plain = (
    past: boolean,
    cap: number,
    scale: number,
    seen: (b: number, i: number, j: number) => boolean,
    added: (h: number, i: number, j: number) => number,
  ): F64 =>
    made([2, 4, 3, 6], ([b, h, i, e]) => {
      const before = past ? 2 : 0;
      const key = (j: number, d: number): number =>
        j < before ? of(pk, [b, h >> 1, j, d]) : of(k, [b, h >> 1, j - before, d]);
      let total = 0;
      let sum = 0;
      for (let j = 0; j < 4 + before; j++) {
        if (!seen(b, i, j)) continue;
        let s = 0;
        for (let d = 0; d < 5; d++) s += of(q, [b, h, i, d]) * key(j, d) * scale;
        const w = Math.exp((cap ? cap * Math.tanh(s / cap) : s) + added(h, i, j));
        total += w;
        sum += w * (j < before ? of(pv, [b, h >> 1, j, e]) : of(v, [b, h >> 1, j - before, e]));
      }
      return sum / total;
    });
  const all = (): boolean => true;
  const none = (): number => 0;
  const root = 1 / Math.sqrt(5);
  const given = [reals(q), reals(k), reals(v)];
  same((await run('Attention', given))[0], plain(false, 0, root, all, none), 'plain');
  same(
    (await run('Attention', [...given, reals(bias)], { softcap: 2, scale: 0.3 }))[0],
    plain(false, 2, 0.3, all, (h, i, j) => of(bias, [0, h, i, j])),
    'softcap and bias',
  );
  same(
    (await run('Attention', [...given, truth], { is_causal: 1 }))[0],
    plain(false, 0, root, (_, i, j) => j <= i && (i * 4 + j) % 3 !== 1, none),
    'causal and a mask',
  );
  const past = await run('Attention', [...given, null, reals(pk), reals(pv)], { is_causal: 1 }, { outputs: 4 });
  same(
    past[0],
    plain(true, 0, root, (_, i, j) => j <= i + 2, none),
    'earlier steps',
  );
  assert.equal([past[1].shape, past[2].shape, past[3].shape].map(String), ['2,2,6,5', '2,2,6,6', '2,4,3,6']);
  same(
    (await run('Attention', [...given, null, null, null, lengths], { is_causal: 1 }))[0],
    plain(false, 0, root, (b, i, j) => j <= i + b && j < 3 + b, none),
    'lengths',
  );
  const flat = (x: F64): OnnxTensor =>
    reals(
      made([x.shape[0], x.shape[2], x.shape[1] * x.shape[3]], ([b, t, c]) =>
        of(x, [b, Math.floor(c / x.shape[3]), t, c % x.shape[3]]),
      ),
    );
  const [y] = await run('Attention', [flat(q), flat(k), flat(v)], { q_num_heads: 4, kv_num_heads: 2 });
  same(y, f64([2, 3, 24], flat(plain(false, 0, root, all, none)).data), 'three axes');
});

test('windows that make no sense are refused before the device is busy', async () => {
  const x = reals(normal([1, 1, 3, 3]));
  const refused = async (
    op: string,
    attributes: Record<string, OnnxAttribute>,
    kind: new (...a: never[]) => Error,
  ): Promise<void> => {
    let error: unknown;
    await run(op, [x], attributes).catch((e) => (error = e));
    assert.ok(error instanceof kind, `${op} ${JSON.stringify(attributes)}: ${String(error)}`);
  };
  await refused(
    'MaxPool',
    { kernel_shape: [2 ** 30, 2 ** 30], pads: [2 ** 29, 2 ** 29, 2 ** 29, 2 ** 29] },
    UnsupportedError,
  );
  await refused('AveragePool', { kernel_shape: [2, 2], strides: [0, 1] }, OnnxError);
  await refused('LpPool', { kernel_shape: [2, 2], dilations: [-1, 1] }, OnnxError);
  await refused('MaxPool', { kernel_shape: [2, 2, 2] }, OnnxError);
  await refused('LRN', { size: 2 ** 31 }, OnnxError);
});

test.run();
