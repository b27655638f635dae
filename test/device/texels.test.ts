// Textures that kernels read through: counted like buffers, handed on, given back, and right for any number of rows.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { texelSize } from '../../runtime/device/pool.ts';
import { openNode } from '../../runtime/node.ts';
import { conv2d } from '../../runtime/ops/conv2d/index.ts';
import { full } from '../../runtime/ops/fill.ts';

test('eager launches lend them and hand them on; trimming frees them', async () => {
  const device = await openNode();
  if (!device.traits.texels) return device.close();
  const x = full(device, [1, 16, 16, 8], 1);
  const w = full(device, [1, 1, 8, 8], 1);
  const { inUse } = device.pool.stats;
  const first = conv2d(x, w);
  const { created } = device.pool.stats;
  first.dispose();
  const second = conv2d(x, w);
  assert.is(device.pool.stats.created, created, 'the second launch takes the textures of the first');
  assert.ok((await second.read()).every((v) => v === 8));
  second.dispose();
  assert.is(device.pool.stats.inUse, inUse);
  const { allocated } = device.pool.stats;
  device.pool.trim();
  assert.ok(allocated - device.pool.stats.allocated >= texelSize(8192, 'rgba32float') + texelSize(256, 'rgba32float'));
  assert.ok((await conv2d(x, w).read()).every((v) => v === 8));
  device.close();
});

test('a plan holds one for each place, as large as its largest tensor, says so before it runs, and gives them back', async () => {
  const device = await openNode();
  if (!device.traits.texels) return device.close();
  const w = full(device, [1, 1, 8, 8], 0.125);
  const before = device.pool.stats.inUse;
  const shapes = { small: { shape: [1, 8, 8, 8] }, large: { shape: [1, 128, 160, 8] } };
  const step = plan(device, shapes, ({ small, large }) => ({
    a: conv2d(small, w),
    b: conv2d(large, w),
    c: conv2d(small, w),
  }));
  const textures = texelSize(4 * 128 * 160 * 8, 'rgba32float') + texelSize(256, 'rgba32float');
  assert.ok(step.memory.bytes >= textures + 2 * 4 * 128 * 160 * 8);
  assert.is(device.pool.stats.inUse - before, step.memory.bytes);
  assert.is(step.kernels.filter((k) => k === 'texels').length, 6);
  for (const value of [3, 5]) {
    step.run({
      small: new Float32Array(512).fill(value),
      large: new Float32Array(128 * 160 * 8).map((_, i) => (i >> 3) % 7919),
    });
    const [a, b, c] = await device.read([step.outputs.a, step.outputs.b, step.outputs.c]);
    assert.ok(a.every((v) => v === value) && c.every((v) => v === value));
    assert.ok(
      b.every((v, i) => v === (i >> 3) % 7919),
      'in all rows of texels, the last one in part',
    );
  }
  step.dispose();
  assert.is(device.pool.stats.inUse, before);
  device.close();
});

test.run();
