// Nearest-neighbour resizing: every convention of coordinates and rounding.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resizeNearest } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase } from '../support/op.ts';
import { nearest, POSITIONS, resizeReference } from '../support/resize.ts';

const ROUND = {
  floor: Math.floor,
  ceil: Math.ceil,
  roundPreferFloor: (s: number) => Math.ceil(s - 0.5),
  roundPreferCeil: (s: number) => Math.floor(s + 0.5),
};

// Factors of two (ties are exact) and sizes without ties.
for (const [shape, size] of [
  [
    [2, 4, 6, 3],
    [8, 12],
  ],
  [
    [1, 8, 6, 4],
    [4, 3],
  ],
  [
    [1, 5, 7, 2],
    [12, 9],
  ],
  [
    [1, 10, 9, 8],
    [4, 4],
  ],
  [
    [1, 1, 1, 5],
    [6, 3],
  ],
  [
    [1, 5, 4, 1],
    [1, 1],
  ],
  [
    [0, 2, 2, 4],
    [3, 3],
  ],
  [
    [2, 48, 64, 3],
    [96, 32],
  ],
] as [Shape, [number, number]][]) {
  for (const coordinates of ['halfPixel', 'alignCorners', 'asymmetric'] as const) {
    for (const rounding of ['floor', 'ceil', 'roundPreferFloor', 'roundPreferCeil'] as const) {
      // At quotients of sizes that are not binary fractions a position may lie an ulp beside a pixel: float32 decides,
      // as it does in PyTorch.
      const exact = coordinates !== 'alignCorners' || size[0] === 1;
      if (!exact && rounding !== 'roundPreferCeil') continue;
      const name = `resizeNearest [${shape}] to ${size} ${coordinates} ${rounding}`;
      test(name, async () =>
        checkCase(await testDevice(), {
          name,
          inputs: { x: { shape } },
          run: ({ x }) => resizeNearest(x, size, { coordinates, rounding }),
          reference: ({ x }) =>
            resizeReference(
              x,
              size,
              nearest((o, from, to) => Math.round(POSITIONS[coordinates](o, from, to) * 1e9) / 1e9, ROUND[rounding]),
            ),
        }),
      );
    }
  }
}

test('labels keep their dtype; a factor gives the positions', async () => {
  const device = await testDevice();
  const y = resizeNearest(device.tensor(Int32Array.of(-1, 255, 7, 9), [1, 2, 2, 1]), [4, 4]);
  assert.is(y.dtype, 'i32');
  assert.equal([...(await y.read())], [-1, -1, 255, 255, -1, -1, 255, 255, 7, 7, 9, 9, 7, 7, 9, 9]);
  const x = device.tensor([0, 1, 2, 3, 4], [1, 1, 5, 1]);
  const floor = { coordinates: 'asymmetric', rounding: 'floor' } as const;
  assert.equal([...(await resizeNearest(x, [1, 7], floor).read())], [0, 0, 1, 2, 2, 3, 4]);
  assert.equal([...(await resizeNearest(x, [1, 7], { ...floor, factor: [1, 1.5] }).read())], [0, 0, 1, 2, 2, 3, 4]);
  assert.equal([...(await resizeNearest(x, [1, 2], { ...floor, factor: [1, 0.5] }).read())], [0, 2]);
});

test('a crop, and what lies beyond the picture', async () => {
  const device = await testDevice();
  const x = device.tensor(Int32Array.of(1, 2, 3, 4, 5, 6), [1, 2, 3, 1]);
  const y = resizeNearest(x, [2, 4], {
    coordinates: 'tfCropAndResize',
    roi: [0, 1, -0.5, 1],
    extrapolation: -7,
    rounding: 'floor',
  });
  assert.equal([...(await y.read())], [-7, 1, 2, 3, -7, 4, 5, 6]);
});

test('what does not fit is refused', async () => {
  const device = await testDevice();
  assert.throws(() => resizeNearest(device.empty([2, 2]), [2, 2]), /not \[n, h, w, c\]/);
  assert.throws(() => resizeNearest(device.empty([1, 2, 2, 1]), [2, 0.5]), /size is 2, 0.5/);
});

test.run();
