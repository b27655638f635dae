// Eager operations outside of a scope leave their results behind and nothing else.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { clipCoefficient } from '../../runtime/optim/clip.ts';
import { hyperTensor } from '../../runtime/optim/hyper.ts';
import { batchNorm, crossEntropy, dice, dropout, mse, softCrossEntropy } from '../../runtime/ops/index.ts';
import { acceptedShare, fuse, kthLargest, percentile, softmaxMse } from '../../src/ops/index.ts';
import { sizeOf, type Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

interface Given {
  device: Device;
  z: Tensor;
  q: Tensor;
  labels: Tensor;
  ones: Tensor;
  seed: Tensor;
  hyper: Tensor;
}

const OPS: Record<string, (g: Given) => Tensor | Record<string, Tensor>> = {
  crossEntropy: ({ z, labels }) => crossEntropy(z, labels),
  softCrossEntropy: ({ z, q }) => softCrossEntropy(z, q),
  mse: ({ z, q }) => mse(z, q),
  softmaxMse: ({ z, q }) => softmaxMse(z, q),
  dice: ({ z, labels }) => dice(z, labels),
  acceptedShare: ({ q }) => acceptedShare(q),
  fuse: ({ z, q }) => fuse(z, q),
  kthLargest: ({ z }) => kthLargest(z, 3),
  percentile: ({ z }) => percentile(z, 30),
  dropout: ({ z, seed }) => dropout(z, seed),
  batchNorm: ({ z, ones }) => batchNorm(z, ones, ones, undefined, { mode: 'train' }),
  clipCoefficient: ({ z, hyper }) => clipCoefficient([z], 1, hyper),
};

for (const [name, run] of Object.entries(OPS)) {
  test(name, async () => {
    const device = await testDevice();
    const z = device.tensor(
      Float32Array.from({ length: 60 }, (_, i) => Math.sin(i)),
      [4, 5, 3],
    );
    const q = device.tensor(new Float32Array(60).fill(1 / 3), [4, 5, 3]);
    const labels = device.tensor(new Int32Array(20), [4, 5]);
    const ones = device.tensor([1, 1, 1], [3]);
    const seed = device.tensor(Uint32Array.of(1, 2, 3, 0), [4]);
    const given = { device, z, q, labels, ones, seed, hyper: hyperTensor(device, { lr: 1, step: 1 }) };
    const before = device.pool.stats.inUse;
    const result = run(given);
    for (const t of 'storage' in result ? [result as Tensor] : Object.values(result)) t.dispose();
    assert.is(device.pool.stats.inUse, before);
    // What is freed is not the input.
    assert.is((await z.read()).length, sizeOf(z.shape));
    for (const t of [z, q, labels, ones, seed, given.hyper]) t.dispose();
  });
}

test('a target without a gradient is freed when it is disposed', async () => {
  const device = await testDevice();
  const z = device.tensor(new Float32Array(3000), [1000, 3]);
  z.requiresGrad = true;
  const before = device.pool.stats.inUse;
  for (const loss of [softCrossEntropy, softmaxMse]) {
    const q = device.tensor(new Float32Array(3000).fill(1 / 3), [1000, 3]);
    const y = loss(z, q);
    const [dz] = grad(y, [z]);
    assert.ok((await dz.read()).every((v) => Math.abs(v) < 1e-6));
    for (const t of [y, dz, q]) t.dispose();
    // The denominator of the backward pass stays, the targets do not.
    assert.ok(device.pool.stats.inUse - before < 3000);
  }
  z.dispose();
});

test.run();
