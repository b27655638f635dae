// Pseudo-labels, the gate, and the counts, against plain loops.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import {
  acceptedShare,
  countPseudoLabels,
  gate,
  predictionEntropy,
  pseudoLabel,
  pseudoLabelCounts,
  pseudoLabelStats,
} from '../../src/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';
import { says } from '../support/errors.ts';

function expected(z: Float32Array, c: number, probabilities = false): { label: number[]; confidence: number[] } {
  const label: number[] = [];
  const confidence: number[] = [];
  for (let p = 0; p < z.length / c; p++) {
    const row = Array.from(z.subarray(p * c, p * c + c));
    const best = row.indexOf(Math.max(...row));
    label.push(best);
    confidence.push(probabilities ? row[best] : 1 / row.reduce((s, v) => s + Math.exp(v - row[best]), 0));
  }
  return { label, confidence };
}

for (const shape of [
  [5, 1],
  [7, 3],
  [2, 9, 8, 5],
  [2, 9, 8, 11],
  [2, 48, 64, 16],
  [3, 256],
]) {
  test(`pseudoLabel [${shape}]`, async () => {
    const device = await testDevice();
    const rng = new Rng(2, 9);
    const c = shape.at(-1)!;
    const z = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 2 * rng.normal());
    const logits = device.tensor(z, shape);
    for (const probabilities of [false, true]) {
      const got = pseudoLabel(logits, { probabilities });
      const want = expected(z, c, probabilities);
      assert.equal([...got.label.shape], shape.slice(0, -1));
      assert.equal([...(await got.label.read())], want.label);
      close(await got.confidence.read(), want.confidence, 1e-6, 'confidence');
    }
  });
}

test('the first of equal classes wins; huge logits are fine', async () => {
  const device = await testDevice();
  const { label, confidence } = pseudoLabel(device.tensor([1, 3, 3, 0, 0, 0, -3e38, 3e38, 3e38], [3, 3]));
  assert.equal([...(await label.read())], [1, 0, 1]);
  close(await confidence.read(), [1 / (2 + Math.exp(-2)), 1 / 3, 0.5], 1e-6, 'confidence');
});

test('invalid pixels', async () => {
  const device = await testDevice();
  const valid = device.tensor([1, 0, 1], [3]);
  const { label, confidence } = pseudoLabel(device.tensor([2, 0, 3, 0, 0, 9], [3, 2]), { valid });
  assert.equal([...(await label.read())], [0, 255, 1]);
  assert.is((await confidence.read())[1], 0);
  assert.equal([...(await gate(confidence, 0).read())], [1, 1, 1]);
  assert.equal([...(await gate(confidence, 0, valid).read())], [1, 0, 1]);
});

test('the gate is >=, with tau as a number or from a tensor that changes between replays', async () => {
  const device = await testDevice();
  const confidence = device.tensor([0.25, 0.5, 0.75, 0.4999], [4]);
  assert.equal([...(await gate(confidence, 0.5).read())], [0, 1, 1, 0]);
  const step = plan(device, { tau: { shape: [] } }, ({ tau }) => ({ y: gate(confidence, tau) }));
  step.run({ tau: Float32Array.of(0.75) });
  assert.equal([...(await step.outputs.y.read())], [0, 0, 1, 0]);
  step.run({ tau: Float32Array.of(0) });
  assert.equal([...(await step.outputs.y.read())], [1, 1, 1, 1]);
  step.dispose();
  assert.throws(() => gate(confidence, device.empty([2])), /tau is \[2\]/);
});

test('share of accepted pixels', async () => {
  const device = await testDevice();
  const n = 70000;
  const accepted = device.tensor(
    Float32Array.from({ length: n }, (_, i) => (i % 4 === 0 ? 1 : 0)),
    [n],
  );
  assert.is(await acceptedShare(accepted).item(), 0.25);
  assert.is(
    await acceptedShare(
      accepted,
      device.tensor(
        Float32Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 1 : 0)),
        [n],
      ),
    ).item(),
    0.5,
  );
  assert.is(await acceptedShare(accepted, device.tensor(new Float32Array(n), [n])).item(), 0);
  assert.is(await acceptedShare(accepted, undefined, { inverse: true }).item(), 4);
  assert.is(await acceptedShare(device.tensor(new Float32Array(n), [n]), undefined, { inverse: true }).item(), 0);
});

test('entropy', async () => {
  const device = await testDevice();
  const rng = new Rng(1, 2);
  const z = Float32Array.from({ length: 70 * 5 }, () => 3 * rng.normal());
  const want = Array.from({ length: 70 }, (_, p) => {
    const e = Array.from(z.subarray(p * 5, p * 5 + 5), Math.exp);
    const sum = e.reduce((a, v) => a + v, 0);
    return -e.reduce((a, v) => a + (v / sum) * Math.log(v / sum), 0);
  });
  close(await predictionEntropy(device.tensor(z, [7, 10, 5])).read(), want, 1e-6, 'entropy');
  close(
    await predictionEntropy(device.tensor([3e38, -3e38, 0, 0], [2, 2])).read(),
    [0, Math.log(2)],
    1e-6,
    'huge logits',
  );
});

test('a gate that opens below tau, and a bound on tau', async () => {
  const device = await testDevice();
  const x = device.tensor([0.25, 0.5, 0.75], [3]);
  assert.equal([...(await gate(x, 0.5, undefined, { below: true }).read())], [1, 0, 0]);
  assert.equal([...(await gate(x, 0.5, device.tensor([0, 1, 1], [3]), { below: true }).read())], [0, 0, 0]);
  assert.equal([...(await gate(x, device.tensor([0.75], []), undefined, { atMost: 0.5 }).read())], [0, 1, 1]);
});

