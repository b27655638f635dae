// Bilinear resizing, in all coordinate conventions.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { einsum, resizeBilinear } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, type OpCase } from '../support/op.ts';
import { linear, POSITIONS, resizeReference } from '../support/resize.ts';

const cases: OpCase[] = [];

for (const [shape, size] of [
  [
    [1, 2, 2, 1],
    [3, 4],
  ],
  [
    [2, 5, 7, 3],
    [10, 14],
  ],
  [
    [2, 5, 7, 3],
    [13, 9],
  ],
  [
    [1, 9, 8, 4],
    [4, 5],
  ],
  [
    [1, 1, 1, 5],
    [6, 3],
  ],
  [
    [1, 6, 5, 2],
    [1, 1],
  ],
  [
    [2, 5, 7, 8],
    [10, 14],
  ],
  [
    [2, 12, 16, 11],
    [48, 64],
  ],
  [
    [0, 3, 3, 4],
    [5, 5],
  ],
] as [Shape, [number, number]][]) {
  for (const coordinates of ['halfPixel', 'alignCorners', 'asymmetric'] as const) {
    cases.push({
      name: `resizeBilinear [${shape}] to ${size} ${coordinates}`,
      inputs: { x: { shape } },
      run: ({ x }) => resizeBilinear(x, size, { coordinates }),
      reference: ({ x }) => resizeReference(x, size, linear(POSITIONS[coordinates])),
    });
  }
}

// Positions from a factor: what is left over on the right repeats or is cut off.
for (const [from, factor] of [
  [5, 1.5],
  [9, 0.6],
  [4, 2.3],
]) {
  const to = Math.floor(from * factor);
  cases.push({
    name: `resizeBilinear ${from} to ${to} by ${factor}`,
    inputs: { x: { shape: [1, from, from, 3] } },
    run: ({ x }) => resizeBilinear(x, [to, to], { factor: [factor, factor] }),
    reference: ({ x }) =>
      resizeReference(
        x,
        [to, to],
        linear((o) => (o + 0.5) / factor - 0.5),
      ),
  });
}

cases.push(
  {
    name: 'resizeBilinear to one pixel, pytorchHalfPixel',
    inputs: { x: { shape: [1, 4, 5, 2] } },
    run: ({ x }) => resizeBilinear(x, [3, 1], { coordinates: 'pytorchHalfPixel' }),
    reference: ({ x }) =>
      resizeReference(
        x,
        [3, 1],
        linear(POSITIONS.halfPixel),
        linear(() => 0),
      ),
  },
  {
    name: 'resizeBilinear by a factor, alignCorners',
    inputs: { x: { shape: [1, 4, 4, 3] } },
    run: ({ x }) => resizeBilinear(x, [2, 2], { alignCorners: true, factor: [0.6, 0.6] }),
    reference: ({ x }) =>
      resizeReference(
        x,
        [2, 2],
        linear((o) => (o * 3) / (2.4 - 1)),
      ),
  },
  {
    // ONNX: the result of 4 pixels by 0.6 would be 2.4 wide; what is cut off is cut off on both sides.
    name: 'resizeBilinear by a factor, halfPixelSymmetric',
    inputs: { x: { shape: [1, 4, 4, 3] } },
    run: ({ x }) => resizeBilinear(x, [2, 2], { coordinates: 'halfPixelSymmetric', factor: [0.6, 0.6] }),
    reference: ({ x }) =>
      resizeReference(
        x,
        [2, 2],
        linear((o) => 2 * (1 - 2 / 2.4) + (o + 0.5) / 0.6 - 0.5),
      ),
  },
);

/** Where pixel o of n of a crop lies, and the constant where that is beyond the picture. */
const crop =
  (start: number, end: number) =>
  (o: number, from: number, to: number): number =>
    to > 1 ? start * (from - 1) + (o * (end - start) * (from - 1)) / (to - 1) : 0.5 * (start + end) * (from - 1);
