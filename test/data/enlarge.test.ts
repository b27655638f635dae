// Probabilities at another size, against the engine's bilinear interpolation.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resizeBilinear } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { resizeProbabilities } from '../../src/data/enlarge.ts';
import { testDevice } from '../support/device.ts';

/** The engine's coordinates are f32: of 128 columns they are off by 8e-6. */
const TOLERANCE = 5e-5;

for (const [from, to, classes] of [
  [[13, 17], [101, 64], 5],
  [[40, 31], [9, 31], 3],
  [[1, 2], [7, 5], 2],
  [[6, 6], [6, 6], 1],
  [[96, 128], [720, 960], 11],
] as const) {
  test(`${classes} classes from ${from.join('x')} to ${to.join('x')}`, async () => {
    const rng = new Rng(1, 0);
    const p = Float32Array.from({ length: from[0] * from[1] * classes }, () => rng.uniform());
    const { labels, confidence } = resizeProbabilities(p, from, to);
    assert.equal([labels.length, confidence.length], [to[0] * to[1], to[0] * to[1]]);
    const want = await resizeBilinear((await testDevice()).tensor(p, [1, ...from, classes]), to).read();
    for (let i = 0; i < labels.length; i++) {
      const all = want.subarray(i * classes, (i + 1) * classes);
      const most = Math.max(...all);
      assert.ok(Math.abs(confidence[i] - most) < TOLERANCE, `pixel ${i}: ${confidence[i]}, not ${most}`);
      assert.ok(most - all[labels[i]] < TOLERANCE, `pixel ${i}: class ${labels[i]} of ${all}`);
    }
  });
}

test('a pixel that sees a NaN has its class and no confidence', () => {
  const p = Float32Array.of(0.9, 0.1, NaN, 0.2, 0.3, 0.7, NaN, NaN);
  const { labels, confidence } = resizeProbabilities(p, [2, 2], [2, 2]);
  assert.equal([...labels], [0, 0, 1, 0]);
  assert.equal(
    [...confidence].map((v) => Number(v.toFixed(3))),
    [0.9, NaN, 0.7, NaN],
  );
});

test.run();
