// Kernels read the bits of a tensor as their own dtype: another one must not reach them.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText, ShapeError } from '../../runtime/errors.ts';
import {
  batchNorm,
  dropout,
  globalAvgPool,
  logSoftmax,
  matmul,
  resizeBilinear,
  softmax,
} from '../../runtime/ops/index.ts';
import { maskPairs } from '../../src/ops/index.ts';
import { testDevice } from '../support/device.ts';

test('operations on floats refuse integers', async () => {
  const device = await testDevice();
  const i = device.empty([2, 4, 4, 4], 'i32');
  const f = device.empty([2, 4, 4, 4]);
  const c = device.empty([4]);
  const seed = device.tensor(Uint32Array.of(1, 2, 3, 0), [4]);
  const calls: Record<string, () => unknown> = {
    softmax: () => softmax(i),
    logSoftmax: () => logSoftmax(i),
    resizeBilinear: () => resizeBilinear(i, [2, 2]),
    'matmul: b': () => matmul(f, i),
    dropout: () => dropout(i, seed),
    globalAvgPool: () => globalAvgPool(i),
    maskPairs: () => maskPairs(device.empty([1, 2, 2], 'u32'), device.empty([1, 2])),
    batchNorm: () => batchNorm(i, c, c, undefined, { mode: 'train' }),
    'batchNorm: gamma': () => batchNorm(f, device.empty([4], 'i32'), c, undefined, { mode: 'train' }),
    'batchNorm: the running mean': () =>
      batchNorm(f, c, c, { mean: device.empty([4], 'i32'), variance: c }, { mode: 'eval' }),
  };
  for (const [name, call] of Object.entries(calls))
    assert.throws(
      call,
      (e: unknown) => e instanceof ShapeError && e.message.startsWith(name) && /is [iu]32/.test(errorText(e)),
      name,
    );
});

test.run();
