// Average pooling, adaptive too.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { adaptiveAvgPool2d, avgPool2d, einsum, type AvgPool2dOptions } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase } from '../support/op.ts';
import { adaptiveReference, mean, poolReference } from '../support/pools.ts';

const CASES: [Shape, AvgPool2dOptions][] = [
  [[2, 6, 8, 3], { kernel: 2 }],
  [[1, 9, 7, 4], { kernel: 3, stride: 2, padding: 1 }],
  [[1, 9, 8, 5], { kernel: 3, stride: 2, padding: 1, countIncludePad: false }],
  [[1, 7, 7, 4], { kernel: 2, ceilMode: true }],
  [[1, 8, 7, 2], { kernel: [3, 2], stride: [2, 3], padding: [1, 0], ceilMode: true, countIncludePad: false }],
  [[1, 8, 7, 2], { kernel: [3, 2], stride: [2, 3], padding: [1, 1], ceilMode: true }],
  [[2, 7, 6, 8], { kernel: 3, stride: 1, padding: [0, 1, 1, 0] }],
  [[1, 7, 6, 1], { kernel: 3, stride: 1, padding: [0, 1, 1, 0], countIncludePad: false }],
  [[1, 11, 9, 4], { kernel: 3, stride: 2, dilation: [3, 2], padding: [3, 2], countIncludePad: false }],
  [[1, 11, 9, 3], { kernel: [2, 3], stride: [1, 2], dilation: [3, 2], padding: 2 }],
  [[1, 5, 5, 4], { kernel: 2, divisor: 3 }],
  [[1, 1, 1, 1], { kernel: 1 }],
  [[1, 6, 5, 3], { kernel: 3, stride: 1, padding: 2 }],
  [[0, 4, 4, 4], { kernel: 2 }],
  [[2, 48, 64, 16], { kernel: 15, stride: 1, padding: 7 }],
  [[8, 128, 128, 3], { kernel: 2, stride: 2 }],
];

for (const [shape, o] of CASES) {
  const name = `avgPool2d [${shape}] ${JSON.stringify(o)}`;
  test(name, async () =>
    checkCase(await testDevice(), {
      name,
      inputs: { x: { shape } },
      run: ({ x }) => avgPool2d(x, o),
      reference: ({ x }) =>
        poolReference(
          x,
          o,
          (w) =>
            w.values.reduce((s, v) => s + v, 0) /
            (o.divisor ?? ((o.countIncludePad ?? true) ? w.padded : w.values.length)),
        ),
    }),
  );
}

for (const [shape, size] of [
  [
    [2, 8, 10, 4],
    [1, 1],
  ],
  [
    [2, 8, 10, 3],
    [3, 5],
  ],
  [
    [1, 3, 3, 2],
    [5, 4],
  ],
  [
    [1, 7, 7, 8],
    [7, 7],
  ],
  [
    [1, 40, 33, 4],
    [6, 6],
  ],
  [
    [0, 3, 3, 1],
    [2, 2],
  ],
] as [Shape, [number, number]][]) {
  const name = `adaptiveAvgPool2d [${shape}] to ${size}`;
  test(name, async () =>
    checkCase(await testDevice(), {
      name,
      inputs: { x: { shape } },
      run: ({ x }) => adaptiveAvgPool2d(x, size),
      reference: ({ x }) => adaptiveReference(x, size, (w) => mean(w.values)),
    }),
  );
}

test('it is linear: the second derivative is that of what is around it', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4], [1, 2, 2, 1]);
  x.requiresGrad = true;
  const y = avgPool2d(x, { kernel: 2 });
  const [dx] = grad(einsum('nhwc,nhwc->', y, y), [x], { createGraph: true });
  const [ddx] = grad(dx, [x], { dy: device.tensor([1, 0, 0, 0], [1, 2, 2, 1]) });
  assert.equal([...(await ddx.read())], [0.125, 0.125, 0.125, 0.125]);
});

test('what does not fit is refused', async () => {
  const device = await testDevice();
  const x = device.empty([1, 4, 4, 4]);
  assert.throws(() => avgPool2d(x, { kernel: 5 }), /does not fit/);
  assert.throws(() => avgPool2d(x, { kernel: 2, padding: 2 }), /as large as a window/);
  const row = device.empty([1, 1, 6, 1]);
  const holes = { kernel: [3, 1], padding: [3, 3, 0, 0], dilation: [2, 1], countIncludePad: false } as const;
  assert.throws(() => avgPool2d(row, holes), /sees nothing/);
  assert.equal([...avgPool2d(row, { ...holes, countIncludePad: true }).shape], [1, 1, 6, 1]);
  assert.throws(() => avgPool2d(x, { kernel: 2, divisor: 0 }), /divisor is 0/);
  assert.throws(() => avgPool2d(x, { kernel: 1.5 }), /kernel is 1.5/);
  assert.throws(() => avgPool2d(device.empty([4, 4]), { kernel: 2 }), /not \[n, h, w, c\]/);
  assert.throws(() => avgPool2d(device.empty([1, 4, 4, 4], 'u32'), { kernel: 2 }), /is u32/);
  assert.throws(() => adaptiveAvgPool2d(x, 0), /size is 0/);
  assert.throws(() => adaptiveAvgPool2d(device.empty([1, 0, 4, 4]), 1), /h and w/);
});

test.run();
