// The main thread rests while the device works, and results come no later for it.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { matmul } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

/** Milliseconds and turns of the event loop until a promise has settled. */
async function turns(promise: Promise<unknown>): Promise<{ ms: number; count: number }> {
  const start = performance.now();
  let count = 0;
  let open = true;
  const turn = (): void => {
    count++;
    if (open) setImmediate(turn);
  };
  setImmediate(turn);
  await promise.finally(() => (open = false));
  return { ms: performance.now() - start, count };
}

test('a long wait turns the event loop about once a millisecond', async () => {
  const device = await testDevice();
  const a = device.tensor(
    Float32Array.from({ length: 512 * 512 }, (_, i) => Math.sin(i) / 16),
    [512, 512],
  );
  const work = (): Tensor =>
    device.scope(() => {
      let y = a;
      for (let i = 0; i < 24; i++) y = matmul(y, a);
      return y;
    });
  work().dispose();
  await device.sync();
  for (const wait of ['sync', 'read'] as const) {
    const y = work();
    const { ms, count } = await turns(wait === 'sync' ? device.sync() : y.read());
    y.dispose();
    console.log(`${wait}: ${count} turns in ${ms.toFixed(0)} ms`);
    assert.ok(count < 200 + 2 * ms, `${count} turns in ${ms} ms`);
  }
  a.dispose();
});

test('waits that fail are settled too', async () => {
  const { gpu } = await testDevice();
  const buffer = gpu.createBuffer({ size: 16, usage: 1 | 8 });
  buffer.destroy();
  gpu.pushErrorScope('validation');
  let failed = false;
  await buffer.mapAsync(1).catch(() => (failed = true));
  await gpu.popErrorScope();
  assert.ok(failed);
  const { count } = await turns(new Promise((done) => setTimeout(done, 50)));
  assert.ok(count > 100, `${count} turns in 50 ms: nothing rests when nothing is waited for`);
});

test.run();
