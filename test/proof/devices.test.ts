// Several devices in one process: each has its own memory and kernels, one that is closed or lost takes no other with
// it, and says so by type.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { DeviceError, DeviceLostError, DisposedError, errorText, FewmaskError } from '../../runtime/errors.ts';
import { openNode } from '../../runtime/node.ts';
import { add, full, matmul, mul, sum } from '../../runtime/ops/index.ts';

const numbers = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i));

async function thrown(body: () => unknown): Promise<unknown> {
  try {
    await body();
  } catch (error) {
    return error;
  }
  return null;
}

const product = (device: Device): Promise<Float32Array | Int32Array | Uint32Array> =>
  device.scope(() => matmul(device.tensor(numbers(64), [8, 8]), device.tensor(numbers(64), [8, 8]))).read();

test('devices live side by side; one that is closed takes no other with it', async () => {
  const [a, b, c] = [await openNode(), await openNode(), await openNode()];
  const want = [...(await product(a))];
  for (const d of [b, c]) assert.equal([...(await product(d))], want);
  const onA = full(a, [4], 1);
  const onB = full(b, [4], 2);
  const mixed = await thrown(() => add(onA, onB));
  assert.ok(mixed instanceof FewmaskError && /another device/.test(mixed.message));
  a.close();
  a.close();
  for (const d of [b, c]) assert.equal([...(await product(d))], want);
  assert.equal([...(await mul(onB, 3).read())], [6, 6, 6, 6]);
  b.close();
  const again = await openNode();
  for (const d of [c, again]) assert.equal([...(await product(d))], want);
  c.close();
  again.close();
});

/** All that can be asked of a device. */
function requests(device: Device): Record<string, () => unknown> {
  const x = device.tensor(numbers(16), [16]);
  const y = device.tensor(numbers(16), [16]);
  const step = plan(device, { x: { shape: [16] } }, (given) => ({ y: sum(given.x) }));
  return {
    tensor: () => device.tensor([1], [1]),
    empty: () => device.empty([4]),
    full: () => full(device, [4], 1),
    operation: () => add(x, x),
    'operation in a scope': () => device.scope(() => add(x, x)),
    write: () => device.write(x, numbers(16)),
    clear: () => device.clear(x),
    copy: () => device.copy(x, y),
    copyInto: () => device.copyInto(x, y, 0),
    read: () => x.read(),
    sync: () => device.sync(),
    record: () => plan(device, { x: { shape: [4] } }, (given) => ({ y: given.x })),
    replay: () => step.run({ x: numbers(16) }),
    'replay as it was': () => step.run(),
  };
}

test('a closed device refuses everything by type', async () => {
  const device = await openNode();
  const all = requests(device);
  const x = full(device, [4], 1);
  await device.sync();
  device.close();
  for (const [what, body] of Object.entries(all)) {
    const error = await thrown(body);
    assert.ok(error instanceof DeviceError && /closed/.test(errorText(error)), `${what}: ${String(error)}`);
  }
  x.dispose();
});

test('a lost device refuses everything by type, also what was under way', async () => {
  const device = await openNode();
  const other = await openNode();
  const all = requests(device);
  const x = device.tensor(numbers(1 << 20), [1 << 20]);
  const reading = thrown(() => mul(x, 2).read());
  const waiting = thrown(() => device.sync());
  device.gpu.destroy();
  for (const error of [await reading, await waiting])
    assert.ok(error === null || error instanceof DeviceLostError, String(error));
  await device.gpu.lost;
  await Promise.resolve();
  for (const [what, body] of Object.entries(all)) {
    const error = await thrown(body);
    assert.ok(error instanceof DeviceLostError && error.hint, `${what}: ${String(error)}`);
  }
  assert.is((await product(other)).length, 64);
  device.close();
  other.close();
});

test('a read that is under way when the device is closed ends by type', async () => {
  const device = await openNode();
  const x = device.tensor(numbers(1 << 20), [1 << 20]);
  const reading = thrown(() => mul(x, 2).read());
  device.close();
  const error = await reading;
  assert.ok(error === null || error instanceof DeviceError, String(error));
});

test('a command that the GPU refuses is an error of that device alone', async () => {
  const device = await openNode();
  const other = await openNode();
  // A bind group of too small a buffer: what a fault in a kernel's launch would be.
  const tiny = device.gpu.createBuffer({ size: 4, usage: 8 });
  device.gpu.queue.writeBuffer(tiny, 0, new Uint8Array(16));
  const error = await thrown(() => device.sync().then(() => device.sync()));
  assert.ok(error instanceof DeviceError && /refused/.test(errorText(error)), String(error));
  assert.ok((await thrown(() => full(device, [1], 1))) instanceof DeviceError);
  assert.is((await product(other)).length, 64);
  device.close();
  other.close();
});

test('memory that is both read and written is refused before the GPU is touched', async () => {
  const device = await openNode();
  const x = device.tensor(numbers(4), [4]);
  const seen = x.view([2, 2]);
  const want = [...(await x.read())];
  device.copy(x, seen);
  for (const body of [() => device.copyInto(x, seen, 0), () => device.copyInto(full(device, [1], 1), x, 0.5)])
    assert.ok((await thrown(body)) instanceof FewmaskError);
  const error = await thrown(() =>
    device.run({
      shader: 'ema',
      entry: 'forward',
      bindings: { average: x, source: seen, hyper: full(device, [8], 1) },
      params: { n: 1 },
      threads: 1,
    }),
  );
  assert.ok(error instanceof FewmaskError && /bound twice/.test(errorText(error)), String(error));
  assert.equal([...(await x.read())], want);
  device.close();
});

test('a disposed plan and its tensors refuse by type', async () => {
  const device = await openNode();
  const step = plan(device, { x: { shape: [4] } }, ({ x }) => ({ y: mul(x, 2) }));
  step.dispose();
  step.dispose();
  for (const body of [
    () => step.run(),
    () => step.outputs.y.read(),
    () => step.profile(),
    () => add(step.outputs.y, 1),
  ])
    assert.instance(await thrown(body), DisposedError);
  device.close();
});

test.run();
