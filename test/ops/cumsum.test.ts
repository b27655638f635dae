// Running sums along an axis.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { cumsum, mul } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';
import { mapLines } from '../support/reduction.ts';

function running(l: number[], exclusive: boolean, reverse: boolean): number[] {
  const v = reverse ? [...l].reverse() : l;
  let sum = 0;
  const out = v.map((e) => (exclusive ? (sum += e) - e : (sum += e)));
  return reverse ? out.reverse() : out;
}

const SHAPES: readonly { shape: readonly number[]; axis: number }[] = [
  { shape: [1], axis: 0 },
  { shape: [0, 3], axis: 1 },
  { shape: [3, 0], axis: 1 },
  { shape: [5, 7], axis: 0 },
  { shape: [2, 257, 3], axis: 1 },
  { shape: [2, 3, 4, 2, 5], axis: -3 },
  { shape: [8, 128, 128, 3], axis: 2 },
  { shape: [2, 20011], axis: -1 },
];

const cases: OpCase[] = SHAPES.flatMap(({ shape, axis }) =>
  [false, true].flatMap((exclusive) =>
    [false, true].map((reverse): OpCase => ({
      name: `cumsum [${shape}] along ${axis}${exclusive ? ' exclusive' : ''}${reverse ? ' reverse' : ''}`,
      inputs: { x: { shape, draw: (rng) => rng.uniform(0.5, 1.5) } },
      run: ({ x }) => cumsum(x, axis, { exclusive, reverse }),
      reference: ({ x }) => mapLines(x, axis, (l) => running(l, exclusive, reverse)),
    })),
  ),
);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('integers, scalars, second derivatives', async () => {
  const device = await testDevice();
  const [a, b, s] = await device.read([
    cumsum(device.tensor(Int32Array.of(16777217, -1, 2, 5), [2, 2]), 0),
    cumsum(device.tensor(Uint32Array.of(4294967295, 3), [2])),
    cumsum(device.tensor([3], [])),
  ]);
  assert.equal([[...a], [...b], [...s]], [[16777217, -1, 16777219, 4], [4294967295, 2], [3]]);
  const x = device.tensor([1, 2, 3], [3]);
  x.requiresGrad = true;
  const y = cumsum(x);
  const [dx] = grad(mul(y, y), [x], { dy: device.tensor([1, 1, 1], [3]), createGraph: true });
  assert.equal([...(await dx.read())], [20, 18, 12]);
  assert.equal([...(await grad(dx, [x], { dy: device.tensor([1, 0, 0], [3]) })[0].read())], [6, 4, 2]);
  assert.throws(() => cumsum(x, 1), /no axis 1/);
});

test.run();
