// Another shape for the same elements.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mul, reshape } from '../../runtime/ops/index.ts';
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

test.run();
