// Operations on shapes and indices, and their gradients, leave their results behind and nothing else.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import {
  embedding,
  expand,
  flip,
  full,
  gather,
  index,
  indexAdd,
  pad,
  permute,
  pixelShuffle,
  repeat,
  repeatInterleave,
  roll,
  scatter,
  scatterAdd,
  slice,
  split,
  stack,
  triu,
  unfold,
} from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

/** z, w are f32 [2, 4, 4, 8]; picks i32 [2, 4, 4, 1], few i32 [1, 1, 1, 5], one i32 [1], list i32 [8]: 0 and 1. */
type Given = Record<'z' | 'w' | 'picks' | 'few' | 'one' | 'list', Tensor>;

/** One operation of the tape each. */
const SINGLE: Record<string, (g: Given) => Tensor> = {
  permute: ({ z }) => permute(z, [3, 1, 0, 2]),
  expand: ({ z }) => expand(z, [3, 2, 4, 4, 8]),
  flip: ({ z }) => flip(z, [1]),
  roll: ({ z }) => roll(z, [7]),
  repeat: ({ z }) => repeat(z, [2, 1, 1, 2]),
  repeatInterleave: ({ z }) => repeatInterleave(z, 2),
  pixelShuffle: ({ z }) => pixelShuffle(z, 2),
  slice: ({ z }) => slice(z, [null, [1, null, 2]]),
  'pad reflect': ({ z }) =>
    pad(
      z,
      [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ],
      { mode: 'reflect' },
    ),
  stack: ({ z, w }) => stack([z, w], 1),
  split({ z }) {
    const [a, b] = split(z, 2, 1);
    b.dispose();
    return a;
  },
  triu: ({ z }) => triu(z),
  unfold: ({ z }) => unfold(z, 3),
  gather: ({ z, picks }) => gather(z, 3, picks),
  scatter: ({ z, w, picks }) => scatter(z, 3, picks, w),
  indexAdd: ({ z, w, list }) => indexAdd(w, 3, list, z),
};

const SEVERAL: Record<string, (g: Given) => Tensor> = {
  'repeat four axes': ({ z }) => repeat(z, [2, 2, 2, 2]),
  'scatter of a part': ({ z, w, picks }) => scatter(w, 3, picks, z),
  'gather by fewer': ({ z, few }) => gather(z, 3, few),
  'scatterAdd of fewer': ({ z, w, few }) => scatterAdd(z, 3, few, w),
  embedding: ({ z, picks }) => embedding(picks, z),
  index: ({ z, list, one }) => index(z, [list, list, one]),
};

for (const [name, run] of Object.entries({ ...SINGLE, ...SEVERAL })) {
  test(name, async () => {
    const device = await testDevice();
    const numbers = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i));
    const bits = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i % 2);
    const given: Given = {
      z: device.tensor(numbers(256), [2, 4, 4, 8]),
      w: device.tensor(numbers(256), [2, 4, 4, 8]),
      picks: device.tensor(bits(32), [2, 4, 4, 1]),
      few: device.tensor(bits(5), [1, 1, 1, 5]),
      one: device.tensor(bits(1), [1]),
      list: device.tensor(bits(8), [8]),
    };
    const before = device.pool.stats.inUse;
    run(given).dispose();
    assert.is(device.pool.stats.inUse, before);
    if (name in SINGLE) {
      given.z.requiresGrad = true;
      device.scope(() => {
        const y = run(given);
        const dy = full(device, y.shape, 1);
        const held = device.pool.stats.inUse;
        grad(y, [given.z], { dy })[0].dispose();
        assert.is(device.pool.stats.inUse, held, 'the gradient leaves nothing');
      });
      assert.is(device.pool.stats.inUse, before);
    }
    for (const t of Object.values(given)) t.dispose();
  });
}

test.run();
