// Cross-entropy and negative log-likelihood: every option and denominator against float64, pixels that must not count,
// and the case without valid pixels.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import {
  crossEntropy,
  crossEntropyMap,
  logSoftmax,
  nll,
  nllMap,
  type CrossEntropyOptions,
} from '../../runtime/ops/index.ts';
import type { Shape, Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, f64, type CaseInput, type F64, type OpCase } from '../support/op.ts';
import { says } from '../support/errors.ts';

type Plain = Omit<CrossEntropyOptions, 'classWeights' | 'pixelWeight'>;

/** The losses of the pixels and their shares of the denominator. */
function reference(t: Record<string, F64>, o: Plain, map: boolean): F64 {
  const c = t.logits.shape.at(-1)!;
  const n = t.labels.data.length;
  const s = o.labelSmoothing ?? 0;
  const losses = new Float64Array(n);
  let valid = 0;
  let weight = 0;
  let kept = 0;
  for (let p = 0; p < n; p++) {
    const label = t.labels.data[p];
    if (label === (o.ignoreIndex ?? 255) || label < 0 || label >= c) continue;
    const z = t.logits.data.subarray(p * c, p * c + c);
    const top = Math.max(...z);
    const l = top + Math.log(z.reduce((a, v) => a + Math.exp(v - top), 0));
    const k = (i: number): number => t.classWeights?.data[i] ?? 1;
    const w = t.pixelWeight?.data[p] ?? 1;
    if (o.focalGamma) {
      losses[p] = w * k(label) * (1 - Math.exp(z[label] - l)) ** o.focalGamma * (l - z[label]);
    } else
      losses[p] = w * ((1 - s) * k(label) * (l - z[label]) + (s / c) * z.reduce((a, v, i) => a + k(i) * (l - v), 0));
    valid++;
    weight += k(label);
    kept += w;
  }
  if (map) return { shape: t.labels.shape, data: losses };
  const d = o.denominator ?? 'valid';
  const by = typeof d === 'number' ? d : { valid, weight, kept, all: n, 'none-sum': 1 }[d];
  return f64([], [by === 0 ? 0 : losses.reduce((a, v) => a + v, 0) / by]);
}

const labelsFor =
  (c: number, ignore: number) =>
  (rng: { uniform(): number; int(n: number): number }): number =>
    rng.uniform() < 0.2 ? ignore : rng.int(c);

function makeCase(shape: Shape, o: Plain, weights: { k?: boolean; w?: boolean } = {}, map = false): OpCase {
  const c = shape.at(-1)!;
  const pixels = shape.slice(0, -1);
  const inputs: Record<string, CaseInput> = {
    logits: { shape, draw: (r) => 3 * r.normal() },
    labels: { shape: pixels, dtype: 'i32', draw: labelsFor(c, o.ignoreIndex ?? 255) },
  };
  if (weights.k) inputs.classWeights = { shape: [c], grad: false, draw: (r) => 0.2 + r.uniform() };
  if (weights.w)
    inputs.pixelWeight = { shape: pixels, grad: false, draw: (r) => (r.uniform() < 0.4 ? 0 : r.uniform()) };
  const given = ({ classWeights, pixelWeight }: Record<string, Tensor>): CrossEntropyOptions => ({
    ...o,
    classWeights,
    pixelWeight,
  });
  return {
    name: `crossEntropy${map ? 'Map' : ''} [${shape}] ${JSON.stringify(o)} ${Object.keys(weights)}`,
    inputs,
    run: (t) => (map ? crossEntropyMap(t.logits, t.labels, given(t)) : crossEntropy(t.logits, t.labels, given(t))),
    reference: (t) => reference(t, o, map),
  };
}

const cases: OpCase[] = [
  makeCase([7, 1], {}),
  makeCase([5, 3], { denominator: 'all' }),
  makeCase([2, 3, 5, 5], { denominator: 'weight' }, { k: true }),
  makeCase([2, 9, 8, 11], { ignoreIndex: -1, labelSmoothing: 0.1, denominator: 'weight' }, { k: true }),
  makeCase([2, 9, 8, 4], { ignoreIndex: 0, labelSmoothing: 0.2 }),
  makeCase([2, 9, 8, 21], { denominator: 'kept' }, { w: true }),
  makeCase([3, 17, 3], { denominator: 'none-sum' }, { k: true, w: true }),
  makeCase([3, 17, 256], { denominator: 37.5 }, { w: true }),
  makeCase([2, 9, 8, 5], { focalGamma: 2 }, { k: true, w: true }),
  makeCase([2, 9, 8, 3], { focalGamma: 1.5 }, {}, true),
  makeCase([2, 48, 64, 16], { denominator: 'valid' }, { w: true }),
  makeCase([2, 9, 8, 5], { labelSmoothing: 0.1 }, { k: true, w: true }, true),
  makeCase([70, 3], {}, {}, true),
];

