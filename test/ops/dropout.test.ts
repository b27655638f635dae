// Dropout.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dropout } from '../../runtime/ops/index.ts';
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

for (const c of [makeCase([7], 0.5), makeCase([4, 1, 1, 130], 0.5), makeCase([3, 5, 2], 0), makeCase([2, 9, 31, 5], 0.9)]) test(c.name, async () => checkCase(await testDevice(), c));

test('bad probabilities', async () => {
  const device = await testDevice();
  assert.throws(() => dropout(device.empty([3]), device.tensor(SEED, [4]), 1), /the probability is 1/);
});

test.run();
