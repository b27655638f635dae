// Variance and standard deviation over any axes.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { std, variance } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';
import { named, reduceBy, REDUCTIONS } from '../support/reduction.ts';

function reference(v: number[], correction: number): number {
  const m = v.reduce((a, b) => a + b, 0) / v.length;
  return v.reduce((s, e) => s + (e - m) ** 2, 0) / (v.length - correction);
}

const several = REDUCTIONS.filter((c) => !c.shape.every((d) => d === 1));

const cases: OpCase[] = several.flatMap((c) => {
  const { shape, axes, keepdim = false } = c;
  return [0, 1].flatMap((correction): OpCase[] => [
    {
      name: `${named('variance', c)} correction ${correction}`,
      inputs: { x: { shape } },
      run: ({ x }) => variance(x, axes, { keepdim, correction }),
      reference: ({ x }) => reduceBy(x, axes, keepdim, (v) => reference(v, correction)),
    },
    {
      name: `${named('std', c)} correction ${correction}`,
      inputs: { x: { shape } },
      run: ({ x }) => std(x, axes, { keepdim, correction }),
      reference: ({ x }) => reduceBy(x, axes, keepdim, (v) => Math.sqrt(reference(v, correction))),
    },
  ]);
});

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('a large offset does not drown the variance', async () => {
  const device = await testDevice();
  const v = Float32Array.from({ length: 1000 }, (_, i) => 10000 + (i % 2));
  assert.ok(Math.abs((await variance(device.tensor(v, [1000]), 0, { correction: 0 }).item()) - 0.25) < 1e-4);
});

test('too few elements are NaN, equal ones have no gradient', async () => {
  const device = await testDevice();
  const [a, b, c] = await device.read([
    variance(device.tensor([1, 2], [2, 1]), 1),
    std(device.empty([2, 0]), 1),
    variance(device.tensor([3], [1]), 0, { correction: 0 }),
  ]);
  assert.equal([[...a], [...b], [...c]], [[NaN, NaN], [NaN, NaN], [0]]);
  const x = device.tensor([2, 2, 2], [3]);
  x.requiresGrad = true;
  assert.equal([...(await grad(std(x), [x])[0].read())], [0, 0, 0]);
  assert.throws(() => variance(x, 0, { correction: -1 }), /correction is -1/);
  assert.throws(() => std(device.empty([2], 'i32')), /is i32/);
});

test.run();
