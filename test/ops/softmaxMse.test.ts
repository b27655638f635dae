// Squared error of softmax probabilities against float64, for both branches.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { softmaxMse, type SoftmaxMseOptions } from '../../src/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, f64, type CaseInput, type OpCase } from '../support/op.ts';

const softmax = (z: Float64Array): Float64Array => {
  const top = Math.max(...z);
  const e = z.map((v) => Math.exp(v - top));
  const sum = e.reduce((a, v) => a + v, 0);
  return e.map((v) => v / sum);
};

function makeCase(
  shape: Shape,
  o: Omit<SoftmaxMseOptions, 'pixelWeight' | 'scalar'>,
  tensors: { w?: boolean; s?: boolean } = {},
): OpCase {
  const c = shape.at(-1)!;
  const inputs: Record<string, CaseInput> = {
    logits: { shape, draw: (r) => 2 * r.normal() },
    targets: {
      shape,
      grad: o.targetGradient ?? false,
      draw: o.targetLogits ? (r) => 2 * r.normal() : (r) => r.uniform(),
    },
  };
  if (tensors.w)
    inputs.pixelWeight = { shape: shape.slice(0, -1), grad: false, draw: (r) => (r.uniform() < 0.4 ? 0 : r.uniform()) };
  if (tensors.s) inputs.scalar = { shape: [], grad: false };
  return {
    name: `softmaxMse [${shape}] ${JSON.stringify(o)} ${Object.keys(tensors)}`,
    inputs,
    run: ({ logits, targets, pixelWeight, scalar }) => softmaxMse(logits, targets, { ...o, pixelWeight, scalar }),
    reference: ({ logits, targets, pixelWeight, scalar }) => {
      let sum = 0;
      let kept = 0;
      const n = logits.data.length / c;
      for (let i = 0; i < n; i++) {
        const p = softmax(logits.data.subarray(i * c, i * c + c));
        const raw = targets.data.subarray(i * c, i * c + c);
        const q = o.targetLogits ? softmax(raw) : raw;
        const w = pixelWeight?.data[i] ?? 1;
        sum += w * (scalar?.data[0] ?? 1) * p.reduce((a, v, k) => a + (v - q[k]) ** 2, 0);
        kept += w;
      }
      const count = o.over === 'kept' ? kept : n;
      const r = o.reduction ?? 'meanC';
      return f64([], [sum / (typeof r === 'number' ? r : { meanC: c * count, sumC: count, 'none-sum': 1 }[r])]);
    },
  };
}

const cases: OpCase[] = [
  makeCase([5, 3], {}),
  makeCase([7, 11], { targetLogits: true }),
  makeCase([2, 5, 6, 5], { targetLogits: true, targetGradient: true, reduction: 'sumC' }, { w: true, s: true }),
  makeCase([2, 5, 6, 4], { reduction: 'meanC', over: 'kept' }, { w: true }),
  makeCase([2, 5, 6, 21], { reduction: 'sumC', over: 'kept' }, { w: true, s: true }),
  makeCase([2, 5, 6, 3], { reduction: 12 }),
  makeCase([2, 48, 64, 16], { reduction: 'none-sum', targetLogits: true }),
];

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('the worked example of the method specification', async () => {
  const device = await testDevice();
  const z = device.tensor([1, 0, 0], [1, 3]);
  const q = device.tensor([0.5, 0.4, 0.1], [1, 3]);
  z.requiresGrad = q.requiresGrad = true;
  const y = softmaxMse(z, q);
  const [dz, dq] = grad(y, [z, q]);
  close([await y.item()], [0.01789689], 1e-6, 'loss');
  close(await dz.read(), [0.01858822, -0.03048826, 0.01190005], 1e-6, 'gradient');
  assert.equal([...(await dq.read())], [0, 0, 0]);
});

test('shapes that do not fit', async () => {
  const device = await testDevice();
  const z = device.empty([2, 3]);
  assert.throws(() => softmaxMse(z, device.empty([3, 2])), says(/one shape/));
  assert.throws(() => softmaxMse(z, z, { targetGradient: true }), says(/targetLogits/));
  assert.throws(() => softmaxMse(z, z, { pixelWeight: z }), /pixel weights/);
  assert.throws(() => softmaxMse(z, z, { scalar: z }), /scalar/);
  assert.throws(() => softmaxMse(z, z, { reduction: NaN }), /reduction is NaN/);
});

test.run();
