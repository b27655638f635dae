// Sampling at the points of a grid: all modes and paddings, gradients of picture and grid.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { gridSample, type GridSampleOptions } from '../../runtime/ops/index.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, type F64 } from '../support/op.ts';
import { at, build } from '../support/reference.ts';

function position(g: number, size: number, o: GridSampleOptions): number {
  let p = o.alignCorners ? ((g + 1) / 2) * (size - 1) : ((g + 1) * size - 1) / 2;
  if (o.padding === 'reflection') {
    // Mirrored at the edges until it lies inside.
    const low = o.alignCorners ? 0 : -0.5;
    const high = o.alignCorners ? size - 1 : size - 0.5;
    while (high > low && (p < low || p > high)) p = p < low ? 2 * low - p : 2 * high - p;
  }
  return o.padding === 'border' || o.padding === 'reflection' ? Math.min(Math.max(p, 0), size - 1) : p;
}

/** The pixels of a point with their weights, as [row, column, weight]. */
function taps(
  grid: F64,
  n: number,
  gy: number,
  gx: number,
  [, h, w]: Shape,
  o: GridSampleOptions,
): [number, number, number][] {
  const px = position(at(grid, n, gy, gx, 0), w, o);
  const py = position(at(grid, n, gy, gx, 1), h, o);
  const inside = ([y, x]: [number, number, number]): boolean => y >= 0 && x >= 0 && y < h && x < w;
  if (o.mode === 'nearest') return ([[Math.round(py), Math.round(px), 1]] as [number, number, number][]).filter(inside);
  const y = Math.floor(py);
  const x = Math.floor(px);
  const fy = py - y;
  const fx = px - x;
  return (
    [
      [y, x, (1 - fy) * (1 - fx)],
      [y, x + 1, (1 - fy) * fx],
      [y + 1, x, fy * (1 - fx)],
      [y + 1, x + 1, fy * fx],
    ] as [number, number, number][]
  ).filter(inside);
}

function reference(x: F64, grid: F64, o: GridSampleOptions): F64 {
  return build([grid.shape[0], grid.shape[1], grid.shape[2], x.shape[3]], (n, gy, gx, c) =>
    taps(grid, n, gy, gx, x.shape, o).reduce((s, [y, q, w]) => s + w * at(x, n, y, q, c), 0),
  );
}

for (const mode of ['bilinear', 'nearest'] as const)
  for (const padding of ['zeros', 'border', 'reflection'] as const)
    for (const alignCorners of [false, true]) {
      const o = { mode, padding, alignCorners };
      for (const [shape, points] of [
        [
          [2, 6, 5, 3],
          [4, 7],
        ],
        [
          [1, 1, 8, 4],
          [3, 3],
        ],
        [
          [1, 9, 4, 1],
          [0, 5],
        ],
        [
          [0, 3, 3, 2],
          [2, 2],
        ],
      ] as [Shape, [number, number]][]) {
        const name = `gridSample [${shape}] at ${points} ${mode} ${padding}${alignCorners ? ' aligned corners' : ''}`;
        test(name, async () =>
          checkCase(await testDevice(), {
            name,
            inputs: {
              x: { shape },
              grid: { shape: [shape[0], ...points, 2], draw: (r) => 1.2 * r.normal(), grad: mode === 'bilinear' },
            },
            run: ({ x, grid }) => gridSample(x, grid, o),
            reference: ({ x, grid }) => reference(x, grid, o),
            h: 1e-8,
          }),
        );
      }
    }

test('the gradient of x, element by element, where very many points fall on one pixel', async () => {
  const device = await testDevice();
  const shape: Shape = [1, 16, 16, 3];
  const grid: F64 = {
    shape: [1, 256, 256, 2],
    data: Float64Array.from({ length: 2 * 65536 }, (_, i) => Math.fround(i % 2 ? 5 : 3 * Math.sin(i))),
  };
  const dy = Float32Array.from({ length: 3 * 65536 }, (_, i) => Math.sin(7 * i) * (i % 3 === 2 ? 1e-4 : 1));
  const want = new Float64Array(sizeOf(shape));
  const o: GridSampleOptions = { padding: 'border' };
  for (let gy = 0; gy < 256; gy++)
    for (let gx = 0; gx < 256; gx++)
      for (const [y, q, w] of taps(grid, 0, gy, gx, shape, o))
        for (let c = 0; c < 3; c++) want[(y * 16 + q) * 3 + c] += w * dy[(gy * 256 + gx) * 3 + c];
  const results: Float32Array[] = [];
  for (let run = 0; run < 2; run++) {
    const dx = device.scope(() => {
      const x = device.tensor(new Float32Array(sizeOf(shape)), shape);
      x.requiresGrad = true;
      return grad(gridSample(x, device.tensor(Float32Array.from(grid.data), grid.shape), o), [x], {
        dy: device.tensor(dy, [1, 256, 256, 3]),
      })[0];
    });
    results.push((await dx.read()) as Float32Array);
  }
  close(results[0], want, 1e-5, 'dx');
  assert.equal(results[0], results[1]);
});

