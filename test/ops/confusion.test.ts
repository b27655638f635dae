// Confusion counts: exact, accumulating, with ignored and impossible labels dropped.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { addConfusion, confusionCounts } from '../../src/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

for (const [n, c] of [
  [1, 1],
  [100, 3],
  [70000, 21],
  [3000, 33],
  [3000, 150],
]) {
  test(`confusion of ${n} pixels, ${c} classes, over two batches`, async () => {
    const device = await testDevice();
    const counts = confusionCounts(device, c);
    const want = new Uint32Array(c * c);
    for (const seed of [1, 2]) {
      const rng = new Rng(seed, 8);
      const truth = Int32Array.from({ length: n }, () => [255, -1, c, rng.int(c), rng.int(c), rng.int(c)][rng.int(6)]);
      const prediction = Int32Array.from({ length: n }, () => rng.int(c));
      truth.forEach((t, i) => {
        if (t >= 0 && t < c) want[t * c + prediction[i]]++;
      });
      addConfusion(counts, device.tensor(truth, [n]), device.tensor(prediction, [n]));
    }
    assert.equal([...(await counts.read())], [...want]);
  });
}

test('the worked example of the method specification', async () => {
  const device = await testDevice();
  const counts = confusionCounts(device, 4);
  addConfusion(
    counts,
    device.tensor(Int32Array.of(0, 0, 1, 1, 2, 255, 1, 0), [8]),
    device.tensor(Int32Array.of(0, 1, 1, 1, 0, 2, 1, 0), [8]),
  );
  assert.equal([...(await counts.read())], [2, 1, 0, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
});

for (const c of [2, 40]) {
  test(`${c} classes: a count near 2^32 is exact up to the greatest number, and stays there`, async () => {
    const device = await testDevice();
    const counts = confusionCounts(device, c);
    const most = 2 ** 32 - 1;
    const n = 70000;
    const start = new Uint32Array(c * c);
    start.set([most - n - 1, most - n, most - n + 1, most]);
    device.write(counts, start);
    // All of one cell, for each of the first four in turn.
    for (const [t, p] of c === 2
      ? [
          [0, 0],
          [0, 1],
          [1, 0],
          [1, 1],
        ]
      : [
          [0, 0],
          [0, 1],
          [0, 2],
          [0, 3],
        ]) {
      const all = (v: number): Tensor => device.tensor(new Int32Array(n).fill(v), [n]);
      addConfusion(counts, all(t), all(p));
    }
    assert.equal([...(await counts.read())].slice(0, 4), [most - 1, most, most, most]);
    counts.dispose();
  });
}

test('an ignore index that is a class, and shapes that do not fit', async () => {
  const device = await testDevice();
  const counts = confusionCounts(device, 2);
  addConfusion(counts, device.tensor(Int32Array.of(0, 1), [2]), device.tensor(Int32Array.of(0, 1), [2]), 0);
  assert.equal([...(await counts.read())], [0, 0, 0, 1]);
  assert.throws(() => addConfusion(counts, device.empty([2], 'i32'), device.empty([3], 'i32')), says(/one shape/));
  assert.throws(
    () => addConfusion(device.empty([4], 'u32'), device.empty([2], 'i32'), device.empty([2], 'i32')),
    /\[C, C\]/,
  );
});

test.run();
