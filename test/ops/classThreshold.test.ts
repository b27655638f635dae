// Class-wise thresholds against plain loops.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { classGate, updateClassConfidence } from '../../src/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';

/** n labels of c classes, the rarer the higher, one in ten of them 255, with confidences. */
function draw(rng: Rng, n: number, c: number): { label: Int32Array; confidence: Float32Array } {
  const label = Int32Array.from({ length: n }, () =>
    rng.uniform(0, 1) < 0.1 ? 255 : Math.floor(rng.uniform(0, 1) ** 3 * c),
  );
  return { label, confidence: Float32Array.from({ length: n }, () => rng.uniform(1 / c, 1)) };
}

function moved(means: number[], label: Int32Array, confidence: Float32Array, decay: number): number[] {
  return means.map((old, k) => {
    const mine = [...confidence].filter((_, p) => label[p] === k);
    if (!mine.length) return old;
    const mean = mine.reduce((a, b) => a + b) / mine.length;
    return old < 0 ? mean : decay * old + (1 - decay) * mean;
  });
}

for (const [n, c] of [
  [1, 1],
  [100, 3],
  [6912 * 4, 11],
  [70000, 256],
] as const) {
  test(`means and gate of ${n} pixels in ${c} classes, over three replays`, async () => {
    const device = await testDevice();
    const rng = new Rng(5, n);
    const means = device.keep(device.tensor(new Float32Array(c).fill(-1), [c]));
    const step = plan(
      device,
      { label: { shape: [n], dtype: 'i32' }, confidence: { shape: [n] }, valid: { shape: [n] } },
      ({ label, confidence, valid }) => {
        updateClassConfidence(means, label, confidence, 0.75);
        return {
          masked: classGate(label, confidence, means, 0.7, valid),
          plain: classGate(label, confidence, means, 0.7),
        };
      },
    );
    let want: number[] = Array(c).fill(-1);
    for (let k = 0; k < 3; k++) {
      const { label, confidence } = draw(rng, n, c);
      const valid = Float32Array.from({ length: n }, () => (rng.uniform(0, 1) < 0.8 ? 1 : 0));
      step.run({ label, confidence, valid });
      want = moved(want, label, confidence, 0.75);
      const got = (await means.read()) as Float32Array;
      close(got, want, 2e-5, 'means');
      // By the means as they are on the GPU: rounding must not decide.
      const tau = [...got].map((m) => (m < 0 ? Math.fround(0.7) : Math.min(m, Math.fround(0.7))));
      const open = [...label].map((y, p) => (y < c && confidence[p] >= tau[y] ? 1 : 0));
      assert.equal([...(await step.outputs.plain.read())], open);
      assert.equal(
        [...(await step.outputs.masked.read())],
        open.map((v, p) => v * valid[p]),
      );
    }
    step.dispose();
    means.dispose();
  });
}

test('a class that has not occurred has the threshold tau, and no pixels change nothing', async () => {
  const device = await testDevice();
  const means = device.tensor([-1, 0.5], [2]);
  const label = device.tensor(new Int32Array([0, 0, 1, 1, 255, -1]), [6]);
  const confidence = device.tensor([0.9, 0.8, 0.5, 0.4999, 1, 1], [6]);
  assert.equal([...(await classGate(label, confidence, means, 0.9).read())], [1, 0, 1, 0, 0, 0]);
  updateClassConfidence(means, device.tensor(new Int32Array([255]), [1]), device.tensor([1], [1]), 0.5);
  close(await means.read(), [-1, 0.5], 0, 'means');
});

test('shapes and dtypes are checked', async () => {
  const device = await testDevice();
  const means = device.tensor([-1, -1], [2]);
  const label = device.tensor(new Int32Array(4), [4]);
  const confidence = device.tensor(new Float32Array(4), [4]);
  assert.throws(
    () => updateClassConfidence(means, label, device.tensor(new Float32Array(3), [3]), 0.9),
    /updateClassConfidence/,
  );
  assert.throws(() => updateClassConfidence(means, label, confidence, 1.5), /decay/);
  assert.throws(() => classGate(confidence, confidence, means, 0.5), /classGate/);
  assert.throws(() => classGate(label, confidence, means, 0.5, device.tensor(new Float32Array(3), [3])), /valid/);
});

test('a NaN confidence is neither accepted nor part of a mean; a NaN threshold accepts nothing', async () => {
  const device = await testDevice();
  const means = device.tensor([-1, 0.5, NaN], [3]);
  const label = device.tensor(Int32Array.of(0, 0, 1, 1, 2), [5]);
  const confidence = device.tensor([NaN, 0.95, NaN, 0.6, 1], [5]);
  assert.equal([...(await classGate(label, confidence, means, 0.9).read())], [0, 1, 0, 1, 0]);
  const moved = device.tensor([-1, 0.5], [2]);
  updateClassConfidence(moved, device.tensor(Int32Array.of(0, 0, 1), [3]), device.tensor([NaN, 0.75, NaN], [3]), 0.5);
  close(await moved.read(), [0.75, 0.5], 1e-5, 'means');
});

test.run();
