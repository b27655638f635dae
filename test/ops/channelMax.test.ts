// Maximum over channels.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { channelMax } from '../../src/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';

const cases: OpCase[] = [[5], [3, 1], [2, 7, 9, 21]].map((shape) => {
  const c = shape.at(-1)!;
  const out = [...shape.slice(0, -1), 1];
  return {
    name: `channelMax [${shape}]`,
    inputs: { x: { shape } },
    run: ({ x }) => channelMax(x),
    reference: ({ x }) => ({
      shape: out,
      data: Float64Array.from({ length: x.data.length / c }, (_, r) => Math.max(...x.data.subarray(r * c, r * c + c))),
    }),
  };
});

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('equal values share the gradient', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 3, 3, 0, 0, 0], [2, 3]);
  x.requiresGrad = true;
  const [dx] = grad(channelMax(x), [x], { dy: device.tensor([2, 3], [2, 1]) });
  assert.equal([...(await dx.read())], [0, 1, 1, 1, 1, 1]);
  assert.throws(() => channelMax(device.empty([3, 0])), /\[3,0\]/);
});

test.run();
