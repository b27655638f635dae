// Pooling, resizing, slicing, padding and joining.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { concat, globalAvgPool, maxPool2d, pad2d, resizeBilinear, slice } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type F64, type OpCase } from '../support/op.ts';

const at = (t: F64, n: number, y: number, x: number, c: number): number => t.data[((n * t.shape[1] + y) * t.shape[2] + x) * t.shape[3] + c];

/** Builds [n, h, w, c] from a function of the index. */
function build(shape: Shape, value: (n: number, y: number, x: number, c: number) => number): F64 {
  const out = f64(shape);
  let i = 0;
  for (let n = 0; n < shape[0]; n++) for (let y = 0; y < shape[1]; y++) for (let x = 0; x < shape[2]; x++) for (let c = 0; c < shape[3]; c++) out.data[i++] = value(n, y, x, c);
  return out;
}

const cases: OpCase[] = [];

for (const [shape, kernel, stride, padding] of [
  [[2, 6, 8, 3], 2, 2, 0],
  [[1, 9, 7, 4], 3, 2, 1],
  [[1, 7, 6, 8], 3, 1, 1],
  [[2, 5, 5, 1], 3, 1, 1],
  [[2, 48, 64, 16], 2, 2, 0],
] as [Shape, number, number, number][]) {
  cases.push({
    name: `maxPool2d [${shape}] kernel ${kernel} stride ${stride} padding ${padding}`,
    inputs: { x: { shape } },
    run: ({ x }) => maxPool2d(x, { kernel, stride, padding }),
    reference: ({ x }) => {
      const out = (n: number) => Math.floor((n + 2 * padding - kernel) / stride) + 1;
      return build([shape[0], out(shape[1]), out(shape[2]), shape[3]], (n, oy, ox, c) => {
        let best = -Infinity;
        for (let ky = 0; ky < kernel; ky++) for (let kx = 0; kx < kernel; kx++) {
          const y = oy * stride - padding + ky, xx = ox * stride - padding + kx;
          if (y >= 0 && xx >= 0 && y < shape[1] && xx < shape[2]) best = Math.max(best, at(x, n, y, xx, c));
        }
        return best;
      });
    },
    h: 1e-7,
  });
}

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

cases.push(
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
  ...[[2, 5, 6, 3], [1, 33, 40, 8]].map((shape): OpCase => ({
    name: `globalAvgPool [${shape}]`,
    inputs: { x: { shape } },
    run: ({ x }) => globalAvgPool(x),
    reference: ({ x }) => {
      const out = f64([shape[0], 1, 1, shape[3]]);
      x.data.forEach((v, i) => (out.data[Math.floor(i / (shape[1] * shape[2] * shape[3])) * shape[3] + (i % shape[3])] += v / (shape[1] * shape[2])));
      return out;
    },
  })),
);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('bad shapes are refused', async () => {
  const device = await testDevice();
  const x = device.tensor(new Float32Array(24), [1, 2, 3, 4]);
  assert.throws(() => slice(x, [0, 0, 0, 0], [1, 3, 3, 4]), /does not lie inside/);
  assert.throws(() => concat([x, device.tensor(new Float32Array(6), [1, 2, 3, 1])], 2), /does not fit/);
  assert.throws(() => maxPool2d(x, { kernel: 5 }), /does not fit/);
});

test.run();
