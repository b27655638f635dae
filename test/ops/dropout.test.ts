// Dropout.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dropout, dropout2d } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';

const SEED = Uint32Array.of(5, 77, 3, 0);

function makeCase(shape: Shape, p: number): OpCase {
  return {
    name: `dropout [${shape}] ${p}`,
    inputs: { x: { shape }, seed: { shape: [4], dtype: 'u32', draw: (_, i) => SEED[i] } },
    run: ({ x, seed }) => dropout(x, seed, p),
    reference: ({ x }) => {
      const rng = new Rng(SEED[0], SEED[1], SEED[2]);
      return { shape, data: x.data.map((v) => (rng.uniform() >= p ? v / (1 - p) : 0)) };
    },
  };
}

for (const c of [
  makeCase([7], 0.5),
  makeCase([4, 1, 1, 130], 0.5),
  makeCase([3, 5, 2], 0),
  makeCase([2, 9, 31, 5], 0.9),
])
  test(c.name, async () => checkCase(await testDevice(), c));

for (const shape of [
  [3, 4, 5, 7],
  [5, 6],
  [2, 64, 64, 16],
  [0, 4, 4, 2],
] as Shape[]) {
  const c: OpCase = {
    ...makeCase(shape, 0.4),
    name: `dropout2d [${shape}]`,
    run: ({ x, seed }) => dropout2d(x, seed, 0.4),
    reference: ({ x }) => {
      const rng = new Rng(SEED[0], SEED[1], SEED[2]);
      const c = shape[shape.length - 1];
      const u = Array.from({ length: shape[0] * c }, () => rng.uniform());
      const sample = x.data.length / shape[0];
      return { shape, data: x.data.map((v, i) => (u[Math.floor(i / sample) * c + (i % c)] >= 0.4 ? v / 0.6 : 0)) };
    },
  };
  test(c.name, async () => checkCase(await testDevice(), c));
}

test('bad probabilities', async () => {
  const device = await testDevice();
  assert.throws(() => dropout(device.empty([3]), device.tensor(SEED, [4]), 1), /the probability is 1/);
  assert.throws(() => dropout2d(device.empty([3]), device.tensor(SEED, [4])), /dropout2d: x is \[3\]/);
  assert.throws(() => dropout2d(device.empty([3, 2], 'i32'), device.tensor(SEED, [4])), /is i32/);
});

test.run();
