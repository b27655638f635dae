// Where the largest and smallest elements are.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { argmax, argmin, maxDim, minDim } from '../../runtime/ops/index.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type OpCase } from '../support/op.ts';
import { mapLines } from '../support/reduction.ts';

const SHAPES: readonly { shape: Shape; axis: number }[] = [
  { shape: [1], axis: 0 },
  { shape: [0, 3], axis: 1 },
  { shape: [5, 7], axis: 0 },
  { shape: [3, 64], axis: -1 },
  { shape: [2, 67, 3], axis: 1 },
  { shape: [2, 3, 5, 2, 1], axis: -3 },
  { shape: [2, 700, 2], axis: 1 },
  { shape: [8, 128, 128, 3], axis: -1 },
  { shape: [2, 70001], axis: 1 },
];

const first = (l: number[], smallest: boolean): number =>
  l.reduce((best, v, i) => ((smallest ? v < l[best] : v > l[best]) ? i : best), 0);

const cases: OpCase[] = SHAPES.flatMap(({ shape, axis }) => {
  const size = sizeOf(shape);
  const inputs = { x: { shape, draw: (_: unknown, i: number) => ((i * 7919 + 13) % Math.max(1, size)) / size } };
  return [
    {
      name: `maxDim [${shape}] along ${axis}`,
      inputs,
      run: ({ x }) => maxDim(x, axis, { keepdim: true }).values,
      reference: ({ x }) => mapLines(x, axis, (l) => [l[first(l, false)]]),
    },
    {
      name: `minDim [${shape}] along ${axis}`,
      inputs,
      run: ({ x }) => minDim(x, axis, { keepdim: true }).values,
      reference: ({ x }) => mapLines(x, axis, (l) => [l[first(l, true)]]),
    },
  ];
});

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), { ...c, h: 1e-8 }));

for (const { shape, axis } of SHAPES) {
  test(`argmax and argmin [${shape}] along ${axis}, with equal elements`, async () => {
    const device = await testDevice();
    const v = Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 7919) % 11) - 5);
    const x = device.tensor(v, shape);
    const [high, low] = [argmax(x, axis, { keepdim: true }), argmin(x, axis)];
    const [a, b] = await device.read([high, low]);
    assert.equal([...a], [...mapLines(f64(shape, v), axis, (l) => [first(l, false)]).data]);
    assert.equal([...b], [...mapLines(f64(shape, v), axis, (l) => [first(l, true)]).data]);
    assert.equal(
      low.shape,
      shape.filter((_, i) => i !== (axis + shape.length) % shape.length),
    );
  });
}

test('over all elements', async () => {
  const device = await testDevice();
  const v = new Float32Array(3 * 100003);
  v[200005] = v[200006] = 1;
  v[7] = -1;
  const x = device.tensor(v, [3, 100003]);
  const all = argmax(x, undefined, { keepdim: true });
  assert.equal(all.shape, [1, 1]);
  assert.equal([await all.item(), await argmin(x).item(), await argmax(device.tensor([5], [])).item()], [200005, 7, 0]);
});

test('integers, and NaN', async () => {
  const device = await testDevice();
  const [a, b, c, d] = await device.read([
    maxDim(device.tensor(Int32Array.of(-5, -2147483648, 16777217, 16777216), [4]), 0).values,
    argmin(device.tensor(Int32Array.of(-5, -2147483648, 7), [3])),
    argmax(device.tensor(Uint32Array.of(1, 4294967295, 2147483647), [3])),
    argmax(device.tensor([1, NaN, Infinity], [3])),
  ]);
  assert.equal([[...a], [...b], [...c], [...d]], [[16777217], [1], [1], [1]]);
});

test('the first of equal elements gets the gradient', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 5, 5, 2, 2, 9], [2, 3]);
  x.requiresGrad = true;
  assert.equal(
    [...(await grad(maxDim(x, 1).values, [x], { dy: device.tensor([6, 4], [2]) })[0].read())],
    [0, 6, 0, 0, 0, 4],
  );
});

test('what has no largest element is refused', async () => {
  const device = await testDevice();
  for (const call of [
    () => argmax(device.empty([2, 0]), 1),
    () => argmax(device.empty([0])),
    () => maxDim(device.empty([2]), 1),
  ]) {
    assert.throws(call, (e: unknown) => e instanceof ShapeError);
  }
  assert.equal(argmax(device.empty([2, 0]), 0).shape, [0]);
});

test.run();
