// The traits of adapters: which variants of kernels each gets.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Device } from '../../runtime/device/device.ts';
import { traitsOf } from '../../runtime/device/traits.ts';
import { testDevice } from '../support/device.ts';

const gpu = (features: string[], subgroupMinSize?: number): GPUDevice =>
  ({ features: new Set(features), adapterInfo: { subgroupMinSize } }) as unknown as GPUDevice;
const native = {};
const matrix = { M: 16, N: 16, K: 16, LANES: 32 };

test('a GPU goes by tiles, and by matrices where it has them', () => {
  const traits = { texels: false, tiles: true, vectors: true, matrix: undefined };
  assert.equal(traitsOf(gpu(['subgroups'], 32), 'hardware', { native }), traits);
  assert.equal(traitsOf(gpu(['subgroups'], 32), 'hardware', { native, matrix }), { ...traits, matrix });
});

test('lavapipe reads through textures where it has native kernels and subgroups of 8 lanes', () => {
  const lavapipe = { texels: true, tiles: false, vectors: true, matrix: undefined };
  const other = { ...lavapipe, texels: false, vectors: false };
  assert.equal(traitsOf(gpu(['subgroups'], 8), 'lavapipe', { native }), lavapipe);
  assert.equal(traitsOf(gpu(['subgroups'], 8), 'lavapipe', {}), other);
  assert.equal(traitsOf(gpu(['subgroups'], 4), 'lavapipe', { native }), other);
  assert.equal(traitsOf(gpu(['subgroups']), 'lavapipe', { native }), other);
  assert.equal(traitsOf(gpu([], 8), 'lavapipe', { native }), other);
  assert.equal(traitsOf(gpu(['subgroups'], 8), 'swiftshader', { native }), other);
});

test('a device takes the traits that it is given', async () => {
  const { gpu, info } = await testDevice();
  const traits = { texels: false, tiles: true, vectors: true, matrix: undefined };
  assert.is(new Device(gpu, info, { traits }).traits, traits);
});

test.run();
