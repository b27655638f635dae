// Slicing, padding and joining.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { concat, pad2d, slice } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type OpCase } from '../support/op.ts';
import { at, build } from '../support/reference.ts';

const cases: OpCase[] = [
  {
    name: 'slice [2,5,6,3] from [1,2,0,1]',
    inputs: { x: { shape: [2, 5, 6, 3] } },
    run: ({ x }) => slice(x, [1, 2, 0, 1], [1, 3, 4, 2]),
    reference: ({ x }) => build([1, 3, 4, 2], (n, y, xx, c) => at(x, n + 1, y + 2, xx, c + 1)),
  },
  {
    name: 'pad2d [2,3,4,3] by 1, 0, 2, 3',
    inputs: { x: { shape: [2, 3, 4, 3] } },
    run: ({ x }) => pad2d(x, [1, 0, 2, 3], 0.5),
    reference: ({ x }) => build([2, 4, 9, 3], (n, y, xx, c) => (y >= 1 && xx >= 2 && xx < 6 ? at(x, n, y - 1, xx - 2, c) : 0.5)),
  },
  {
    name: 'concat channels 3 + 4 + 1',
    inputs: { a: { shape: [2, 3, 4, 3] }, b: { shape: [2, 3, 4, 4] }, c: { shape: [2, 3, 4, 1] } },
    run: ({ a, b, c }) => concat([a, b, c], 3),
    reference: ({ a, b, c }) => build([2, 3, 4, 8], (n, y, x, k) => (k < 3 ? at(a, n, y, x, k) : k < 7 ? at(b, n, y, x, k - 3) : at(c, n, y, x, k - 7))),
  },
  {
    name: 'slice [2,5,6,12] from [1,2,0,4]',
    inputs: { x: { shape: [2, 5, 6, 12] } },
    run: ({ x }) => slice(x, [1, 2, 0, 4], [1, 3, 4, 8]),
    reference: ({ x }) => build([1, 3, 4, 8], (n, y, xx, c) => at(x, n + 1, y + 2, xx, c + 4)),
  },
  {
    name: 'pad2d [2,3,4,4] by 1, 0, 2, 3',
    inputs: { x: { shape: [2, 3, 4, 4] } },
    run: ({ x }) => pad2d(x, [1, 0, 2, 3], 0.5),
    reference: ({ x }) => build([2, 4, 9, 4], (n, y, xx, c) => (y >= 1 && xx >= 2 && xx < 6 ? at(x, n, y - 1, xx - 2, c) : 0.5)),
  },
  {
    name: 'concat channels 8 + 4',
    inputs: { a: { shape: [2, 3, 4, 8] }, b: { shape: [2, 3, 4, 4] } },
    run: ({ a, b }) => concat([a, b], 3),
    reference: ({ a, b }) => build([2, 3, 4, 12], (n, y, x, k) => (k < 8 ? at(a, n, y, x, k) : at(b, n, y, x, k - 8))),
  },
  {
    name: 'concat batches of vectors',
    inputs: { a: { shape: [2, 3] }, b: { shape: [1, 3] } },
    run: ({ a, b }) => concat([a, b], 0),
    reference: ({ a, b }) => f64([3, 3], [...a.data, ...b.data]),
  },
];

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('bad shapes are refused', async () => {
  const device = await testDevice();
  const x = device.tensor(new Float32Array(24), [1, 2, 3, 4]);
  assert.throws(() => slice(x, [0, 0, 0, 0], [1, 3, 3, 4]), /does not lie inside/);
  assert.throws(() => concat([x, device.tensor(new Float32Array(6), [1, 2, 3, 1])], 2), /does not fit/);
});

test('integers are padded with integers; f16 is refused', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2], [1, 1, 2, 1], 'i32');
  assert.equal([...(await pad2d(x, [0, 0, 1, 1], 255).read())], [255, 1, 2, 255]);
  assert.throws(() => pad2d(x, [0, 0, 0.5, 0]), /padding is/);
  const h = device.tensor([1, 2], [2], 'f16');
  assert.throws(() => slice(h, [0], [1]), /is f16/);
  assert.throws(() => concat([h, h], 0), /is f16/);
  assert.throws(() => slice(x, [0, 0, 0.5, 0], [1, 1, 1, 1]), /does not lie inside/);
});

test.run();
