// Sums, products and extremes over any axes.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { errorText, ShapeError } from '../../runtime/errors.ts';
import { all, amax, amin, any, logsumexp, mean, mul, norm, prod, std, sum, variance } from '../../runtime/ops/index.ts';
import { sizeOf, type Tensor } from '../../runtime/tensor.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';
import { checkCase, close, type OpCase } from '../support/op.ts';
import { grouped, named, reduceBy, REDUCTIONS } from '../support/reduction.ts';

const add = (v: number[]): number => v.reduce((a, b) => a + b, 0);
const times = (v: number[]): number => v.reduce((a, b) => a * b, 1);
const largest = (v: number[]): number => v.reduce((a, b) => Math.max(a, b), -Infinity);

const cases: OpCase[] = REDUCTIONS.flatMap((c) => {
  const { shape, axes, keepdim = false } = c;
  const o = { keepdim };
  // Sums that cancel have no relative accuracy.
  const positive = { x: { shape, draw: (rng: { uniform(a: number, b: number): number }) => rng.uniform(0.5, 1.5) } };
  const made: OpCase[] = [
    {
      name: named('sum', c),
      inputs: positive,
      run: ({ x }) => sum(x, axes, o),
      reference: ({ x }) => reduceBy(x, axes, keepdim, add),
    },
    {
      name: named('mean', c),
      inputs: positive,
      run: ({ x }) => mean(x, axes, o),
      reference: ({ x }) => reduceBy(x, axes, keepdim, (v) => add(v) / v.length),
    },
  ];
  // Distinct values: a largest element that another one comes near has no finite difference.
  const size = sizeOf(shape);
  const distinct = { x: { shape, draw: (_: unknown, i: number) => ((i * 7919 + 13) % size) / size } };
  if (size <= 2000) {
    made.push({
      name: named('amax', c),
      inputs: distinct,
      run: ({ x }) => amax(x, axes, o),
      reference: ({ x }) => reduceBy(x, axes, keepdim, largest),
    });
    made.push({
      name: named('amin', c),
      inputs: distinct,
      run: ({ x }) => amin(x, axes, o),
      reference: ({ x }) => reduceBy(x, axes, keepdim, (v) => -largest(v.map((e) => -e))),
    });
    made.push({
      name: named('prod', c),
      inputs: positive,
      run: ({ x }) => prod(x, axes, o),
      reference: ({ x }) => reduceBy(x, axes, keepdim, times),
      tolerance: 1e-4,
    });
  }
  return made;
});

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('the product has its gradient where factors are 0', async () => {
  const device = await testDevice();
  const x = device.tensor([2, 3, 4, 0, 3, 4, 0, 0, 4], [3, 3]);
  x.requiresGrad = true;
  close(
    await grad(prod(x, 1), [x], { dy: device.tensor([1, 1, 1], [3]) })[0].read(),
    [12, 8, 6, 12, 0, 0, 0, 0, 0],
    1e-6,
    'dx',
  );
});

test('equal extremes share the gradient evenly', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 5, 5, 2, 2, 9], [2, 3]);
  x.requiresGrad = true;
  const dy = device.tensor([6, 4], [2]);
  assert.equal([...(await grad(amax(x, 1), [x], { dy })[0].read())], [0, 3, 3, 0, 0, 4]);
  assert.equal([...(await grad(amin(x, 1), [x], { dy })[0].read())], [6, 0, 0, 2, 2, 0]);
});

test('sums and means have second derivatives', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  x.requiresGrad = true;
  const s = mean(x, 1);
  const [dx] = grad(mul(s, s), [x], { dy: device.tensor([1, 1], [2]), createGraph: true });
  const [ddx] = grad(dx, [x], { dy: device.tensor([1, 0, 0, 0, 2, 0], [2, 3]) });
  close(await ddx.read(), [2 / 9, 2 / 9, 2 / 9, 4 / 9, 4 / 9, 4 / 9], 1e-6, 'ddx');
});

test('integers are exact', async () => {
  const device = await testDevice();
  const v = Int32Array.from({ length: 3 * 5000 }, (_, i) => ((i * 7919) % 10007) - 5000);
  const x = device.tensor(v, [3, 5000]);
  const rows = [0, 1, 2].map((r) => [...v.subarray(r * 5000, (r + 1) * 5000)]);
  const [s, hi, lo] = await device.read([sum(x, 1), amax(x, 1), amin(x, 1)]);
  assert.equal([...s], rows.map(add));
  assert.equal([...hi], rows.map(largest));
  assert.equal(
    [...lo],
    rows.map((r) => Math.min(...r)),
  );
  const u = device.tensor(Uint32Array.of(4000000000, 2, 65536, 65537), [2, 2]);
  const [us, up, um] = await device.read([sum(u, 1), prod(u, 0), amax(u)]);
  assert.equal([...us], [4000000002, 131073]);
  assert.equal([...up], [Number((4000000000n * 65536n) % 2n ** 32n), 131074]);
  assert.equal([...um], [4000000000]);
});

test('more rows than one dimension of the grid holds, and rows that take three passes', async () => {
  const device = await testDevice();
  const v = Int32Array.from({ length: 70001 * 64 }, (_, i) => i % 1001);
  const x = device.tensor(v, [70001, 64]);
  const y = await sum(x, 1).read();
  for (const r of [0, 1, 32767, 32768, 65536, 70000]) assert.is(y[r], add([...v.subarray(64 * r, 64 * r + 64)]));
  const total = v.reduce((s, e) => (s + e) | 0, 0);
  assert.equal(await Promise.all([sum(x).item(), sum(sum(x, 0)).item(), amax(x).item()]), [total, total, 1000]);
});

