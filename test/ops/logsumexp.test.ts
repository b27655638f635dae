// Logarithm of a sum of exponentials over any axes.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { logsumexp } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, type OpCase } from '../support/op.ts';
import { named, reduceBy, REDUCTIONS } from '../support/reduction.ts';

function reference(v: number[]): number {
  const top = v.reduce((a, b) => Math.max(a, b), -Infinity);
  return top + Math.log(v.reduce((s, e) => s + Math.exp(e - top), 0));
}

const cases: OpCase[] = REDUCTIONS.map((c) => ({
  name: named('logsumexp', c),
  inputs: { x: { shape: c.shape, draw: (rng) => 3 * rng.normal() } },
  run: ({ x }) => logsumexp(x, c.axes, { keepdim: c.keepdim }),
  reference: ({ x }) => reduceBy(x, c.axes, c.keepdim ?? false, reference),
}));

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('huge values do not overflow, -Infinity counts nothing', async () => {
  const device = await testDevice();
  const y = await logsumexp(device.tensor([1e30, 1e30, -1e30, -1e4, -1e4, -Infinity], [2, 3]), 1).read();
  close(y, [1e30, -1e4 + Math.LN2], 1e-6, 'y');
  assert.equal([...(await logsumexp(device.tensor([-Infinity, -Infinity], [2])).read())], [-Infinity]);
  assert.equal([...(await logsumexp(device.empty([2, 0]), 1).read())], [-Infinity, -Infinity]);
  assert.throws(() => logsumexp(device.empty([2], 'i32')), /is i32/);
});

test.run();
