// Global average pooling.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { globalAvgPool } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type OpCase } from '../support/op.ts';

const cases: OpCase[] = [
  [2, 5, 6, 3],
  [1, 33, 40, 8],
  [0, 4, 3, 2],
].map((shape): OpCase => ({
  name: `globalAvgPool [${shape}]`,
  inputs: { x: { shape } },
  run: ({ x }) => globalAvgPool(x),
  reference: ({ x }) => {
    const out = f64([shape[0], 1, 1, shape[3]]);
    x.data.forEach(
      (v, i) =>
        (out.data[Math.floor(i / (shape[1] * shape[2] * shape[3])) * shape[3] + (i % shape[3])] +=
          v / (shape[1] * shape[2])),
    );
    return out;
  },
}));

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('images without pixels are refused', async () => {
  const device = await testDevice();
  assert.throws(() => globalAvgPool(device.empty([2, 0, 3, 1])), /h and w of \[2,0,3,1\]/);
  assert.throws(() => globalAvgPool(device.empty([2, 3])), /\[2,3\]/);
});

test.run();
