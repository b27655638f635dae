// Cross-entropy with target distributions against float64: weights, smoothing, denominators, gradients of logits and of
// targets.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { softCrossEntropy, softCrossEntropyMap, type SoftCrossEntropyOptions } from '../../runtime/ops/index.ts';
import type { Shape, Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type CaseInput, type F64, type OpCase } from '../support/op.ts';

type Plain = Omit<SoftCrossEntropyOptions, 'classWeights' | 'pixelWeight'>;

function reference(t: Record<string, F64>, o: Plain, map: boolean): F64 {
  const c = t.logits.shape.at(-1)!;
  const n = t.logits.data.length / c;
  const s = o.labelSmoothing ?? 0;
  const losses = new Float64Array(n);
  let valid = 0;
  let kept = 0;
  for (let p = 0; p < n; p++) {
    const z = t.logits.data.subarray(p * c, p * c + c);
    const top = Math.max(...z);
    const l = top + Math.log(z.reduce((a, v) => a + Math.exp(v - top), 0));
    const w = t.pixelWeight?.data[p] ?? 1;
    losses[p] =
      w *
      z.reduce(
        (a, v, i) => a + (t.classWeights?.data[i] ?? 1) * ((1 - s) * t.targets.data[p * c + i] + s / c) * (l - v),
        0,
      );
    if (w !== 0) valid++;
    kept += w;
  }
  if (map) return { shape: t.logits.shape.slice(0, -1), data: losses };
  const d = o.denominator ?? 'valid';
  return f64(
    [],
    [losses.reduce((a, v) => a + v, 0) / (typeof d === 'number' ? d : { valid, kept, all: n, 'none-sum': 1 }[d])],
  );
}

function makeCase(shape: Shape, o: Plain, weights: { k?: boolean; w?: boolean } = {}, map = false): OpCase {
  const pixels = shape.slice(0, -1);
  const inputs: Record<string, CaseInput> = {
    logits: { shape, draw: (r) => 3 * r.normal() },
    targets: { shape, draw: (r) => r.uniform(), grad: o.targetGradient ?? false },
  };
  if (weights.k) inputs.classWeights = { shape: [shape.at(-1)!], grad: false, draw: (r) => 0.2 + r.uniform() };
  if (weights.w)
    inputs.pixelWeight = { shape: pixels, grad: false, draw: (r) => (r.uniform() < 0.4 ? 0 : r.uniform()) };
  const given = ({ classWeights, pixelWeight }: Record<string, Tensor>): SoftCrossEntropyOptions => ({
    ...o,
    classWeights,
    pixelWeight,
  });
  return {
    name: `softCrossEntropy${map ? 'Map' : ''} [${shape}] ${JSON.stringify(o)} ${Object.keys(weights)}`,
    inputs,
    run: (t) =>
      map ? softCrossEntropyMap(t.logits, t.targets, given(t)) : softCrossEntropy(t.logits, t.targets, given(t)),
    reference: (t) => reference(t, o, map),
  };
}

const cases: OpCase[] = [
  makeCase([7, 1], {}),
  makeCase([5, 3], { targetGradient: true, denominator: 'all' }),
  makeCase([2, 9, 8, 5], { targetGradient: true, labelSmoothing: 0.1, denominator: 'kept' }, { k: true, w: true }),
  makeCase([2, 9, 8, 11], { denominator: 'valid' }, { w: true }),
  makeCase([2, 9, 8, 4], { denominator: 'none-sum' }, { k: true }),
  makeCase([2, 48, 64, 16], { targetGradient: true, denominator: 123 }, { w: true }),
  makeCase([2, 9, 8, 5], { targetGradient: true, labelSmoothing: 0.1 }, { k: true, w: true }, true),
  makeCase([70, 3], {}, {}, true),
];

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('targets are constants unless their gradient is asked for', async () => {
  const device = await testDevice();
  const logits = device.tensor([1, 0, 0, 2], [2, 2]);
  const targets = device.tensor([0.5, 0.5, 1, 0], [2, 2]);
  targets.requiresGrad = logits.requiresGrad = true;
  const [dz, dq] = grad(softCrossEntropy(logits, targets), [logits, targets]);
  assert.ok((await dz.read()).some((v) => v !== 0));
  assert.equal([...(await dq.read())], [0, 0, 0, 0]);
  const [on] = grad(softCrossEntropy(logits, targets, { targetGradient: true }), [targets]);
  assert.ok((await on.read()).some((v) => v !== 0));
});

test('no valid pixel: 0', async () => {
  const device = await testDevice();
  const logits = device.tensor([1, 0], [1, 2]);
  logits.requiresGrad = true;
  const y = softCrossEntropy(logits, device.tensor([0, 1], [1, 2]), { pixelWeight: device.tensor([0], [1]) });
  assert.equal([await y.item(), ...(await grad(y, [logits])[0].read())], [0, 0, 0]);
});

test('shapes that do not fit', async () => {
  const device = await testDevice();
  const logits = device.empty([2, 3, 4]);
  assert.throws(() => softCrossEntropy(logits, device.empty([2, 3])), /targets \[2,3\]/);
  assert.throws(() => softCrossEntropy(logits, logits, { pixelWeight: device.empty([5]) }), /pixel weights/);
  assert.throws(() => softCrossEntropy(logits, logits, { denominator: 'weight' as 'all' }), /soft targets/);
});

test.run();
