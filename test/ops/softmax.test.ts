// Softmax and its logarithm along an axis.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { logSoftmax, mul, softmax, square, sum } from '../../runtime/ops/index.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';
import { checkCase, close, type OpCase } from '../support/op.ts';
import { mapLines } from '../support/reduction.ts';

function reference(line: number[], scale: number, log: boolean): number[] {
  const z = line.map((v) => scale * v);
  const top = Math.max(...z);
  const sum = z.reduce((s, v) => s + Math.exp(v - top), 0);
  return z.map((v) => (log ? v - top - Math.log(sum) : Math.exp(v - top) / sum));
}

const SHAPES: readonly (readonly [shape: readonly number[], axis: number])[] = [
  [[5], -1],
  [[3, 1], -1],
  [[2, 9, 11, 21], -1],
  [[40, 257], -1],
  [[8, 128, 128, 3], -1],
  [[5, 7], 0],
  [[2, 3, 4, 5, 3], 2],
  [[2, 21, 9, 11], -3],
  [[0, 3], 1],
  [[3, 0], 1],
  [[3, 1029], -1],
  [[2, 2049, 3], 1], // a workgroup for each line
];

const cases: OpCase[] = SHAPES.flatMap(([shape, axis]) =>
  [false, true].map((log): OpCase => ({
    name: `${log ? 'logSoftmax' : 'softmax'} [${shape}] along ${axis} scale 0.7`,
    inputs: { x: { shape, draw: (rng) => 3 * rng.normal() } },
    run: ({ x }) => (log ? logSoftmax : softmax)(x, axis, { scale: 0.7 }),
    reference: ({ x }) => mapLines(x, axis, (l) => reference(l, 0.7, log)),
  })),
);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('huge scores neither overflow nor lose the small differences between them', async () => {
  const device = await testDevice();
  const x = device.tensor(Float32Array.of(1e4, 1e4 - 1, -1e4, 3e38, 3e38, -3e38), [2, 3]);
  const [y, l] = await device.read([softmax(x), logSoftmax(x)]);
  [0.731058579, 0.268941421, 0, 0.5, 0.5, 0].forEach((v, i) => assert.ok(Math.abs(y[i] - v) < 1e-5, `${i}: ${y[i]}`));
  [-0.313261688, -1.313261688].forEach((v, i) => assert.ok(Math.abs(l[i] - v) < 1e-5, `${i}: ${l[i]}`));
});

test('the same, where a workgroup has the line', async () => {
  const device = await testDevice();
  const v = Float32Array.from({ length: 2000 }, (_, i) => (i < 1000 ? 3e38 : i === 1999 ? -Infinity : -3e38));
  const [y, l] = await device.read([softmax(device.tensor(v, [2000])), logSoftmax(device.tensor(v, [2000]))]);
  v.forEach((_, i) => assert.ok(Math.abs(y[i] - (i < 1000 ? 1e-3 : 0)) < 1e-8, `${i}: ${y[i]}`));
  assert.ok(Math.abs(l[0] + Math.log(1000)) < 1e-5);
});

test('the second argument is the axis, as in PyTorch, tfjs and jax; the scale is an option', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 5, 8, 13], [2, 3]);
  const columns = [
    [1, 5],
    [2, 8],
    [3, 13],
  ].map((l) => reference(l, 1, false));
  const rows = [
    [1, 2, 3],
    [5, 8, 13],
  ];
  close(
    await softmax(x, -1).read(),
    rows.flatMap((l) => reference(l, 1, false)),
    1e-6,
    'last axis',
  );
  close(
    await softmax(x, 1).read(),
    rows.flatMap((l) => reference(l, 1, false)),
    1e-6,
    'axis 1',
  );
  close(
    await softmax(x, 0).read(),
    [0, 1].flatMap((r) => columns.map((c) => c[r])),
    1e-6,
    'axis 0',
  );
  close(
    await softmax(x, -2).read(),
    [0, 1].flatMap((r) => columns.map((c) => c[r])),
    1e-6,
    'axis -2',
  );
  close(
    await softmax(x, undefined, { scale: 0.1 }).read(),
    rows.flatMap((l) => reference(l, 0.1, false)),
    1e-6,
    'scale',
  );
  close(
    await logSoftmax(x, 1).read(),
    rows.flatMap((l) => reference(l, 1, true)),
    1e-6,
    'logSoftmax',
  );
  assert.throws(() => softmax(x, 1 / Math.sqrt(2)), /no axis 0\.707/);
});

test('second derivatives along any axis', async () => {
  const device = await testDevice();
  const shape = [2, 3, 4];
  const n = 24;
  const values = Float64Array.from({ length: n }, (_, i) => Math.sin(1 + 3 * i));
  const weights = (k: number): number[] => Array.from({ length: n }, (_, i) => Math.cos(k + 2 * i));
  for (const axis of [0, 1, -1]) {
    for (const log of [false, true]) {
      const x = device.tensor(Array.from(values), shape);
      x.requiresGrad = true;
      const f = log ? logSoftmax : softmax;
      const loss = sum(mul(square(f(x, axis, { scale: 0.7 })), device.tensor(weights(1), shape)));
      const [dx] = grad(loss, [x], { createGraph: true });
      const [ddx] = grad(sum(mul(dx, device.tensor(weights(2), shape))), [x]);
      // The gradient in float64, and its central difference along the direction of the weights.
      const gradient = (at: Float64Array): Float64Array => {
        const y = mapLines({ shape, data: at }, axis, (l) => reference(l, 0.7, log)).data;
        const dy = y.map((v, i) => 2 * v * weights(1)[i]);
        const terms = { shape, data: log ? dy : dy.map((v, i) => v * y[i]) };
        const total = mapLines(terms, axis, (l) => l.map(() => l.reduce((p, q) => p + q, 0))).data;
        return y.map((v, i) => 0.7 * (log ? dy[i] - Math.exp(v) * total[i] : v * (dy[i] - total[i])));
      };
      close(await dx.read(), gradient(values), 1e-5, `dx along ${axis}`);
      const h = 1e-5;
      const moved = (by: number): Float64Array => gradient(values.map((v, i) => v + by * weights(2)[i]));
      // The Hessian is symmetric: H v is the derivative of the gradient along v.
      const [up, down] = [moved(h), moved(-h)];
      close(
        await ddx.read(),
        up.map((v, i) => (v - down[i]) / (2 * h)),
        1e-4,
        `ddx along ${axis}`,
      );
    }
  }
});

test('scalars, and axes that are not there', async () => {
  const device = await testDevice();
  assert.is(await softmax(device.tensor([7], [])).item(), 1);
  assert.throws(() => softmax(device.empty([2, 3]), 2), /no axis 2/);
});

test('a NaN makes its line NaN, and no other; -Infinity is a score that is ruled out', async () => {
  for (const device of [await testDevice(), await gpuVariants(), await softwareVariants()]) {
    for (const [rows, c] of [
      [3, 4],
      [3, 2000],
      [2000, 3],
    ]) {
      const data = new Float32Array(rows * c).fill(1);
      const bad = rows - 2;
      data[bad * c + c - 1] = NaN;
      data[0] = -Infinity;
      const x = device.tensor(data, [rows, c]);
      for (const f of [softmax, logSoftmax]) {
        const y = await f(x).read();
        assert.ok(
          y.every((v, i) => Number.isNaN(v) === (Math.floor(i / c) === bad)),
          `${f.name} of [${rows}, ${c}]`,
        );
        assert.is(y[0], f === softmax ? 0 : -Infinity);
      }
    }
  }
});

test.run();
