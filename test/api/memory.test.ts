// What is alive: the leak report, and use after dispose.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { DisposedError } from '../../runtime/errors.ts';
import { leakReport, liveTensors, traceTensors } from '../../runtime/memory.ts';
import { exp, reshape, sum } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';

test('a leak report names the operation, the shape and the bytes', async () => {
  const device = await testDevice(), x = device.tensor([1, 2, 3, 4], [2, 2]);
  const before = liveTensors(device);
  assert.ok(before.some((t) => t.tensor === x && t.op === 'tensor' && t.bytes === 16 && t.stack === undefined));
  const leaked = [exp(x), exp(x)];
  device.scope(() => {
    sum(exp(x));
  });
  assert.equal(leakReport(device, before), '2 x exp [2,2] f32: 32 bytes');
  assert.equal(liveTensors(device, before).map((t) => t.tensor), leaked);
  for (const t of leaked) t.dispose();
  assert.equal(leakReport(device, before), '');
  x.dispose();
});

test('stacks are kept where they are asked for', async () => {
  const device = await testDevice(), x = device.tensor([1], [1]), before = liveTensors(device);
  traceTensors(device);
  const y = exp(x);
  traceTensors(device, false);
  const z = exp(x);
  const [traced, plain] = liveTensors(device, before);
  assert.match(traced.stack!, /memory\.test/);
  assert.is(plain.stack, undefined);
  assert.match(leakReport(device, before), /1 x exp \[1\] f32: 4 bytes\n +at /);
  for (const t of [x, y, z]) t.dispose();
});

test('plans leave nothing behind', async () => {
  const device = await testDevice(), before = liveTensors(device);
  const step = plan(device, { x: { shape: [4] } }, ({ x }) => ({ y: exp(reshape(x, [2, 2])) }));
  step.run({ x: Float32Array.of(1, 2, 3, 4) });
  step.dispose();
  assert.equal(leakReport(device, before), '');
});

test('use after dispose is an error of its own', async () => {
  const device = await testDevice(), x = device.tensor([1, 2], [2]), other = device.tensor([1, 2], [2]);
  x.dispose();
  x.dispose();
  const refused = (e: unknown): boolean => e instanceof DisposedError && /tensor made by tensor \[2\] has been disposed/.test(e.message);
  assert.throws(() => x.buffer, refused);
  assert.throws(() => x.view([2, 1]), refused);
  assert.throws(() => reshape(x, [1, 2]), refused);
  assert.throws(() => exp(x), refused);
  assert.throws(() => device.write(x, Float32Array.of(1, 2)), refused);
  assert.throws(() => device.copy(x, other), refused);
  assert.throws(() => device.copy(other, x), refused);
  assert.throws(() => device.clear(x), refused);
  for (const read of [() => x.read(), () => device.read([other, x])]) {
    const error = await read().then(() => null, (e: unknown) => e);
    assert.ok(refused(error));
  }
  other.dispose();
});

test.run();