test('any and all', async () => {
  const device = await testDevice();
  const x = device.tensor([0, 0, 0, 0, -0.5, 0, 1, 2, 3], [3, 3]);
  const i = device.tensor(Int32Array.of(0, -7, 3, 4), [2, 2]);
  const [a, b, c, d] = await device.read([any(x, 1), all(x, 1), all(i, -1, { keepdim: true }), any(i)]);
  assert.equal([[...a], [...b], [...c], [...d]], [[0, 1, 1], [0, 0, 1], [0, 1], [1]]);
  assert.is(any(x).dtype, 'i32');
  const long = new Float32Array(100001);
  long[99999] = 1e-20;
  assert.is(await any(device.tensor(long, [100001])).item(), 1);
});

test('no elements: 0, 1, NaN, false, true, an error', async () => {
  const device = await testDevice();
  const x = device.empty([2, 0, 3]);
  x.requiresGrad = true;
  const results = await device.read([sum(x, 1), prod(x, 1), mean(x, 1), any(x, 1), all(x, 1), sum(x, 0)]);
  assert.equal(
    results.map((r) => [...r]),
    [Array(6).fill(0), Array(6).fill(1), Array(6).fill(NaN), Array(6).fill(0), Array(6).fill(1), []],
  );
  assert.equal(grad(sum(x), [x])[0].shape, [2, 0, 3]);
  assert.throws(
    () => amax(x, 1),
    (e: unknown) => e instanceof ShapeError && /no elements/.test(errorText(e)),
  );
  assert.equal(amax(x, 2).shape, [2, 0]);
});

test('what cannot be reduced is refused', async () => {
  const device = await testDevice();
  const x = device.empty([2, 3]);
  for (const call of [
    () => sum(x, 2),
    () => amax(x, [0, -2]),
    () => mean(device.empty([2], 'i32')),
    () => any(x, 0.5),
  ]) {
    assert.throws(call, (e: unknown) => e instanceof ShapeError);
  }
});

test('the reference groups as it should', () => {
  assert.equal([...grouped([2, 3, 2], [0, 2]).of], [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
});

test('NaN comes out of every reduction that it went into, long or short, along rows and columns; its neighbours stay', async () => {
  for (const device of [await testDevice(), await gpuVariants(), await softwareVariants()]) {
    for (const [rows, columns, axis] of [
      [3, 5, 1],
      [3, 5000, 1],
      [5000, 3, 0],
      [5, 3, 0],
      [70000, 2, 0],
    ]) {
      const kept = axis === 1 ? rows : columns;
      const data = new Float32Array(rows * columns).fill(1);
      const at = axis === 1 ? columns + columns - 2 : (rows - 2) * columns + 1;
      data[at] = NaN;
      const x = device.tensor(data, [rows, columns]);
      x.requiresGrad = true;
      const want = (other: number, nan = NaN): number[] =>
        Array.from({ length: kept }, (_, i) => (i === 1 ? nan : other));
      const n = (rows * columns) / kept;
      const made: [string, Tensor, number[]][] = [
        ['amax', amax(x, axis), want(1)],
        ['amin', amin(x, axis), want(1)],
        ['sum', sum(x, axis), want(n)],
        ['mean', mean(x, axis), want(1)],
        ['prod', prod(x, axis), want(1)],
        ['any', any(x, axis), want(1, 1)],
        ['all', all(x, axis), want(1, 1)],
        ['infinity norm', norm(x, Infinity, axis), want(1)],
        ['-infinity norm', norm(x, -Infinity, axis), want(1)],
        ['1-norm', norm(x, 1, axis), want(n)],
        ['0-norm', norm(x, 0, axis), want(n, n)],
        ['variance', variance(x, axis), want(0)],
        ['std', std(x, axis), want(0)],
        ['logsumexp', logsumexp(x, axis), want(Math.fround(1 + Math.log(n)))],
      ];
      for (const [name, y, expected] of made) {
        const got = [...(await y.read())];
        const right = got.every(
          (v, i) => Object.is(v, expected[i]) || Math.abs(v - expected[i]) <= 1e-4 * Math.abs(expected[i]),
        );
        assert.ok(right, `${name} of [${rows}, ${columns}]: ${got}`);
      }
      const [dx] = grad(sum(amax(x, axis)), [x]);
      const g = await dx.read();
      assert.ok(Number.isNaN(g[at]) && Math.abs(g[axis === 1 ? 0 : columns - columns] - 1 / n) < 1e-6);
    }
  }
});

test('any of a single NaN is true, of zeros false; the logarithm of a sum of infinities', async () => {
  const device = await testDevice();
  assert.is(await any(device.tensor([0, NaN, 0], [3])).item(), 1);
  assert.is(await all(device.tensor([1, NaN], [2])).item(), 1);
  assert.is(await any(device.tensor([0, -0], [2])).item(), 0);
  for (const [row, y] of [
    [[-Infinity, -Infinity], -Infinity],
    [[Infinity, 1], Infinity],
    [[-Infinity, 0], 0],
    [[Infinity, NaN], NaN],
  ] as const) {
    assert.equal(await logsumexp(device.tensor([...row], [2])).item(), y);
  }
});

test('a product with a NaN: gradients by the other factors', async () => {
  const device = await testDevice();
  const x = device.tensor([NaN, 0, 2, 0, 3, 2], [2, 3]);
  x.requiresGrad = true;
  const [dx] = grad(sum(prod(x, 1)), [x]);
  assert.equal([...(await dx.read())].slice(1), [NaN, NaN, 6, 0, 0]);
});

test.run();
