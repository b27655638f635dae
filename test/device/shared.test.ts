// Devices beside each other and beside the caller's own work: on one GPUDevice, on several, over the caller's buffers,
// in threads.

import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { deviceDescriptor } from '../../runtime/device/adapter.ts';
import { Device } from '../../runtime/device/device.ts';
import { openNodeDevice } from '../../runtime/device/node/open.ts';
import { DeviceError, errorText, ShapeError, UsageError } from '../../runtime/errors.ts';
import { openNode } from '../../runtime/node.ts';
import { add, concat, matmul, mean, mul, relu, square } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';

const STORAGE = 128;
const COPY_SRC = 4;
const COPY_DST = 8;
const ALL = STORAGE | COPY_SRC | COPY_DST;
const refused = (body: () => unknown, type: new (...a: never[]) => Error, what: RegExp): void =>
  assert.throws(body, (e: unknown) => e instanceof type && what.test(errorText(e)));
/** An adapter that has given no device yet. */
const anotherAdapter = async (): Promise<GPUAdapter> => {
  const opened = await openNodeDevice();
  opened.device.destroy();
  return (await opened.instance.requestAdapter())!;
};

/** Gradient of mean((x w)^2), by hand 2 x' x w / n. */
const step = async (device: Device, scale: number): Promise<number[]> => {
  const x = device.tensor(
    [1, 2, 3, 4, 5, 6].map((v) => v * scale),
    [3, 2],
  );
  const w = device.tensor([0.5, -0.25], [2, 1]);
  w.requiresGrad = true;
  const [dw] = device.scope(() => grad(mean(square(matmul(x, w))), [w]));
  const values = [...(await dw.read())];
  for (const t of [x, w, dw]) t.dispose();
  return values;
};
const byHand = (scale: number): number[] => {
  const x = [
    [1, 2],
    [3, 4],
    [5, 6],
  ].map((r) => r.map((v) => v * scale));
  const p = x.map(([a, b]) => 0.5 * a - 0.25 * b);
  return [0, 1].map((j) => p.reduce((s, v, i) => s + (2 / 3) * v * x[i][j], 0));
};
const close = (got: readonly number[], want: readonly number[]): void =>
  got.forEach((v, i) => assert.ok(Math.abs(v - want[i]) <= 1e-5 * Math.abs(want[i]), `${v} in place of ${want[i]}`));

test("a GPUDevice of the caller, with no feature and WebGPU's default limits", async () => {
  const gpu = await (await anotherAdapter()).requestDevice();
  assert.is(gpu.limits.maxStorageBuffersPerShaderStage, 8);
  const handler = (): void => {};
  gpu.onuncapturederror = handler;
  const device = new Device(gpu);
  assert.is(gpu.onuncapturederror, handler);
  assert.is(device.info.how, "the caller's own device");
  assert.ok(device.info.description.length > 0);
  close(await step(device, 1), byHand(1));
  refused(() => device.tensor([1], [1], 'f16').device.kernels.get('none', 'none'), Error, /no shader/);
  device.close();
  assert.is(
    await Promise.race([gpu.lost.then(() => 'lost'), gpu.queue.onSubmittedWorkDone().then(() => 'there')]),
    'there',
  );
  refused(() => device.empty([1]), DeviceError, /closed/);
  // The GPUDevice is as good as before.
  const again = new Device(gpu, undefined, { budget: 1 << 20 });
  close(await step(again, 2), byHand(2));
  again.close();
  gpu.destroy();
});

test('what to request a device with', async () => {
  const adapter = await anotherAdapter();
  const gpu = await adapter.requestDevice(deviceDescriptor(adapter));
  for (const f of ['shader-f16', 'subgroups', 'timestamp-query'] as const)
    assert.is(gpu.features.has(f), adapter.features.has(f));
  assert.is(gpu.limits.maxStorageBufferBindingSize, adapter.limits.maxStorageBufferBindingSize);
  gpu.destroy();
});

