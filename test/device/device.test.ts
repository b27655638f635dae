// A device's memory: the pool beside work that has not been sent, reading, and elements on their way to and from the
// GPU.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Device } from '../../runtime/device/device.ts';
import { DisposedError, errorText, ShapeError } from '../../runtime/errors.ts';
import { floatToHalf, halfToFloat } from '../../runtime/half.ts';
import { add, full, relu } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';

test('a free buffer that work which has not been sent still uses outlives that work', async () => {
  const device = await testDevice();
  const { pool } = device;
  const a = device.tensor(new Float32Array(150000), [150000]);
  await device.sync();
  pool.trim();
  const { budget } = pool;
  pool.budget = pool.stats.allocated + (1 << 20);
  try {
    const c = relu(a);
    a.dispose();
    c.dispose();
    const b = full(device, [300000], 2);
    assert.is((await b.read())[299999], 2);
    b.dispose();
  } finally {
    pool.budget = budget;
  }
});

test('reading a disposed tensor is an error that leaves the device as it was', async () => {
  const device = await testDevice();
  const a = device.tensor([1, 2], [2]);
  const b = device.tensor([3], [1]);
  b.dispose();
  let error: unknown;
  await device.read([a, b]).catch((e: unknown) => (error = e));
  assert.instance(error, DisposedError);
  await device.sync();
  assert.equal([...(await a.read())], [1, 2]);
  assert.throws(
    () => b.view([1]),
    (e: unknown) => e instanceof DisposedError,
  );
  a.dispose();
});

test('elements must be in the array of the dtype; numbers are converted', async () => {
  const device = await testDevice();
  const wrong = (body: () => unknown, what: RegExp): void =>
    assert.throws(body, (e: unknown) => e instanceof ShapeError && what.test(errorText(e)));
  wrong(
    () => device.tensor(new Float32Array(2), [2], 'i32'),
    /tensor: the elements are in a Float32Array — i32 needs a Int32Array/,
  );
  wrong(() => device.tensor(new Int32Array(2), [2], 'u32'), /Int32Array/);
  wrong(() => device.tensor(new Float32Array(2), [2], 'f16'), /f16 needs a Uint16Array/);
  wrong(() => device.tensor(new Uint8Array(2) as never, [2]), /Uint8Array/);
  wrong(() => device.tensor([1, 2], [1.5]), /2 elements do not make \[1.5\]/);
  const i = device.tensor([1, -2], [2], 'i32');
  wrong(() => device.write(i, new Float32Array(2)), /write: the elements are in a Float32Array/);
  assert.equal([...(await i.read())], [1, -2]);
  // An odd number of f16 elements does not fill whole words.
  const h = device.tensor([1, -0.5, 65504], [3], 'f16');
  const bits = device.tensor(Uint16Array.of(0x3c00, 0x0001, 0x8000), [3]);
  assert.equal([...(await h.read())], [1, -0.5, 65504]);
  assert.is(bits.dtype, 'f16');
  assert.equal([...(await bits.read())], [1, 2 ** -24, -0]);
});

test('f16 from numbers and back, to the nearest', () => {
  for (let h = 0; h < 0x7c00; h += 7) assert.is(floatToHalf(halfToFloat(Uint16Array.of(h)))[0], h);
  assert.equal(
    [...floatToHalf([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, -1e9, 2 ** -25, 2 ** -24 * 1.6, NaN, 2047.9])],
    [0x3c00, 0x3c02, 0x7bff, 0x7c00, 0xfc00, 0, 2, 0x7e00, 0x6800],
  );
});

test('what is larger than the adapter binds is refused, given or not', async () => {
  const device = await testDevice();
  const small = new Device(
    {
      ...proxied(device.gpu),
      limits: { ...limitsOf(device.gpu), maxStorageBufferBindingSize: 1024 },
    } as unknown as GPUDevice,
    device.info,
  );
  assert.throws(() => small.empty([300]), /larger than the adapter can bind/);
  assert.throws(() => small.tensor(new Float32Array(300), [300]), /larger than the adapter can bind/);
});

/** What a Device asks of a GPUDevice when it is made. */
function proxied(gpu: GPUDevice): Partial<GPUDevice> {
  return { createBuffer: gpu.createBuffer.bind(gpu), lost: new Promise(() => {}) };
}

function limitsOf({ limits }: GPUDevice): Record<string, number> {
  return { maxBufferSize: limits.maxBufferSize };
}

test('tensors that are used after their end', async () => {
  const device = await testDevice();
  const a = device.tensor([1], [1]);
  const b = device.tensor([2], [1]);
  b.dispose();
  for (const use of [
    () => add(a, b),
    () => device.clear(b),
    () => device.copy(b, a),
    () => device.write(b, Float32Array.of(1)),
  ])
    assert.throws(use, (e: unknown) => e instanceof DisposedError);
  a.dispose();
});

test.run();