for (const [n, c] of [
  [10, 3],
  [70000, 21],
  [5000, 256],
]) {
  test(`counts of ${n} pixels, ${c} classes, over two batches`, async () => {
    const device = await testDevice();
    const counts = pseudoLabelCounts(device, c);
    const want = new Uint32Array(4 + c);
    for (const seed of [1, 2]) {
      const rng = new Rng(seed, 4);
      const label = Int32Array.from({ length: n }, () => (rng.uniform() < 0.1 ? 255 : rng.int(Math.min(c, 255))));
      const truth = label.map((l) => (rng.uniform() < 0.5 ? l : rng.uniform() < 0.3 ? 255 : rng.int(Math.min(c, 255))));
      const accepted = Float32Array.from(label, () => (rng.uniform() < 0.6 ? 1 : 0));
      label.forEach((l, i) => {
        if (l === 255) return;
        want[0]++;
        if (!accepted[i]) return;
        want[1]++;
        want[4 + l]++;
        if (truth[i] !== 255) want[2]++;
        if (truth[i] === l) want[3]++;
      });
      countPseudoLabels(counts, device.tensor(label, [n]), device.tensor(accepted, [n]), device.tensor(truth, [n]));
    }
    assert.equal([...(await counts.read())], [...want]);
    const stats = pseudoLabelStats((await counts.read()) as Uint32Array);
    assert.is(stats.accepted, want[1] / want[0]);
    assert.is(stats.accuracy, want[3] / want[2]);
    assert.is(stats.histogram.length, c);
  });
}

test('without truth there is no accuracy', async () => {
  const device = await testDevice();
  const counts = pseudoLabelCounts(device, 2);
  assert.equal(pseudoLabelStats((await counts.read()) as Uint32Array), {
    accepted: 0,
    accuracy: undefined,
    histogram: [0, 0],
  });
  countPseudoLabels(counts, device.tensor(Int32Array.of(1, 0), [2]), device.tensor([1, 0], [2]));
  assert.equal(pseudoLabelStats((await counts.read()) as Uint32Array), {
    accepted: 0.5,
    accuracy: undefined,
    histogram: [0, 1],
  });
  assert.throws(
    () => countPseudoLabels(device.empty([3]), device.empty([2], 'i32'), device.empty([2])),
    says(/pseudoLabelCounts/),
  );
});

test('shapes that do not fit', async () => {
  const device = await testDevice();
  assert.throws(() => pseudoLabel(device.empty([2, 3], 'i32')), /f32/);
  assert.throws(() => pseudoLabel(device.empty([2, 3]), { valid: device.empty([3]) }), /valid is \[3\]/);
});

test('a pixel with a NaN has the class of the first one, the confidence and entropy NaN, and opens no gate', async () => {
  for (const device of [await testDevice(), await gpuVariants(), await softwareVariants()]) {
    const rows = [
      [1, NaN, 2],
      [NaN, 1, NaN],
      [3, 1, 2],
      [1, 2, NaN],
    ];
    for (const probabilities of [false, true]) {
      const { label, confidence } = pseudoLabel(device.tensor(rows.flat(), [4, 3]), { probabilities });
      assert.equal([...(await label.read())], [1, 0, 0, 2]);
      assert.equal([...(await confidence.read())].map(Number.isNaN), [true, true, false, true]);
      for (const tau of [-Infinity, 0, 0.5]) {
        assert.equal([...(await gate(confidence, tau).read())], [0, 0, 1, 0]);
        assert.equal([...(await gate(confidence, device.tensor([tau], [])).read())], [0, 0, 1, 0]);
      }
    }
    const entropy = predictionEntropy(device.tensor(rows.flat(), [4, 3]));
    assert.equal([...(await entropy.read())].map(Number.isNaN), [true, true, false, true]);
    for (const tau of [Infinity, 100])
      assert.equal([...(await gate(entropy, tau, undefined, { below: true }).read())], [0, 0, 1, 0]);
    const sure = device.tensor([0.5, 0.9], [2]);
    const none = device.tensor([NaN], []);
    for (const options of [{}, { below: true }, { atMost: 0.7 }, { atMost: 0.7, below: true }]) {
      assert.equal([...(await gate(sure, none, undefined, options).read())], [0, 0], 'a threshold that is NaN');
    }
    // -Infinity is a class that is ruled out, not a fault.
    assert.ok(
      Math.abs((await predictionEntropy(device.tensor([0, 0, -Infinity], [1, 3])).read())[0] - Math.LN2) < 1e-6,
    );
  }
});

test('a gate that is NaN counts as closed, and shows in the share', async () => {
  const device = await testDevice();
  const counts = pseudoLabelCounts(device, 2);
  countPseudoLabels(counts, device.tensor(Int32Array.of(0, 1), [2]), device.tensor([NaN, 1], [2]));
  const stats = pseudoLabelStats((await counts.read()) as Uint32Array);
  assert.is(stats.accepted, 0.5);
  assert.ok(Number.isNaN(await acceptedShare(device.tensor([NaN, 1], [2])).item()));
  assert.ok(Number.isNaN(await acceptedShare(device.tensor([NaN, 1], [2]), undefined, { inverse: true }).item()));
});

test.run();