test('nearest has no gradient for the grid; a gradient that is not finite is passed on', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4], [1, 2, 2, 1]);
  const grid = device.tensor([0.5, 0.5], [1, 1, 1, 2]);
  x.requiresGrad = grid.requiresGrad = true;
  const y = gridSample(x, grid, { mode: 'nearest' });
  assert.equal([...(await grad(y, [grid])[0].read())], [0, 0]);
  assert.equal([...(await grad(y, [x])[0].read())], [0, 0, 0, 1]);
  assert.equal([...(await grad(y, [x], { dy: device.tensor([NaN], [1, 1, 1, 1]) })[0].read())], [0, 0, 0, NaN]);
  assert.equal([...(await grad(y, [x], { dy: device.tensor([0], [1, 1, 1, 1]) })[0].read())], [0, 0, 0, 0]);
  close(
    await grad(y, [x], { dy: device.tensor([1e-30], [1, 1, 1, 1]) })[0].read(),
    [0, 0, 0, 1e-30],
    1e-6,
    'a tiny gradient',
  );
});

test('what does not fit is refused', async () => {
  const device = await testDevice();
  const x = device.empty([2, 4, 4, 1]);
  assert.throws(() => gridSample(x, device.empty([1, 2, 2, 2])), /the grid \[1,2,2,2\]/);
  assert.throws(() => gridSample(x, device.empty([2, 2, 2, 3])), /the grid \[2,2,2,3\]/);
  assert.throws(() => gridSample(device.empty([2, 0, 4, 1]), device.empty([2, 2, 2, 2])), /h and w/);
  assert.throws(() => gridSample(device.empty([2, 4, 4, 1], 'i32'), device.empty([2, 2, 2, 2])), /is i32/);
});

test('gradients that are not finite reach the pixels of their points alone', async () => {
  const device = await testDevice();
  // Points between pixels (1, 1) and (2, 2), at pixel (3, 4) twice, and between (4, 0) and (4, 1).
  const places = [
    [1.5, 1.25],
    [3, 4],
    [3, 4],
    [4, 0.5],
  ];
  const grid = places.flatMap(([row, column]) => [(2 * column) / 5 - 1, (2 * row) / 4 - 1]);
  const x = device.tensor(new Float32Array(30).fill(1), [1, 5, 6, 1]);
  x.requiresGrad = true;
  const y = gridSample(x, device.tensor(grid, [1, 1, 4, 2]), { alignCorners: true });
  const touched: Record<number, number>[] = [
    { 7: 0.375, 8: 0.125, 13: 0.375, 14: 0.125 },
    { 22: 1 },
    { 22: 1 },
    { 24: 0.5, 25: 0.5 },
  ];
  const upstreams = [
    [NaN, 2, 3, 4],
    [Infinity, 1, 2, 3],
    [1, Infinity, -Infinity, 2],
    [1, -Infinity, 2, 1e-20],
    [1, 2, 3, NaN],
  ];
  for (const upstream of upstreams) {
    const want = new Float64Array(30);
    touched.forEach((pixels, k) => Object.entries(pixels).forEach(([i, weight]) => (want[+i] += weight * upstream[k])));
    const dx = await grad(y, [x], { dy: device.tensor(upstream, [1, 1, 4, 1]) })[0].read();
    dx.forEach((v: number, i: number) => {
      const right = Object.is(v, want[i]) || Math.abs(v - want[i]) <= 1e-5 * Math.abs(want[i]) + 1e-7;
      assert.ok(right, `dy ${upstream}: dx[${i}] is ${v}, expected ${want[i]}`);
    });
  }
});

test('NaN in the grid is taken for -1, as in PyTorch; NaN in the picture stays at its pixels', async () => {
  const device = await testDevice();
  const values = Float32Array.from({ length: 12 }, (_, i) => (i === 5 ? NaN : i));
  const x = device.tensor(values, [1, 3, 4, 1]);
  const sample = (points: number[]): Promise<ArrayLike<number>> =>
    gridSample(x, device.tensor(points, [1, 1, points.length / 2, 2]), { alignCorners: true }).read();
  assert.equal([...Array.from(await sample([NaN, NaN, -1, NaN, NaN, 1, 1, -1]))], [0, 0, 8, 3]);
  const all = Array.from({ length: 12 }, (_, i) => [((i % 4) * 2) / 3 - 1, Math.floor(i / 4) - 1]).flat();
  Array.from(await sample(all)).forEach((v, i) => assert.is(Number.isNaN(v), i === 5, `pixel ${i}`));
});

test.run();
