// Sums over the axes along which a smaller shape repeats.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { full, mul, square, sumTo } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type OpCase } from '../support/op.ts';

const SHAPES: [number[], number[]][] = [
  [[], []],
  [[1], []],
  [[5], []],
  [[5], [1]],
  [[5], [5]],
  [[3, 4], [4]],
  [
    [3, 4],
    [3, 1],
  ],
  [[3, 4], []],
  [
    [2, 3, 5],
    [3, 1],
  ],
  [
    [2, 3, 4, 5],
    [1, 3, 1, 1],
  ],
  [
    [2, 3, 4, 5],
    [2, 1, 4, 1],
  ],
  [
    [70, 65],
    [1, 65],
  ],
  [
    [65, 130],
    [65, 1],
  ],
  [[5000], []],
  [
    [2, 3, 2, 3, 2],
    [1, 3, 1, 3, 1],
  ],
  [
    [2, 3, 2, 3, 2, 3, 2],
    [3, 1, 3, 1, 3, 1],
  ],
  [[0, 3], [3]],
  [
    [3, 0],
    [3, 1],
  ],
  [[0], []],
  [
    [0, 3],
    [0, 1],
  ],
  [[8, 128, 128, 3], [3]],
  [
    [8, 128, 128, 3],
    [8, 1, 1, 3],
  ],
  [[300000], [1]],
];
const cases: OpCase[] = SHAPES.map(([from, to]) => ({
  name: `sumTo [${from}] [${to}]`,
  // Of one sign: sums that cancel have no relative accuracy.
  inputs: { x: { shape: from, draw: (rng) => rng.uniform(0.5, 1.5) } },
  run: ({ x }) => sumTo(x, to),
  reference: ({ x }) => {
    const y = f64(to);
    const padded = [...Array<number>(from.length - to.length).fill(1), ...to];
    const at = from.map(() => 0);
    x.data.forEach((v) => {
      y.data[padded.reduce((n, d, axis) => n * d + (d === 1 ? 0 : at[axis]), 0)] += v;
      for (let axis = from.length - 1; axis >= 0 && ++at[axis] === from[axis]; axis--) at[axis] = 0;
    });
    return y;
  },
  tolerance: 2e-6,
}));

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('the second derivative', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  x.requiresGrad = true;
  const y = square(sumTo(mul(x, x), [3])); // (u^2 + v^2)^2 for each column
  const [dx] = grad(y, [x], { dy: full(device, [3], 1), createGraph: true });
  assert.equal([...(await dx.read())], [68, 232, 540, 272, 580, 1080]);
  assert.equal(
    [...(await grad(dx, [x], { dy: full(device, [2, 3], 1) })[0].read())],
    [68 + 8 + 32, 116 + 32 + 80, 180 + 72 + 144, 68 + 128 + 32, 116 + 200 + 80, 180 + 288 + 144],
  );
});

test('a shape that does not repeat to that of x is refused', async () => {
  const device = await testDevice();
  assert.throws(() => sumTo(device.empty([2, 3]), [2]), /sumTo/);
  assert.throws(() => sumTo(device.empty([1, 3]), [2, 3]), /\[2,3\] does not broadcast to \[1,3\]/);
  assert.throws(() => sumTo(device.empty([3]), [1, 3]), /does not broadcast/);
  assert.throws(() => sumTo(device.empty([3], 'i32'), [1]), /x \[3\] is i32/);
});

test.run();
