// Tensors of one value.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { full, zeros } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';

for (const dtype of ['f32', 'i32', 'u32'] as const) {
  test(`full and zeros, ${dtype}`, async () => {
    const device = await testDevice();
    const [a, b] = await device.read([full(device, [3, 67], 5, dtype), zeros(device, [129], dtype)]);
    assert.equal([...a], Array(201).fill(5));
    assert.equal([...b], Array(129).fill(0));
  });
}

test('fractions and negative values', async () => {
  const device = await testDevice();
  const [a, b] = await device.read([full(device, [], -0.375), full(device, [2], -7, 'i32')]);
  assert.equal([...a, ...b], [-0.375, -7, -7]);
});

test('large integers are exact; f16, also of an odd number of elements', async () => {
  const device = await testDevice();
  const [a, b, c] = await device.read([
    full(device, [3], 2 ** 24 + 1, 'i32'),
    full(device, [3], 4294967295, 'u32'),
    full(device, [5], -0.375, 'f16'),
  ]);
  assert.equal(
    [[...a], [...b], [...c]],
    [Array(3).fill(2 ** 24 + 1), Array(3).fill(4294967295), Array(5).fill(-0.375)],
  );
});

test.run();
