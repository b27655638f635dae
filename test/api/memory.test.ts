// What is alive: the leak report, and use after dispose.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { Device } from '../../runtime/device/device.ts';
import { Watch } from '../../runtime/device/watch.ts';
import { DisposedError, errorText, OutOfMemoryError } from '../../runtime/errors.ts';
import { leakReport, liveTensors, traceTensors } from '../../runtime/memory.ts';
import { exp, reshape, sum } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';

test('a leak report names the operation, the shape and the bytes', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4], [2, 2]);
  const before = liveTensors(device);
  assert.ok(before.some((t) => t.tensor === x && t.op === 'tensor' && t.bytes === 16 && t.stack === undefined));
  const leaked = [exp(x), exp(x)];
  device.scope(() => {
    sum(exp(x));
  });
  assert.equal(leakReport(device, before), '2 x exp [2,2] f32: 32 bytes');
  assert.equal(
    liveTensors(device, before).map((t) => t.tensor),
    leaked,
  );
  for (const t of leaked) t.dispose();
  assert.equal(leakReport(device, before), '');
  x.dispose();
});

test('stacks are kept where they are asked for', async () => {
  const device = await testDevice();
  const x = device.tensor([1], [1]);
  const before = liveTensors(device);
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
  const device = await testDevice();
  const before = liveTensors(device);
  const step = plan(device, { x: { shape: [4] } }, ({ x }) => ({ y: exp(reshape(x, [2, 2])) }));
  step.run({ x: Float32Array.of(1, 2, 3, 4) });
  step.dispose();
  assert.equal(leakReport(device, before), '');
});

test('use after dispose is an error of its own', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2], [2]);
  const other = device.tensor([1, 2], [2]);
  x.dispose();
  x.dispose();
  const refused = (e: unknown): boolean =>
    e instanceof DisposedError && /tensor made by tensor \[2\] has been disposed/.test(errorText(e));
  assert.throws(() => x.buffer, refused);
  assert.throws(() => x.view([2, 1]), refused);
  assert.throws(() => reshape(x, [1, 2]), refused);
  assert.throws(() => exp(x), refused);
  assert.throws(() => device.write(x, Float32Array.of(1, 2)), refused);
  assert.throws(() => device.copy(x, other), refused);
  assert.throws(() => device.copy(other, x), refused);
  assert.throws(() => device.clear(x), refused);
  for (const read of [() => x.read(), () => device.read([other, x])]) {
    const error = await read().then(
      () => null,
      (e: unknown) => e,
    );
    assert.ok(refused(error));
  }
  other.dispose();
});

test('a leak report counts memory once that several tensors look at', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4], [2, 2]);
  const before = liveTensors(device);
  const y = exp(x);
  const views = [reshape(y, [4]), y.view([1, 4]), y.view([4, 1])];
  assert.equal(leakReport(device, before), '1 x exp [2,2] f32: 16 bytes (and 3 views of it)');
  y.dispose();
  views[0].dispose();
  assert.equal(leakReport(device, before), '1 x exp [1,4] f32: 16 bytes (and 1 view of it)');
  views[1].dispose();
  views[2].dispose();
  const buffer = device.gpu.createBuffer({ size: 16, usage: 128 | 4 | 8 });
  const wrapped = [device.wrap(buffer, [4]), device.wrap(buffer, [2, 2])];
  assert.equal(leakReport(device, before), '1 x wrap [4] f32: 16 bytes (and 1 view of it)');
  for (const t of [...wrapped, x]) t.dispose();
  buffer.destroy();
});

test('out of memory says what is alive, and whether a scope may be missing', async () => {
  const shared = await testDevice();
  const device = new Device(shared.gpu, shared.info, { budget: 64 * 1024 });
  const x = device.tensor(new Float32Array(256), [256]);
  const until = (body: () => void): OutOfMemoryError => {
    try {
      for (;;) body();
    } catch (error) {
      assert.instance(error, OutOfMemoryError);
      return error as OutOfMemoryError;
    }
  };
  const eager = until(() => void [exp(x), reshape(exp(x), [16, 16])]);
  const count = liveTensors(device).length;
  assert.match(
    eager.message,
    new RegExp(`does not fit: .*; ${count} tensors are alive \\(0\\.1 MiB\\): [0-9]+ × exp, 1 × tensor`),
  );
  assert.match(eager.message, /the largest is (exp|tensor) \[256\] f32 of 0\.0 MiB/);
  assert.match(eager.hint!, /is a scope missing\?/);
  const planned = until(() =>
    plan(device, { x: { shape: [64, 256] } }, ({ x: input }) => ({ y: exp(sum(exp(input), 0)) })),
  );
  assert.match(planned.message, /the step needs .*; most of it is for 2 × exp, 1 × input x, .*tensors are alive/);
  assert.match(planned.hint!, /is a scope missing\?/);
  for (const { tensor: t } of liveTensors(device)) if (t !== x) t.dispose();
  const large = until(() => device.empty([1 << 20]));
  assert.match(large.message, /; 1 tensor is alive \(0\.0 MiB\): 1 × tensor; the largest is tensor \[256\] f32/);
  assert.not.match(large.hint!, /scope/);
  x.dispose();
  assert.not.match(until(() => device.empty([1 << 20])).message, /alive/);
  device.close();
});

test('no memory left on the GPU is out of memory as well', async () => {
  class GPUOutOfMemoryError extends Error {}
  for (const owned of [true, false]) {
    let raise: (event: { error: Error }) => void = () => undefined;
    const gpu = {
      addEventListener: (_: string, listener: typeof raise) => void (raise = listener),
      lost: new Promise(() => undefined),
      pushErrorScope: () => undefined,
      popErrorScope: () => Promise.resolve(new GPUOutOfMemoryError('full')),
    };
    const watch = new Watch(gpu as unknown as GPUDevice, owned, () => ({
      message: '; 3 tensors are alive',
      hint: 'a scope?',
    }));
    assert.is(
      watch.guardMemory(() => 7),
      7,
    );
    if (owned) raise({ error: new GPUOutOfMemoryError('full') });
    await watch.settled;
    assert.throws(
      () => watch.check(),
      (e: unknown) => e instanceof OutOfMemoryError && /full; 3 tensors are alive/.test(errorText(e)),
    );
  }
});

test.run();
