// Tuning: it takes one of the variants for each place, keeps it for later devices, and no file can break a kernel.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { openNode, tune } from '../../runtime/node.ts';
import { conv2d } from '../../runtime/ops/conv2d/index.ts';
import { MATRICES, REGISTERS, TEXTURE_GRADS, TEXTURES, TILES } from '../../runtime/ops/conv2d/variants.ts';
import { matmul, VARIANTS as MATMULS } from '../../runtime/ops/matmul.ts';
import type { PlanOutputs } from '../../runtime/autograd/plan.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';

const folder = mkdtempSync(join(tmpdir(), 'fewmask-tuning-'));
const file = join(folder, 'tuning.json');
const previous = process.env.FEWMASK_CACHE;
test.before(() => void (process.env.FEWMASK_CACHE = folder));
test.after(() => {
  if (previous === undefined) delete process.env.FEWMASK_CACHE;
  else process.env.FEWMASK_CACHE = previous;
  rmSync(folder, { recursive: true });
});

const NAMES = [
  ...[...REGISTERS, ...TILES, ...MATRICES, ...TEXTURES, ...TEXTURE_GRADS[1], ...TEXTURE_GRADS[3]],
  ...MATMULS,
].map((v) => v.name);

/** Forward and both gradients of a convolution, and a product. */
function work(device: Device): () => PlanOutputs {
  const numbers = (...shape: number[]) =>
    device.tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
      shape,
    );
  const x = numbers(2, 9, 16, 8);
  const w = numbers(3, 3, 8, 16);
  const dy = numbers(2, 9, 16, 16);
  const m = numbers(36, 36);
  x.requiresGrad = w.requiresGrad = true;
  return () => {
    const y = conv2d(x, w, undefined, { padding: 1 });
    const [dx, dw] = grad(y, [x, w], { dy });
    return { y, dx, dw, z: matmul(m, m) };
  };
}

async function results(device: Device): Promise<Float32Array[]> {
  const { y, dx, dw, z } = work(device)();
  return (await device.read([y, dx, dw, z])) as Float32Array[];
}

test('a winner for each place, the same results but for rounding, and later devices know it', async () => {
  const device = await openNode();
  assert.equal(device.choices, {});
  const want = await results(device);
  const choices = await tune(device, work(device));
  assert.ok(Object.keys(choices).length >= (device.traits.texels ? 4 : 2), JSON.stringify(choices));
  assert.is(device.choices, choices);
  assert.equal(JSON.parse(readFileSync(file, 'utf8')), { [device.info.description]: choices });
  const later = await openNode();
  assert.equal(later.choices, choices);
  for (const [i, got] of (await results(later)).entries())
    assert.ok(got.every((v, k) => Math.abs(v - want[i][k]) < 1e-4));
  device.close();
  later.close();
});

test('every variant gives the same', async () => {
  for (const device of [await testDevice(), await gpuVariants(), await softwareVariants()]) {
    const before = device.choices;
    device.choices = {};
    const want = await results(device);
    for (const taken of [...NAMES, '64 8 2 8', 'nonsense']) {
      device.choices = new Proxy({}, { get: () => taken });
      for (const [i, got] of (await results(device)).entries())
        assert.ok(
          got.every((v, k) => Math.abs(v - want[i][k]) < 1e-4),
          taken,
        );
    }
    device.choices = before;
  }
});

test('a file that is not one is ignored', async () => {
  writeFileSync(file, '{"');
  const device = await openNode();
  assert.equal(device.choices, {});
  device.close();
});

test.run();
