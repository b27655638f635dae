// Softmax and its logarithm over the last axis.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { logSoftmax, softmax } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type F64, type OpCase } from '../support/op.ts';

function reference(x: F64, scale: number, log: boolean): F64 {
  const c = x.shape[x.shape.length - 1], y = f64(x.shape);
  for (let row = 0; row < x.data.length; row += c) {
    const z = x.data.subarray(row, row + c).map((v) => scale * v);
    const top = Math.max(...z);
    const sum = z.reduce((s, v) => s + Math.exp(v - top), 0);
    z.forEach((v, i) => (y.data[row + i] = log ? v - top - Math.log(sum) : Math.exp(v - top) / sum));
  }
  return y;
}

const cases: OpCase[] = [[5], [3, 1], [2, 9, 11, 21], [40, 257], [8, 128, 128, 3]].flatMap((shape) =>
  [false, true].map((log): OpCase => ({
    name: `${log ? 'logSoftmax' : 'softmax'} [${shape}] scale 0.7`,
    inputs: { x: { shape, draw: (rng) => 3 * rng.normal() } },
    run: ({ x }) => (log ? logSoftmax : softmax)(x, 0.7),
    reference: ({ x }) => reference(x, 0.7, log),
  })),
);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('huge scores neither overflow nor lose the small differences between them', async () => {
  const device = await testDevice();
  const x = device.tensor(Float32Array.of(1e4, 1e4 - 1, -1e4, 3e38, 3e38, -3e38), [2, 3]);
  const [y, l] = await device.read([softmax(x), logSoftmax(x)]);
  [0.731058579, 0.268941421, 0, 0.5, 0.5, 0].forEach((v, i) => assert.ok(Math.abs(y[i] - v) < 1e-5, `${i}: ${y[i]}`));
  [-0.313261688, -1.313261688].forEach((v, i) => assert.ok(Math.abs(l[i] - v) < 1e-5, `${i}: ${l[i]}`));
});

test.run();
