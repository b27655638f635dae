// ONNX's operators against plain loops and the numbers of the specification, where its own node tests are few.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OnnxError, UnsupportedError } from '../../runtime/errors.ts';
import type { OnnxAttribute, OnnxTensor, OnnxType } from '../../runtime/io/onnx/model.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { each, made, of } from '../support/nd.ts';
import { close, f64, type F64 } from '../support/op.ts';
import { rng, normal, list, reals, run, same } from './onnxCases.ts';

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