for (const [[top, bottom, left, right], size] of [
  [
    [0.2, 0.7, 0.1, 1],
    [4, 5],
  ],
  [
    [-0.5, 1.25, 0.5, 0.5],
    [7, 3],
  ],
  [
    [0, 1, -3, -2],
    [3, 3],
  ],
  [
    [0.25, 0.75, 0, 1],
    [1, 6],
  ],
] as const) {
  cases.push({
    name: `resizeBilinear of a crop ${top} to ${bottom}, ${left} to ${right}, to ${size}`,
    inputs: { x: { shape: [2, 5, 6, 3] } },
    run: ({ x }) =>
      resizeBilinear(x, size, { coordinates: 'tfCropAndResize', roi: [top, bottom, left, right], extrapolation: 9 }),
    reference: ({ x }) => {
      const y = resizeReference(x, size, linear(crop(top, bottom)), linear(crop(left, right)));
      const out = (s: number, n: number): boolean => s < 0 || s > n - 1;
      y.data.forEach((_, i) => {
        const column = Math.floor(i / 3) % size[1];
        const row = Math.floor(i / 3 / size[1]) % size[0];
        if (out(crop(top, bottom)(row, 5, size[0]), 5) || out(crop(left, right)(column, 6, size[1]), 6)) y.data[i] = 9;
      });
      return y;
    },
  });
}

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('aligned corners: worked example', async () => {
  const device = await testDevice();
  const x = device.tensor([0, 1, 2, 3], [1, 2, 2, 1]);
  close(await resizeBilinear(x, [3, 3], { alignCorners: true }).read(), [0, 0.5, 1, 1, 1.5, 2, 2, 2.5, 3], 1e-6, '3x3');
  close(
    (await resizeBilinear(x, [4, 4], { alignCorners: true }).read()).slice(0, 4),
    [0, 1 / 3, 2 / 3, 1],
    1e-6,
    '4x4',
  );
});

test('second derivatives', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2], [1, 1, 2, 1]);
  x.requiresGrad = true;
  const y = resizeBilinear(x, [1, 3], { alignCorners: true });
  const [dx] = grad(einsum('nhwc,nhwc->', y, y), [x], { createGraph: true });
  // y = (a, (a + b) / 2, b): the second derivatives are 2.5 and 0.5.
  assert.equal([...(await grad(dx, [x], { dy: device.tensor([1, 0], [1, 1, 2, 1]) })[0].read())], [2.5, 0.5]);
});

test('what does not fit is refused', async () => {
  const device = await testDevice();
  assert.throws(() => resizeBilinear(device.empty([2, 2]), [2, 2]), /not \[n, h, w, c\]/);
  assert.throws(() => resizeBilinear(device.empty([1, 0, 2, 1]), [2, 2]), /h and w/);
  assert.throws(() => resizeBilinear(device.empty([1, 2, 2, 1]), [2, 0]), /size is 2, 0/);
  assert.throws(() => resizeBilinear(device.empty([1, 2, 2, 1]), [2, 2], { factor: [1, 0] }), /factor is 1,0/);
  assert.throws(
    () => resizeBilinear(device.empty([1, 2, 2, 1]), [2, 2], { coordinates: 'tfCropAndResize', roi: [1, 0, 0, 1] }),
    /the region is 1,0,0,1/,
  );
});

test('a pixel of no weight is not looked at: NaN and infinities stay where they are', async () => {
  const device = await testDevice();
  for (const c of [1, 4]) {
    const values = Float32Array.from({ length: 5 * 7 * c }, (_, i) => i);
    for (let k = 0; k < c; k++) {
      values[(2 * 7 + 3) * c + k] = NaN;
      values[k] = Infinity;
    }
    const x = device.tensor(values, [1, 5, 7, c]);
    x.requiresGrad = true;
    // The same size, and sizes at which every second and third pixel is one of x.
    for (const [by, coordinates] of [
      [1, 'halfPixel'],
      [2, 'alignCorners'],
      [3, 'alignCorners'],
    ] as const) {
      const [h, w] = [4 * by + 1, 6 * by + 1];
      const y = resizeBilinear(x, [h, w], { coordinates });
      const got = await y.read();
      const at = (row: number, column: number): number => got[(row * w + column) * c];
      for (let row = 0; row < 5; row++)
        for (let q = 0; q < 7; q++) {
          const want = values[(row * 7 + q) * c];
          const is = at(row * by, q * by);
          const right = Object.is(is, want) || Math.abs(is - want) < 1e-3;
          assert.ok(right, `by ${by}: [${row}, ${q}] is ${is}, expected ${want}`);
        }
      // A gradient that is NaN at a pixel of x reaches that pixel alone.
      const dy = new Float32Array(got.length).fill(1);
      dy.fill(NaN, (2 * by * w + 3 * by) * c, (2 * by * w + 3 * by + 1) * c);
      const dx = await grad(y, [x], { dy: device.tensor(dy, y.shape) })[0].read();
      dx.forEach((v: number, i: number) => {
        assert.is(Number.isNaN(v), Math.floor(i / c) === 2 * 7 + 3, `by ${by}: dx[${i}]`);
      });
    }
  }
});

test.run();
