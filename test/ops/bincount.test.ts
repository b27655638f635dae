// Counts of whole numbers.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bincount } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { says } from '../support/errors.ts';

for (const [n, bins] of [
  [0, 3],
  [1, 1],
  [50, 7],
  [100003, 21],
  [300001, 5000],
]) {
  test(`bincount of ${n} in ${bins} bins`, async () => {
    const device = await testDevice();
    const v = Int32Array.from({ length: n }, (_, i) => ((i * 7919) % (bins + 3)) - 1);
    const want = new Int32Array(bins);
    for (const e of v) if (e >= 0 && e < bins) want[e]++;
    assert.equal(await bincount(device.tensor(v, [n]), bins).read(), want);
    assert.equal(await bincount(device.tensor(Uint32Array.from(v), [1, n]), bins).read(), want);
  });
}

test('no bins, and what is refused', async () => {
  const device = await testDevice();
  assert.equal(bincount(device.empty([3], 'i32'), 0).shape, [0]);
  assert.throws(() => bincount(device.empty([3]), 2), /is f32/);
  const huge = Object.create(device.empty([3], 'i32'), { size: { value: 2 ** 31 } }) as Tensor;
  assert.throws(() => bincount(huge, 2), /more elements than an i32 counts/);
  assert.throws(() => bincount(device.empty([3], 'i32'), 1.5), says(/whole number/));
});

test.run();