test("two on one GPUDevice: each with its own errors, and none of the caller's", async () => {
  const { gpu } = await testDevice();
  const a = new Device(gpu);
  const b = new Device(gpu);
  const events: string[] = [];
  const listen = (e: GPUUncapturedErrorEvent): void => {
    events.push(e.error.message);
    e.preventDefault();
    e.stopImmediatePropagation();
  };
  const results = await Promise.all([step(a, 1), step(b, 2), step(a, 3), step(b, 4)]);
  results.forEach((r, i) => close(r, byHand(i + 1)));
  // A command that the GPU refuses: a buffer that is gone.
  const gone = gpu.createBuffer({ size: 16, usage: ALL });
  const t = a.wrap(gone, [4]);
  gone.destroy();
  relu(t);
  let error: unknown;
  await a.sync().catch((e: unknown) => (error = e));
  assert.instance(error, DeviceError);
  assert.match(errorText(error), /GPU refused a command/);
  refused(() => a.empty([1]), DeviceError, /GPU refused a command/);
  close(await step(b, 5), byHand(5));
  // One of the caller's own mistakes, on a GPUDevice of its own, since the tests' device listens.
  const { device: other } = await openNodeDevice();
  other.addEventListener('uncapturederror', listen as EventListener);
  const c = new Device(other);
  other.createBuffer({ size: 16, usage: 0xffff });
  await c.sync();
  await other.queue.onSubmittedWorkDone();
  close(await step(c, 6), byHand(6));
  assert.is(events.length, 1);
  for (const d of [a, b, c]) d.close();
  other.destroy();
});

test('several GPUDevices, taking turns; a tensor of another one is refused', async () => {
  const [a, b] = await Promise.all([openNode(), openNode()]);
  const x = a.tensor([1, -2], [2]);
  const y = b.tensor([3, 4], [2]);
  const wrong = /\[2\],? lives on another device/;
  for (const use of [
    () => add(x, y),
    () => a.copy(y, x),
    () => a.copyInto(y, x, 0),
    () => a.clear(y),
    () => a.write(y, Float32Array.of(1, 2)),
    () => concat([x, y], 0),
    () => plan(a, {}, () => ({ z: relu(y) })),
  ])
    refused(use, DeviceError, wrong);
  let error: unknown;
  await a.read([x, y]).catch((e: unknown) => (error = e));
  assert.instance(error, DeviceError);
  const steps = [];
  for (let i = 1; i <= 4; i++) steps.push(step(i % 2 ? a : b, i));
  (await Promise.all(steps)).forEach((r, i) => close(r, byHand(i + 1)));
  const double = plan(a, { v: { shape: [2] } }, ({ v }) => ({ z: mul(v, 2) }));
  const treble = plan(b, { v: { shape: [2] } }, ({ v }) => ({ z: mul(v, 3) }));
  for (let i = 0; i < 3; i++) {
    double.run({ v: Float32Array.of(i, 1) });
    treble.run({ v: Float32Array.of(i, 1) });
    const [p, q] = await Promise.all([double.outputs.z.read(), treble.outputs.z.read()]);
    assert.equal(
      [[...p], [...q]],
      [
        [2 * i, 2],
        [3 * i, 3],
      ],
    );
  }
  a.close();
  assert.equal([...(await relu(y).read())], [3, 4]);
  b.close();
});

