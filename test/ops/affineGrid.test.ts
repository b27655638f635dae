// Affine and projective grids.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { affineGrid, gridSample, projectiveGrid } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, type F64 } from '../support/op.ts';
import { build } from '../support/reference.ts';

function reference(theta: F64, [h, w]: readonly number[], rows: number, alignCorners: boolean): F64 {
  const along = (i: number, size: number): number =>
    alignCorners ? (size > 1 ? (2 * i) / (size - 1) - 1 : 0) : (2 * i + 1) / size - 1;
  return build([theta.shape[0], h, w, 2], (n, y, x, c) => {
    const row = (r: number): number =>
      [along(x, w), along(y, h), 1].reduce((s, v, k) => s + v * theta.data[(n * rows + r) * 3 + k], 0);
    return rows === 3 ? row(c) / row(2) : row(c);
  });
}

for (const [n, size] of [
  [2, [4, 5]],
  [1, [1, 1]],
  [3, [1, 6]],
  [0, [2, 2]],
  [1, [64, 48]],
] as [number, [number, number]][]) {
  for (const alignCorners of [false, true]) {
    const name = `of ${n} to ${size}${alignCorners ? ' aligned corners' : ''}`;
    test(`affineGrid ${name}`, async () =>
      checkCase(await testDevice(), {
        name,
        inputs: { theta: { shape: [n, 2, 3] } },
        run: ({ theta }) => affineGrid(theta, size, { alignCorners }),
        reference: ({ theta }) => reference(theta, size, 2, alignCorners),
      }));
    test(`projectiveGrid ${name}`, async () =>
      checkCase(await testDevice(), {
        name,
        // Half the identity, somewhat moved.
        inputs: { theta: { shape: [n, 3, 3], draw: (r, i) => [1, 0, 0, 0, 1, 0, 0, 0, 2][i % 9] + 0.1 * r.normal() } },
        run: ({ theta }) => projectiveGrid(theta, size, { alignCorners }),
        reference: ({ theta }) => reference(theta, size, 3, alignCorners),
      }));
  }
}

test('the identity leaves a picture as it is', async () => {
  const device = await testDevice();
  const shape: Shape = [1, 5, 7, 2];
  const values = Float32Array.from({ length: 70 }, (_, i) => Math.sin(i));
  const x = device.tensor(values, shape);
  for (const alignCorners of [false, true]) {
    close(
      await gridSample(x, affineGrid(device.tensor([1, 0, 0, 0, 1, 0], [1, 2, 3]), [5, 7], { alignCorners }), {
        alignCorners,
      }).read(),
      values,
      1e-5,
      'affine',
    );
    close(
      await gridSample(
        x,
        projectiveGrid(device.tensor([-1, 0, 0, 0, -1, 0, 0, 0, -1], [1, 3, 3]), [5, 7], { alignCorners }),
        { alignCorners },
      ).read(),
      values,
      1e-5,
      'projective',
    );
  }
});

test('what does not fit is refused, nothing is left behind', async () => {
  const device = await testDevice();
  assert.throws(() => affineGrid(device.empty([2, 3]), [2, 2]), /theta is \[2,3\]/);
  assert.throws(() => projectiveGrid(device.empty([1, 2, 3]), [2, 2]), /not \[n, 3, 3\]/);
  assert.throws(() => affineGrid(device.empty([1, 2, 3]), [0, 2]), /size is 0, 2/);
  assert.throws(() => affineGrid(device.empty([1, 2, 3], 'i32'), [2, 2]), /is i32/);
  const theta = device.empty([1, 3, 3]);
  assert.is(device.collect(() => projectiveGrid(theta, [2, 2])).made.size, 1);
});

test.run();
