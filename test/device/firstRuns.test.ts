// Compiling on devices beside the one that the kernels are for.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openNodeDevice } from '../../runtime/device/node/open.ts';
import { firstRunsBeside } from '../../runtime/device/node/firstRuns.ts';
import { SHADERS } from '../../runtime/kernel/generated.ts';
import { KernelCache } from '../../runtime/kernel/kernel.ts';

const opened = await openNodeDevice();
const { device } = opened;
test.after(() => device.destroy());
const errors: string[] = [];
device.addEventListener('uncapturederror', (event) => errors.push(event.error.message));

test('only where a driver compiles at the first run, and there is a core for it', () => {
  for (const kind of ['hardware', 'swiftshader', 'other'] as const)
    assert.is(firstRunsBeside({ ...opened, info: { ...opened.info, kind } }), undefined);
});

const firstRuns = firstRunsBeside({ ...opened, info: { ...opened.info, kind: 'lavapipe' } }, 2)!;

test('every entry point can run over zeros, and ends', async () => {
  const cache = new KernelCache(device);
  // Lavapipe never runs those with subgroup matrices, since it takes textures.
  const able = Object.entries(SHADERS).filter(([, { code }]) => !code.includes('subgroup_matrix'));
  const kernels = able.flatMap(([shader, { entries }]) =>
    Object.keys(entries).map((entry) => cache.get(shader, entry, {}, SHADERS)),
  );
  await firstRuns(kernels, Promise.all(kernels.map((k) => k.compile())));
  assert.equal(errors, []);
  // What has run does not run again: this one would not come back.
  await firstRuns(kernels, new Promise(() => undefined));
});

test('a kernel of the user is not run: its loop may not end over zeros', async () => {
  const cache = new KernelCache(device);
  const code = `@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn forward() { loop { if (y[0] > 0.0) { break; } } }`;
  const info = {
    code,
    params: null,
    constants: {},
    entries: { forward: { workgroup: ['1'], bindings: [{ binding: 0, name: 'y', kind: 'read_write' as const }] } },
  };
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) cache.add(key, key, info);
  await firstRuns(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => cache.get(key, 'forward')),
    Promise.resolve(),
  );
  assert.equal(errors, []);
});

test.run();
