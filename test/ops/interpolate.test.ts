// PyTorch's interpolate: which positions its options mean. The kernels are tested beside their own operations.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { interpolate, type InterpolateOptions } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase } from '../support/op.ts';
import { adaptiveReference, mean } from '../support/pools.ts';
import { linear, nearest, POSITIONS, resizeReference, type Taps } from '../support/resize.ts';

const by =
  (factor: number) =>
  (o: number): number =>
    (o + 0.5) / factor - 0.5;

const CASES: [Shape, InterpolateOptions, [number, number], Taps][] = [
  [[2, 5, 7, 3], { size: [13, 9], mode: 'bilinear' }, [13, 9], linear(POSITIONS.halfPixel)],
  [[1, 5, 7, 4], { size: 6, mode: 'bilinear', alignCorners: true }, [6, 6], linear(POSITIONS.alignCorners)],
  [[1, 5, 7, 4], { scaleFactor: 1.7, mode: 'bilinear' }, [8, 11], linear(by(1.7))],
  [
    [1, 5, 7, 4],
    { scaleFactor: 1.7, mode: 'bilinear', recomputeScaleFactor: true },
    [8, 11],
    linear(POSITIONS.halfPixel),
  ],
  [[1, 5, 7, 4], { scaleFactor: 1.7, mode: 'bilinear', alignCorners: true }, [8, 11], linear(POSITIONS.alignCorners)],
  [[1, 5, 7, 2], { scaleFactor: 1.7 }, [8, 11], nearest((o) => o / 1.7, Math.floor)],
  [[1, 5, 7, 2], { size: [12, 9], mode: 'nearest' }, [12, 9], nearest(POSITIONS.asymmetric, Math.floor)],
  [[1, 5, 7, 2], { scaleFactor: 2.3, mode: 'nearest-exact' }, [11, 16], nearest(by(2.3), (s) => Math.floor(s + 0.5))],
  [[2, 7, 3], { size: 12, mode: 'linear' }, [1, 12], linear(POSITIONS.halfPixel)],
  [[2, 7, 4], { scaleFactor: 2, mode: 'nearest' }, [1, 14], nearest(POSITIONS.asymmetric, Math.floor)],
];

for (const [shape, o, size, taps] of CASES) {
  const name = `interpolate [${shape}] ${JSON.stringify(o)}`;
  test(name, async () =>
    checkCase(await testDevice(), {
      name,
      inputs: { x: { shape } },
      run: ({ x }) => interpolate(x, o),
      reference: ({ x }) => {
        const y = resizeReference(
          { ...x, shape: shape.length === 3 ? [shape[0], 1, shape[1], shape[2]] : shape },
          size,
          taps,
        );
        return shape.length === 3 ? { ...y, shape: [shape[0], size[1], shape[2]] } : y;
      },
    }),
  );
}

test('area', async () =>
  checkCase(await testDevice(), {
    name: 'interpolate area',
    inputs: { x: { shape: [2, 9, 8, 4] } },
    run: ({ x }) => interpolate(x, { size: [4, 3], mode: 'area' }),
    reference: ({ x }) => adaptiveReference(x, [4, 3], (w) => mean(w.values)),
  }));

test('what does not fit is refused', async () => {
  const device = await testDevice();
  const x = device.empty([1, 4, 4, 2]);
  assert.throws(() => interpolate(x, {}), /size is not clear/);
  assert.throws(() => interpolate(x, { size: 2, scaleFactor: 2 }), /size is not clear/);
  assert.throws(() => interpolate(x, { size: 2, mode: 'linear' }), /does not fit/);
  assert.throws(() => interpolate(device.empty([4, 2]), { size: 2 }), /x is \[4,2\]/);
  assert.throws(() => interpolate(x, { scaleFactor: 0.1 }), /size is 0, 0/);
});

test.run();
