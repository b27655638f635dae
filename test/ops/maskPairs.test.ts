// Attention scores between valid positions.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { softmax } from '../../runtime/ops/index.ts';
import { maskPairs } from '../../src/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, type OpCase } from '../support/op.ts';

const cases: OpCase[] = [
  [1, 1, 1],
  [2, 5, 5],
  [3, 70, 70],
].map((shape) => {
  const [n, p] = shape;
  return {
    name: `maskPairs [${shape}]`,
    inputs: { x: { shape }, valid: { shape: [n, p], draw: (r) => (r.bernoulli(0.7) ? 1 : 0), grad: false } },
    run: ({ x, valid }) => maskPairs(x, valid),
    reference: ({ x, valid }) => ({
      shape,
      data: x.data.map((v, e) =>
        valid.data[Math.floor(e / p)] && valid.data[Math.floor(e / p / p) * p + (e % p)] ? v : -1e9,
      ),
    }),
    // Finite differences drown in sums of -1e9: masked entries are constants, which their gradient is compared for
    // below.
    h: 0,
  };
});

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('gradient: that of the valid pairs, nothing for the others', async () => {
  const p = 4;
  const valid = [1, 0, 1, 1];
  await checkCase(await testDevice(), {
    name: 'softmax of masked scores',
    inputs: { x: { shape: [1, p, p] }, valid: { shape: [1, p], draw: (_, i) => valid[i], grad: false } },
    run: ({ x, valid: v }) => softmax(maskPairs(x, v), -1, { scale: 0.5 }),
    reference: ({ x }) => {
      const y = new Float64Array(p * p);
      for (let i = 0; i < p; i++) {
        const e = Array.from({ length: p }, (_, j) =>
          valid[i] ? (valid[j] ? Math.exp(0.5 * x.data[i * p + j]) : 0) : 1,
        );
        const sum = e.reduce((a, v) => a + v);
        e.forEach((v, j) => (y[i * p + j] = v / sum));
      }
      return { shape: [1, p, p], data: y };
    },
  });
});

test('a row without a valid end is uniform, not NaN', async () => {
  const device = await testDevice();
  const a = softmax(
    maskPairs(
      device.tensor(
        Float32Array.from({ length: 9 }, (_, i) => i),
        [1, 3, 3],
      ),
      device.tensor([0, 0, 0], [1, 3]),
    ),
    -1,
    { scale: 1 / Math.sqrt(128) },
  );
  close(await a.read(), Array(9).fill(1 / 3), 1e-6, 'softmax');
  assert.throws(() => maskPairs(device.empty([1, 3, 4]), device.empty([1, 3])), /scores \[1,3,4\]/);
});

test.run();