test("a buffer of the caller is seen as a tensor, without a copy, and stays the caller's", async () => {
  const device = await testDevice();
  const { gpu, pool } = device;
  const before = { ...pool.stats };
  const buffer = gpu.createBuffer({ size: 32, usage: ALL });
  gpu.queue.writeBuffer(buffer, 0, Float32Array.of(1, -2, 3, -4, 5, 6, 7, 8));
  const x = device.wrap(buffer, [2, 2]);
  assert.is(x.buffer, buffer);
  assert.equal(pool.stats, before);
  assert.equal([...(await x.read())], [1, -2, 3, -4]);
  const y = relu(x);
  // The engine writes, the caller sees.
  device.copy(y, x);
  device.flush();
  const staging = gpu.createBuffer({ size: 32, usage: 1 | 8 });
  const encoder = gpu.createCommandEncoder();
  encoder.copyBufferToBuffer(x.buffer, 0, staging, 0, 32);
  gpu.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  assert.equal([...new Float32Array(staging.getMappedRange())], [1, 0, 3, 0, 5, 6, 7, 8]);
  // The caller writes, a plan sees; the buffer outlives its tensors.
  const doubled = plan(device, {}, () => ({ z: mul(x, 2) }));
  gpu.queue.writeBuffer(buffer, 0, Float32Array.of(9, 8, 7, 6));
  doubled.run();
  assert.equal([...(await doubled.outputs.z.read())], [18, 16, 14, 12]);
  doubled.dispose();
  const view = x.view([4]);
  for (const t of [x, y, view]) t.dispose();
  pool.trim();
  const again = device.wrap(buffer, [2], 'i32');
  assert.equal([...(await again.read())], [...new Int32Array(Float32Array.of(9, 8).buffer)]);
  again.dispose();
  for (const b of [buffer, staging]) b.destroy();
  // A gradient for what lies in a wrapped buffer.
  const own = gpu.createBuffer({ size: 16, usage: ALL });
  gpu.queue.writeBuffer(own, 0, Float32Array.of(1, 2, 3, 4));
  const w = device.wrap(own, [4]);
  w.requiresGrad = true;
  const [dw] = grad(mean(square(w)), [w]);
  assert.equal([...(await dw.read())], [0.5, 1, 1.5, 2]);
  for (const t of [w, dw]) t.dispose();
  own.destroy();
});

test('a buffer that cannot be a tensor is refused', async () => {
  const device = await testDevice();
  const { gpu } = device;
  const make = (size: number, usage: number, mappedAtCreation = false): GPUBuffer =>
    gpu.createBuffer({ size, usage, mappedAtCreation, label: 'mine' });
  const buffers = [
    make(64, STORAGE | COPY_DST),
    make(64, COPY_SRC | COPY_DST),
    make(12, ALL),
    make(64, ALL, true),
    make(64, ALL),
  ];
  refused(
    () => device.wrap(buffers[0], [4]),
    UsageError,
    /"mine" was created without COPY_SRC — its usage needs COPY_SRC \| COPY_DST \| STORAGE/,
  );
  refused(() => device.wrap(buffers[1], [4]), UsageError, /without STORAGE/);
  refused(() => device.wrap(buffers[2], [3]), ShapeError, /the buffer has 12 bytes, \[3\] f32 needs 16/);
  refused(() => device.wrap(buffers[3], [4]), UsageError, /is mapped/);
  refused(() => device.wrap(buffers[4], [17]), ShapeError, /has 64 bytes, \[17\] f32 needs 80/);
  refused(() => device.wrap(buffers[4], [4, 1.5]), ShapeError, /not a shape/);
  buffers.forEach((b) => b.destroy());
});

test('in a thread of its own, beside one here; the thread that reads is never held up', async () => {
  const device = await testDevice();
  const worker = new Worker(
    "import('tsx/esm/api').then(({ tsImport }) => tsImport(process.argv[2], process.argv[2]));",
    { eval: true, argv: [new URL('../support/engineThread.ts', import.meta.url).href] },
  );
  const answer = new Promise<number[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  // While a long chain runs on the GPU, timers here continue.
  let ticks = 0;
  const x = device.tensor(new Float32Array(512 * 512).fill(1 / 512), [512, 512]);
  const timer = setInterval(() => ticks++, 2);
  const [a] = device.scope(() => {
    let y = x;
    for (let i = 0; i < 12; i++) y = matmul(y, x);
    return [y];
  });
  const values = await a.read();
  clearInterval(timer);
  assert.ok(ticks >= 5, `${ticks} ticks`);
  assert.ok(Math.abs(values[0] - 1 / 512) < 1e-6);
  for (const t of [a, x]) t.dispose();
  close(await answer, byHand(7));
  // Not terminated: a thread that is ended while Dawn destroys its device takes the process with it.
  assert.is(await ended, 0);
});

test.run();
