// The last pass of the losses: sums, denominators, and nothing to divide by.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chunks, counting, lossReduce } from '../../runtime/ops/lossReduce.ts';
import { testDevice } from '../support/device.ts';

for (const groups of [1, 3, 255, 256, 1000]) {
  test(`lossReduce of ${groups} pairs`, async () => {
    const device = await testDevice();
    const partials = device.tensor(
      Float32Array.from({ length: 2 * groups }, (_, i) => (i % 2 ? 2 : i / 2)),
      [groups, 2],
    );
    const total = (groups * (groups - 1)) / 2;
    const added = lossReduce(partials, 0);
    const fixed = lossReduce(partials, 8);
    assert.ok(Math.abs((await added.y.item()) - total / (2 * groups)) <= 1e-6 * groups);
    assert.ok(Math.abs((await added.inverse.item()) - 1 / (2 * groups)) < 1e-7);
    assert.is(await fixed.y.item(), total / 8);
  });
}

test('nothing counted gives 0', async () => {
  const { y, inverse } = lossReduce((await testDevice()).tensor([5, 0], [1, 2]), 0);
  assert.equal([await y.item(), await inverse.item()], [0, 0]);
});

test('a scalar factor comes after the sums: an infinite one does not meet the 0 of a masked workgroup', async () => {
  const device = await testDevice();
  const partials = device.tensor([3, 1, 0, 0], [2, 2]);
  assert.is(await lossReduce(partials, 0, { scalar: device.tensor([Infinity], [1]) }).y.item(), Infinity);
  assert.is(await lossReduce(partials, 2, { scalar: device.tensor([4], [1]) }).y.item(), 6);
});

test('chunks cover every element with a bounded number of groups', () => {
  for (const n of [1, 64, 65, 65536, 65537, 1e6, 123456789]) {
    const { groups, items } = chunks(n);
    assert.ok(groups <= 1024 && groups * items * 64 >= n);
  }
});

test('denominators', async () => {
  assert.equal(counting('op', 'all', 12), { count: 0, fixed: 12 });
  assert.equal(counting('op', 'kept', 12), { count: 3, fixed: 0 });
  assert.throws(() => counting('op', 'mean' as 'all', 12), /no denominator mean/);
  const device = await testDevice();
  assert.throws(() => lossReduce(device.empty([3]), 0), /\[groups, 2\]/);
});

test.run();
