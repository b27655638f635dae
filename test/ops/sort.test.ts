// Sorting along an axis, and the first k.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { argsort, sort, topk } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type OpCase } from '../support/op.ts';
import { mapLines } from '../support/reduction.ts';

/** Indices of a sorted line, equal elements in their order. */
const order = (v: number[], descending: boolean): number[] =>
  v.map((_, i) => i).sort((a, b) => (descending ? v[b] - v[a] : v[a] - v[b]) || a - b);

const SHAPES: readonly { shape: Shape; axis: number }[] = [
  { shape: [1], axis: 0 },
  { shape: [0, 3], axis: 1 },
  { shape: [3, 0], axis: 1 },
  { shape: [5, 7], axis: 0 },
  { shape: [3, 64], axis: -1 },
  { shape: [2, 65, 3], axis: 1 },
  { shape: [2, 3, 130, 2, 1], axis: -3 },
  { shape: [2, 4099], axis: 1 },
];

// Whole numbers, with many equal ones: indices are compared too, so the order must be stable.
for (const { shape, axis } of SHAPES) {
  for (const descending of [false, true]) {
    test(`sort [${shape}] along ${axis}${descending ? ' descending' : ''}`, async () => {
      const device = await testDevice();
      const rng = new Rng(3, sizeOf(shape));
      const v = Float32Array.from({ length: sizeOf(shape) }, () => Math.floor(rng.uniform(-9, 9)));
      const line = f64(shape, v);
      const { values, indices } = sort(device.tensor(v, shape), axis, { descending });
      const [a, i] = await device.read([values, indices]);
      assert.equal(
        [...a].map((e) => e + 0),
        [...mapLines(line, axis, (l) => order(l, descending).map((j) => l[j])).data].map((e) => e + 0),
      );
      assert.equal([...i], [...mapLines(line, axis, (l) => order(l, descending)).data]);
      assert.equal(values.shape, shape);
    });
  }
}

const distinct =
  (size: number) =>
  (_: unknown, i: number): number =>
    ((i * 7919 + 13) % Math.max(1, size)) / size - 0.4;

const cases: OpCase[] = [...SHAPES, { shape: [8, 128, 128, 3], axis: -1 }].flatMap(({ shape, axis }) => {
  const inputs = { x: { shape, draw: distinct(sizeOf(shape)) } };
  const n = shape.at(axis)!;
  const k = Math.ceil(n / 3);
  return [
    {
      name: `sort [${shape}] along ${axis}`,
      inputs,
      run: ({ x }) => sort(x, axis).values,
      reference: ({ x }) => mapLines(x, axis, (l) => l.sort((a, b) => a - b)),
    },
    {
      name: `topk ${k} [${shape}] along ${axis}`,
      inputs,
      run: ({ x }) => topk(x, k, axis).values,
      reference: ({ x }) => mapLines(x, axis, (l) => l.sort((a, b) => b - a).slice(0, k)),
    },
    {
      name: `smallest ${k} [${shape}] along ${axis}`,
      inputs,
      run: ({ x }) => topk(x, k, axis, { largest: false }).values,
      reference: ({ x }) => mapLines(x, axis, (l) => l.sort((a, b) => a - b).slice(0, k)),
    },
  ];
});

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), { ...c, h: 1e-7 }));

test('integers, whose bits are not those of floats', async () => {
  const device = await testDevice();
  const i = Int32Array.of(5, -2147483648, 0, -1, 2147483647, 16777217, 16777216);
  const u = Uint32Array.of(4294967295, 0, 2147483648, 3);
  const [a, b] = await device.read([
    sort(device.tensor(i, [7])).values,
    sort(device.tensor(u, [4]), 0, { descending: true }).values,
  ]);
  assert.equal(
    [...a],
    [...i].sort((p, q) => p - q),
  );
  assert.equal([...b], [4294967295, 2147483648, 3, 0]);
});

test('a long line', async () => {
  const device = await testDevice();
  const n = 200003;
  const v = Float32Array.from({ length: n }, (_, i) => ((i * 7919) % n) - n / 2);
  const { values, indices } = sort(device.tensor(v, [n]), 0, { descending: true });
  const [a, b] = await device.read([values, indices]);
  assert.equal(a, Float32Array.from(v).sort().reverse());
  b.forEach((i, j) => assert.ok(v[i] === a[j]));
});

test('zeros are equal, NaN is the largest', async () => {
  const device = await testDevice();
  const x = device.tensor([NaN, 0, -0, -Infinity, 1, Infinity, -0, -1e-30], [8]);
  assert.equal([...(await argsort(x).read())], [3, 7, 1, 2, 6, 4, 5, 0]);
});

test('scalars, and no k', async () => {
  const device = await testDevice();
  const x = device.tensor([4], []);
  x.requiresGrad = true;
  const { values, indices } = topk(x, 1);
  assert.equal([await values.item(), await indices.item(), await grad(values, [x])[0].item()], [4, 0, 1]);
  const none = topk(device.tensor([1, 2], [1, 2]), 0);
  assert.equal(
    [none.values.shape, none.indices.shape],
    [
      [1, 0],
      [1, 0],
    ],
  );
});

test('what cannot be sorted is refused', async () => {
  const device = await testDevice();
  const x = device.empty([2, 3]);
  for (const call of [
    () => sort(x, 2),
    () => topk(x, 4),
    () => topk(x, -1),
    () => topk(x, 1.5),
    () => topk(x, 3, 0),
    () => topk(device.empty([]), 0),
  ]) {
    assert.throws(call, (e: unknown) => e instanceof ShapeError);
  }
});

test.run();