cases.push(
  makeCase([5], {}),
  makeCase([5], { focalGamma: 2 }),
  makeCase([2, 3, 2, 5, 4], { focalGamma: 2 }),
  makeCase([2, 3, 2, 5, 4], { denominator: 'weight' }, { k: true }),
  makeCase([0, 4], {}),
  makeCase([0, 4], {}, {}, true),
);

/** The negative log-likelihood of log-probabilities is linear in them. */
function nllCase(shape: Shape, o: Plain, weights: { k?: boolean; w?: boolean } = {}, map = false): OpCase {
  const given = makeCase(shape, o, weights, map);
  return {
    ...given,
    name: given.name.replace('crossEntropy', 'nll'),
    run: ({ logits, labels, classWeights, pixelWeight }) =>
      (map ? nllMap : nll)(logits, labels, { ...o, classWeights, pixelWeight }),
    reference: ({ logits, labels, classWeights, pixelWeight }) => {
      const c = shape.at(-1)!;
      const ignore = o.ignoreIndex ?? 255;
      const k = (p: number): number => classWeights?.data[labels.data[p]] ?? 1;
      const counts = [...labels.data.keys()].filter((p) => labels.data[p] !== ignore);
      const losses = f64(labels.shape);
      for (const p of counts)
        losses.data[p] = -(pixelWeight?.data[p] ?? 1) * k(p) * logits.data[p * c + labels.data[p]];
      if (map) return losses;
      const by =
        o.denominator === 'weight'
          ? counts.reduce((s, p) => s + k(p), 0)
          : o.denominator === 'none-sum'
            ? 1
            : counts.length;
      return f64([], [by === 0 ? 0 : losses.data.reduce((s, v) => s + v, 0) / by]);
    },
  };
}

cases.push(
  nllCase([5], {}),
  nllCase([7, 1], {}),
  nllCase([2, 9, 8, 11], { denominator: 'weight' }, { k: true }),
  nllCase([2, 3, 4, 2, 3], { denominator: 'none-sum', ignoreIndex: 0 }, { w: true }),
  nllCase([3, 17, 3], {}, { k: true, w: true }, true),
  nllCase([0, 3], {}),
);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('more pixels than one pass of the grid holds', async () => {
  const device = await testDevice();
  const n = 64 * 1024 + 4321;
  const logits = device.tensor(
    Float32Array.from({ length: 2 * n }, (_, i) => Math.sin(i)),
    [n, 2],
  );
  const labels = device.tensor(
    Int32Array.from({ length: n }, (_, i) => [0, 1, 255][i % 3]),
    [n],
  );
  const want = reference({ logits: f64([n, 2], await logits.read()), labels: f64([n], await labels.read()) }, {}, false)
    .data[0];
  assert.ok(Math.abs((await crossEntropy(logits, labels).item()) - want) < 1e-5);
});

test('cross-entropy is the negative log-likelihood of the log-softmax, gradient and all', async () => {
  const device = await testDevice();
  const logits = device.tensor(
    Float32Array.from({ length: 60 }, (_, i) => 3 * Math.sin(i)),
    [4, 5, 3],
  );
  const labels = device.tensor(
    Int32Array.from({ length: 20 }, (_, i) => [0, 1, 2, 255][i % 4]),
    [4, 5],
  );
  logits.requiresGrad = true;
  const y = [crossEntropy(logits, labels), nll(logSoftmax(logits), labels)];
  const [a, b, da, db] = await device.read([...y, ...y.map((l) => grad(l, [logits])[0])]);
  close(a, b, 1e-6, 'loss');
  close(da, db, 1e-6, 'gradient');
});

test('no valid pixel: loss and gradient are 0', async () => {
  const device = await testDevice();
  const logits = device.tensor([1, 2, 3, 4], [2, 2]);
  const labels = device.tensor(Int32Array.of(255, 255), [2]);
  logits.requiresGrad = true;
  for (const denominator of ['valid', 'kept', 'weight', 'all'] as const) {
    const y = crossEntropy(logits, labels, { denominator });
    assert.is(await y.item(), 0);
    assert.equal([...(await grad(y, [logits])[0].read())], [0, 0, 0, 0]);
  }
});

test('the logits of ignored and of gated pixels do not matter', async () => {
  const device = await testDevice();
  const labels = device.tensor(Int32Array.of(0, 255, 1), [3]);
  const pixelWeight = device.tensor([1, 1, 0], [3]);
  const at = async (v: number): Promise<number> =>
    crossEntropy(device.tensor([1, 2, v, -v, 3 * v, 0], [3, 2]), labels, { pixelWeight }).item();
  assert.is(await at(1), await at(-1e30));
});

