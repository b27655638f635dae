// Another shape for the same elements.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { flatten, mul, reshape, squeeze, unsqueeze } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase } from '../support/op.ts';

test('values and gradient', async () => {
  await checkCase(await testDevice(), {
    name: 'reshape [2,3,4] to [6,4]',
    inputs: { x: { shape: [2, 3, 4] } },
    run: ({ x }) => mul(reshape(x, [6, 4]), reshape(x, [6, 4])),
    reference: ({ x }) => ({ shape: [6, 4], data: x.data.map((v) => v * v) }),
  });
});

test('other sizes are refused', async () => {
  const device = await testDevice();
  assert.throws(() => reshape(device.empty([2, 3]), [7]), /cannot see \[2,3\] as \[7\]/);
});

test('a size that is left open, flatten, squeeze, unsqueeze', async () => {
  const device = await testDevice();
  const x = device.empty([2, 1, 3, 4]);
  assert.equal(reshape(x, [2, -1]).shape, [2, 12]);
  assert.equal(reshape(x, [-1]).shape, [24]);
  assert.throws(() => reshape(x, [5, -1]), says(/leave a whole number/));
  assert.throws(() => reshape(x, [-1, -1]), says(/leave a whole number/));
  assert.throws(() => reshape(device.empty([0, 2]), [0, -1]), says(/leave a whole number/));
  assert.equal(flatten(x).shape, [24]);
  assert.equal(flatten(x, 1, -2).shape, [2, 3, 4]);
  assert.equal(flatten(device.empty([])).shape, [1]);
  assert.throws(() => flatten(x, 2, 1), /comes after/);
  assert.equal(squeeze(x).shape, [2, 3, 4]);
  assert.equal(squeeze(x, -3).shape, [2, 3, 4]);
  assert.equal(squeeze(x, 0).shape, [2, 1, 3, 4]);
  assert.throws(() => squeeze(x, 4), /no axis 4/);
  assert.equal(unsqueeze(x, -1).shape, [2, 1, 3, 4, 1]);
  assert.equal(unsqueeze(x, 0).shape, [1, 2, 1, 3, 4]);
  assert.throws(() => unsqueeze(x, 5), /no axis 5/);
});

test.run();
