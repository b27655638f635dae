// Sums over all axes but the last.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { sumToLast } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, f64, type OpCase } from '../support/op.ts';

const cases: OpCase[] = [[5], [3, 4], [2, 33, 40, 5], [1, 256, 256, 3], [300000, 1]].map((shape) => ({
  name: `sumToLast [${shape}]`,
  inputs: { x: { shape, draw: (rng) => rng.uniform(0.5, 1.5) } }, // of one sign: sums that cancel have no relative accuracy
  run: ({ x }) => sumToLast(x),
  reference: ({ x }) => {
    const c = shape[shape.length - 1], y = f64([c]);
    x.data.forEach((v, i) => (y.data[i % c] += v));
    return y;
  },
  tolerance: 2e-6,
}));

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('its gradient spreads over the rows', async () => {
  const device = await testDevice();
  const x = device.tensor(new Float32Array(12), [2, 2, 3]);
  x.requiresGrad = true;
  const [dx] = grad(sumToLast(x), [x], { dy: device.tensor([1, -2, 3], [3]) });
  close(await dx.read(), [1, -2, 3, 1, -2, 3, 1, -2, 3, 1, -2, 3], 1e-7, 'dx');
});

test('no rows give zeros', async () => {
  const device = await testDevice();
  const x = device.empty([0, 3]);
  x.requiresGrad = true;
  const y = sumToLast(x);
  assert.equal([...(await y.read())], [0, 0, 0]);
  assert.equal(grad(y, [x], { dy: device.tensor([1, 2, 3], [3]) })[0].shape, [0, 3]);
  assert.throws(() => sumToLast(device.empty([2, 3], 'i32')), /is i32/);
});

test.run();
