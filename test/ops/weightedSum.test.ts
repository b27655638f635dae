// Weighted sums against float64, with weights that are numbers and weights from tensors.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { weightedSum } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';

const cases: OpCase[] = [[], [7], [2, 48, 64, 5]].flatMap((shape): OpCase[] => [
  {
    name: `weightedSum of 1 [${shape}]`,
    inputs: { a: { shape } },
    run: ({ a }) => weightedSum([[a, -2.5]]),
    reference: ({ a }) => ({ shape, data: a.data.map((v) => -2.5 * v) }),
  },
  {
    name: `weightedSum of 3 [${shape}]`,
    inputs: { a: { shape }, b: { shape }, c: { shape }, s: { shape: [], grad: false } },
    run: ({ a, b, c, s }) => weightedSum([[a], [b, s], [c, 0.25, s]]),
    reference: ({ a, b, c, s }) => ({
      shape,
      data: a.data.map((v, i) => v + s.data[0] * (b.data[i] + 0.25 * c.data[i])),
    }),
  },
  {
    name: `the same term twice [${shape}]`,
    inputs: { a: { shape }, s: { shape: [], grad: false } },
    run: ({ a, s }) =>
      weightedSum([
        [a, s],
        [a, 3],
      ]),
    reference: ({ a, s }) => ({ shape, data: a.data.map((v) => (s.data[0] + 3) * v) }),
  },
]);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('shapes that do not fit', async () => {
  const device = await testDevice();
  const a = device.empty([2]);
  assert.throws(() => weightedSum([]), /no terms/);
  assert.throws(() => weightedSum([[a], [device.empty([3])]]), says(/one shape/));
  assert.throws(() => weightedSum([[a, device.empty([3])]]), /a weight is \[3\]/);
});

test('two tensors as one weight are refused, not dropped', async () => {
  const device = await testDevice();
  const a = device.empty([2]);
  const s = device.empty([]);
  assert.throws(() => weightedSum([[a, s, s]]), /two tensors as its weight/);
});

test.run();