test('huge logits', async () => {
  const device = await testDevice();
  const logits = device.tensor([1e30, 0, -1e30, 3e38, -3e38, 0], [2, 3]);
  assert.ok(Math.abs(await crossEntropy(logits, device.tensor(Int32Array.of(0, 0), [2])).item()) < 1e-6);
  // A common offset changes neither the loss nor the gradient.
  const far = device.tensor([30001, 30000, 30000], [1, 3]);
  far.requiresGrad = true;
  const [d] = grad(crossEntropy(far, device.tensor(Int32Array.of(0), [1])), [far]);
  close(await d.read(), [0.57611688 - 1, 0.21194156, 0.21194156], 1e-6, 'gradient');
});

test('shapes that do not fit', async () => {
  const device = await testDevice();
  const logits = device.empty([2, 3, 4]);
  assert.throws(() => crossEntropy(logits, device.empty([2, 4], 'i32')), says(/labels \[2,4\].*\[2,3\]/));
  assert.throws(() => crossEntropy(logits, device.empty([2, 3])), says(/f32/));
  assert.throws(
    () => crossEntropy(logits, device.empty([2, 3], 'i32'), { classWeights: device.empty([3]) }),
    says(/4 classes/),
  );
  assert.throws(
    () => crossEntropy(logits, device.empty([2, 3], 'i32'), { pixelWeight: device.empty([3]) }),
    says(/pixel weights/),
  );
  assert.throws(() => crossEntropy(logits, device.empty([2, 3], 'i32'), { denominator: 0 }), says(/positive/));
  assert.throws(() => crossEntropy(logits, device.empty([2, 3], 'i32'), { labelSmoothing: 2 }), says(/smoothing/));
  assert.throws(
    () => crossEntropy(logits, device.empty([2, 3], 'i32'), { focalGamma: 2, labelSmoothing: 0.1 }),
    says(/focal exponent/),
  );
});

test('a NaN logit: its pixel has a NaN loss and gradient, the others have theirs; an ignored or unweighted pixel has none', async () => {
  const device = await testDevice();
  const rows = (v: number): number[] => [1, 2, 3, v, 1, 2, 3, v, 1, 0, v, 2];
  const labels = device.tensor(Int32Array.of(2, 1, 255, 0), [4]);
  const pixelWeight = device.tensor([1, 1, 1, 0], [4]);
  for (const options of [{}, { labelSmoothing: 0.1 }, { focalGamma: 2 }]) {
    const all = async (v: number, masked: number): Promise<{ losses: number[]; loss: number; dx: number[] }> => {
      const x = device.tensor(
        rows(v).map((e, i) => (i === 7 || i === 10 ? masked : e)),
        [4, 3],
      );
      x.requiresGrad = true;
      const o = { ...options, pixelWeight };
      const loss = crossEntropy(x, labels, o);
      return {
        losses: [...(await crossEntropyMap(x, labels, o).read())],
        loss: await loss.item(),
        dx: [...(await grad(loss, [x])[0].read())],
      };
    };
    const clean = await all(0, 0);
    const hidden = await all(0, NaN);
    const bad = await all(NaN, NaN);
    assert.equal(hidden, clean, 'what is left out leaves nothing behind');
    assert.equal(
      bad.losses,
      clean.losses.map((l, i) => (i === 1 ? NaN : l)),
    );
    assert.equal(bad.loss, NaN);
    assert.equal(
      bad.dx,
      clean.dx.map((g, i) => (i >= 3 && i < 6 ? NaN : g)),
    );
  }
});

test('infinite logits as in log-softmax: +Infinity makes the pixel NaN, -Infinity rules a class out', async () => {
  const device = await testDevice();
  const x = device.tensor([Infinity, 0, -Infinity, 0], [2, 2]);
  assert.equal([...(await crossEntropyMap(x, device.tensor(Int32Array.of(1, 1), [2])).read())], [NaN, 0]);
  assert.equal([...(await crossEntropyMap(x, device.tensor(Int32Array.of(0, 0), [2])).read())], [NaN, Infinity]);
});

test('nll: a NaN class weight stays with its class', async () => {
  const device = await testDevice();
  const x = device.tensor([-1, -2, -3, -1, -2, -3], [2, 3]);
  x.requiresGrad = true;
  const y = nllMap(x, device.tensor(Int32Array.of(0, 1), [2]), { classWeights: device.tensor([1, NaN, 1], [3]) });
  assert.equal([...(await y.read())], [1, NaN]);
  const [dx] = grad(y, [x], { dy: device.tensor([1, 1], [2]) });
  assert.equal(
    [...(await dx.read())].map((g) => (g === 0 ? 0 : g)),
    [-1, 0, 0, 0, NaN, 0],
  );
});

test.run();
