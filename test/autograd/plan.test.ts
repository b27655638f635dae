// Recorded plans: what they own, and what they refuse.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { grad } from '../../runtime/autograd/tape.ts';
import { OutOfMemoryError } from '../../runtime/errors.ts';
import { add, relu, sumToLast } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';

test('replays with new inputs; gradients are part of it', async () => {
  const device = await testDevice();
  const w = device.tensor([1, -2, 3], [3]);
  w.requiresGrad = true;
  const step = plan(device, { x: { shape: [4, 3] } }, ({ x }) => {
    const y = sumToLast(relu(add(x, x)));
    return { y, dw: grad(add(y, w), [w], { dy: y })[0] };
  });
  for (const scale of [1, -2]) {
    const x = Float32Array.from({ length: 12 }, (_, i) => scale * (i - 5));
    const { y, dw } = step.run({ x });
    const want = [0, 1, 2].map((c) => [0, 1, 2, 3].reduce((s, r) => s + Math.max(0, 2 * x[3 * r + c]), 0));
    assert.equal([...(await y.read())], want);
    assert.equal([...(await dw.read())], want);
  }
  step.dispose();
  w.dispose();
});

test('views of tensors from outside and constants made while recording live as long as the plan', async () => {
  const device = await testDevice();
  const before = device.pool.stats.inUse;
  const outside = device.tensor([1, 2, 3, 4], [2, 2]);
  const step = plan(device, {}, () => ({ y: add(outside.view([4]), device.tensor([10, 20, 30, 40], [4])) }));
  outside.dispose();
  // What the plan needs is not handed out again.
  const other = device.tensor(new Float32Array(4).fill(-1), [4]);
  assert.equal([...(await step.run().y.read())], [11, 22, 33, 44]);
  step.dispose();
  other.dispose();
  assert.is(device.pool.stats.inUse, before);
});

test('the memory is known before the first run, and refused beyond the budget', async () => {
  const device = await testDevice();
  const before = device.pool.stats.inUse;
  const body = () => plan(device, { x: { shape: [512, 512] } }, ({ x }) => ({ y: relu(relu(relu(x))) }), { budget: 2 * 2 ** 20 });
  assert.throws(body, (e: unknown) => e instanceof OutOfMemoryError && /the step needs .* budget is 2\.0 MiB/.test(e.message));
  assert.is(device.pool.stats.inUse, before);
});

test.run();
