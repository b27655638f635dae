// Bilinear resizing, in both coordinate conventions.

import { test } from 'uvu';
import { resizeBilinear } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, type OpCase } from '../support/op.ts';
import { at, build } from '../support/reference.ts';

const cases: OpCase[] = [];

for (const [shape, size] of [
  [[1, 2, 2, 1], [3, 4]],
  [[2, 5, 7, 3], [10, 14]],
  [[2, 5, 7, 3], [13, 9]],
  [[1, 9, 8, 4], [4, 5]],
  [[1, 1, 1, 5], [6, 3]],
  [[1, 6, 5, 2], [1, 1]],
  [[2, 5, 7, 8], [10, 14]],
  [[2, 12, 16, 11], [48, 64]],
] as [Shape, [number, number]][]) {
  for (const alignCorners of [true, false]) {
    cases.push({
      name: `resizeBilinear [${shape}] to ${size}${alignCorners ? ' aligned corners' : ''}`,
      inputs: { x: { shape } },
      run: ({ x }) => resizeBilinear(x, size, { alignCorners }),
      reference: ({ x }) => {
        const source = (o: number, from: number, to: number) => Math.min(Math.max(alignCorners ? (to > 1 ? (o * (from - 1)) / (to - 1) : 0) : ((o + 0.5) * from) / to - 0.5, 0), from - 1);
        return build([shape[0], ...size, shape[3]], (n, oy, ox, c) => {
          const sy = source(oy, shape[1], size[0]), sx = source(ox, shape[2], size[1]);
          const y0 = Math.floor(sy), x0 = Math.floor(sx), y1 = Math.min(y0 + 1, shape[1] - 1), x1 = Math.min(x0 + 1, shape[2] - 1);
          const top = at(x, n, y0, x0, c) * (1 - sx + x0) + at(x, n, y0, x1, c) * (sx - x0);
          const below = at(x, n, y1, x0, c) * (1 - sx + x0) + at(x, n, y1, x1, c) * (sx - x0);
          return top * (1 - sy + y0) + below * (sy - y0);
        });
      },
    });
  }
}

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('aligned corners: worked example', async () => {
  const device = await testDevice();
  const x = device.tensor([0, 1, 2, 3], [1, 2, 2, 1]);
  close(await resizeBilinear(x, [3, 3], { alignCorners: true }).read(), [0, 0.5, 1, 1, 1.5, 2, 2, 2.5, 3], 1e-6, '3x3');
  close((await resizeBilinear(x, [4, 4], { alignCorners: true }).read()).slice(0, 4), [0, 1 / 3, 2 / 3, 1], 1e-6, '4x4');
});

test.run();
