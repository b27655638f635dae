// Elementwise functions of two tensors.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, mul } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';

const cases: OpCase[] = [[1], [7], [3, 5, 2], [2, 33, 40, 5]].flatMap((shape) => [
  { name: `add [${shape}]`, inputs: { a: { shape }, b: { shape } }, run: ({ a, b }) => add(a, b), reference: ({ a, b }) => ({ shape, data: a.data.map((v, i) => v + b.data[i]) }) },
  { name: `mul [${shape}]`, inputs: { a: { shape }, b: { shape } }, run: ({ a, b }) => mul(a, b), reference: ({ a, b }) => ({ shape, data: a.data.map((v, i) => v * b.data[i]) }) },
]);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('different sizes are refused', async () => {
  const device = await testDevice();
  assert.throws(() => add(device.empty([2]), device.empty([3])), /differ/);
  assert.throws(() => mul(device.empty([2]), device.empty([3])), /mul: \[2\] and \[3\]/);
});

test('other shapes of the same size, and other dtypes, are refused', async () => {
  const device = await testDevice();
  assert.throws(() => add(device.empty([2, 3]), device.empty([3, 2])), /add: \[2,3\] and \[3,2\]/);
  assert.throws(() => mul(device.empty([2]), device.empty([2], 'i32')), /mul: b \[2\] is i32/);
});

test.run();
