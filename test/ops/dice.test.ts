// Soft Dice against float64.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { dice, softDice } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type OpCase } from '../support/op.ts';

function makeCase(shape: Shape, smooth: number, ignoreIndex = 255): OpCase {
  const c = shape.at(-1)!;
  return {
    name: `dice [${shape}] smooth ${smooth} ignore ${ignoreIndex}`,
    inputs: {
      logits: { shape, draw: (r) => 2 * r.normal() },
      labels: { shape: shape.slice(0, -1), dtype: 'i32', draw: (r) => (r.uniform() < 0.2 ? ignoreIndex : r.int(c)) },
    },
    run: ({ logits, labels }) => dice(logits, labels, { smooth, ignoreIndex }),
    reference: ({ logits, labels }) => {
      const both = new Float64Array(c);
      const p = new Float64Array(c);
      const t = new Float64Array(c);
      labels.data.forEach((label, i) => {
        if (label === ignoreIndex) return;
        const z = logits.data.subarray(i * c, i * c + c);
        const top = Math.max(...z);
        const sum = z.reduce((s, v) => s + Math.exp(v - top), 0);
        z.forEach((v, k) => (p[k] += Math.exp(v - top) / sum));
        both[label] += Math.exp(z[label] - top) / sum;
        t[label]++;
      });
      return f64([], [1 - both.reduce((s, v, k) => s + (2 * v + smooth) / (p[k] + t[k] + smooth), 0) / c]);
    },
  };
}

const cases = [
  makeCase([7, 1], 1),
  makeCase([2, 5, 6, 3], 1),
  makeCase([2, 9, 8, 5], 0.1, -1),
  makeCase([2, 9, 8, 11], 0, 0),
  makeCase([2, 48, 64, 16], 1),
  makeCase([40, 70], 1),
  makeCase([150, 150, 3], 1),
  makeCase([5], 1),
  makeCase([2, 3, 2, 5, 4], 1),
  makeCase([0, 3], 1),
];
for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('nothing valid, and shapes that do not fit', async () => {
  const device = await testDevice();
  const logits = device.empty([2, 3]);
  device.clear(logits);
  const y = await dice(logits, device.tensor(Int32Array.of(255, 255), [2])).item();
  assert.is(y, 0);
  assert.throws(() => dice(logits, device.empty([3], 'i32')), /labels \[3\]/);
  assert.throws(() => dice(logits, device.empty([2], 'i32'), { smooth: -1 }), /smooth/);
});

for (const perImage of [false, true])
  for (const squared of [false, true])
    for (const reduction of ['mean', 'none'] as const) {
      const shape = [3, 4, 5, 2];
      const c: OpCase = {
        name: `softDice ${perImage ? 'for each image' : 'over the batch'}${squared ? ', squared' : ''}, ${reduction}`,
        inputs: { p: { shape, draw: (r) => r.uniform() }, t: { shape, draw: (r) => r.uniform() } },
        run: ({ p, t }) => softDice(p, t, { perImage, squared, reduction, smooth: 0.5 }),
        reference: ({ p, t }) => {
          const groups = perImage ? 6 : 2;
          const of = (i: number): number => (perImage ? Math.floor(i / 40) * 2 : 0) + (i % 2);
          const both = Array<number>(groups).fill(0);
          const sizes = Array<number>(groups).fill(0);
          p.data.forEach((v, i) => {
            const u = t.data[i];
            both[of(i)] += v * u;
            sizes[of(i)] += squared ? v * v + u * u : v + u;
          });
          const each = both.map((b, k) => 1 - (2 * b + 0.5) / (sizes[k] + 0.5));
          return reduction === 'mean'
            ? f64([], [each.reduce((a, b) => a + b) / groups])
            : f64(perImage ? [3, 2] : [2], each);
        },
      };
      test(c.name, async () => checkCase(await testDevice(), c));
    }

test('NaN logits of an ignored pixel change nothing; those of another make loss and gradient NaN', async () => {
  const device = await testDevice();
  const labels = device.tensor(Int32Array.of(0, 255, 1), [3]);
  const all = async (ignored: number, seen: number): Promise<number[]> => {
    const x = device.tensor([1, 2, ignored, 0, 3, seen], [3, 2]);
    x.requiresGrad = true;
    const loss = dice(x, labels);
    return [await loss.item(), ...(await grad(loss, [x])[0].read())];
  };
  assert.equal(await all(NaN, 1), await all(0, 1));
  assert.equal((await all(0, NaN)).map(Number.isNaN), [true, true, true, false, false, true, true]);
});

test.run();
