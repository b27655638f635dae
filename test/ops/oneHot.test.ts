// Labels as vectors.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { oneHot, presentClasses } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';

const draw =
  (classes: number): OpCase['inputs'][string]['draw'] =>
  (r) =>
    r.bernoulli(0.2) ? 255 : r.int(classes);

function hot(shape: Shape, classes: number, only?: number): OpCase {
  return {
    name: `oneHot [${shape}] ${classes} ${only}`,
    inputs: { labels: { shape, dtype: 'i32', draw: draw(classes) }, weight: { shape } },
    run: ({ labels, weight }) => oneHot(labels, classes, { weight, only }),
    reference: ({ labels, weight }) => ({
      shape: [...shape, classes],
      data: Float64Array.from({ length: labels.data.length * classes }, (_, i) => {
        const p = Math.floor(i / classes);
        const label = labels.data[p];
        return label === i % classes && (only === undefined || label === only) ? weight.data[p] : 0;
      }),
    }),
    h: 0,
  };
}

function present(shape: Shape, classes: number): OpCase {
  const each = shape.slice(1).reduce((a, b) => a * b, 1);
  return {
    name: `presentClasses [${shape}] ${classes}`,
    inputs: { labels: { shape, dtype: 'i32', draw: draw(classes) } },
    run: ({ labels }) => presentClasses(labels, classes),
    reference: ({ labels }) => ({
      shape: [shape[0], classes],
      data: Float64Array.from({ length: shape[0] * classes }, (_, i) =>
        labels.data
          .subarray(Math.floor(i / classes) * each)
          .subarray(0, each)
          .includes(i % classes)
          ? 1
          : 0,
      ),
    }),
    h: 0,
  };
}

for (const c of [
  hot([7], 3),
  hot([2, 5, 9], 21, 4),
  hot([3, 17, 33], 6),
  present([1, 3], 5),
  present([4, 5, 6], 21),
  present([2, 40, 50], 200),
])
  test(c.name, async () => checkCase(await testDevice(), c));

test('what cannot be', async () => {
  const device = await testDevice();
  assert.throws(() => oneHot(device.empty([3]), 2), /labels are f32/);
  assert.throws(() => oneHot(device.empty([3], 'i32'), 2, { only: 2 }), /no class 2/);
  assert.throws(() => presentClasses(device.empty([3], 'i32'), 300), /300 classes/);
});

test.run();
