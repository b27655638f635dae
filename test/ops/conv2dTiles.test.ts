// Convolutions and products by tiles, as GPUs have them: every size of tile, at shapes of which tiles leave rests,
// against float64.

import { test } from 'uvu';
import { Device } from '../../runtime/device/device.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { cast } from '../../runtime/ops/cast.ts';
import { conv2d } from '../../runtime/ops/conv2d/index.ts';
import { MATRICES, TILES } from '../../runtime/ops/conv2d/variants.ts';
import { matmul } from '../../runtime/ops/matmul.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { gpuVariants } from '../support/device.ts';
import { close } from '../support/op.ts';

/** Numbers that f16 holds. */
const rng = new Rng(11, 4);
const draw = (s: Shape): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: sizeOf(s) }, () => Math.round(rng.uniform(-1, 1) * 1024) / 1024);

const { f16, traits } = await gpuVariants();
if (!traits.matrix)
  console.log('skipped: products by subgroup matrices, which this adapter has not (lavapipe has them from Mesa 26 on)');
const KERNELS = [
  ...TILES.map(({ name }) => [name, 'f32'] as const),
  ...(f16
    ? ([
        [TILES[1].name, 'f16'],
        [TILES[4].name, 'f16'],
      ] as const)
    : []),
  ...(traits.matrix ? MATRICES.map(({ name }) => [name, 'f16'] as const) : []),
];

/** The adapter taken for a GPU on which such tiles won. */
async function withTiles(taken: string): Promise<Device> {
  const { gpu, info, options, traits } = await gpuVariants();
  const device = new Device(gpu, info, { native: options.native, traits });
  device.choices = new Proxy({}, { get: () => taken });
  return device;
}

// Inner sizes of whole and broken rounds, several tiles of rows and of columns, groups, strides whose taps fall between
// pixels (by whole rounds where 16 divides the channels of y), negative padding of the turned kernel.
const CASES: { x: Shape; w: Shape; stride?: number; padding?: number; dilation?: number; groups?: number }[] = [
  { x: [2, 13, 11, 20], w: [3, 3, 20, 36], padding: 1 },
  { x: [1, 17, 16, 12], w: [3, 3, 12, 16], padding: 3, dilation: 3 },
  { x: [1, 12, 13, 16], w: [3, 3, 8, 80], padding: 1, groups: 2 },
  { x: [2, 15, 14, 16], w: [2, 2, 16, 32], stride: 2 },
  { x: [1, 19, 17, 8], w: [3, 3, 8, 16], stride: 3, padding: 1 },
  { x: [1, 16, 19, 4], w: [5, 3, 4, 20], stride: 2, padding: 2, dilation: 2 },
  { x: [2, 18, 17, 68], w: [1, 1, 68, 132] },
];

for (const [tile, dtype] of KERNELS) {
  const tolerance = dtype === 'f16' ? 1e-3 : 1e-5;
  for (const { x: xs, w: ws, stride = 1, padding = 0, dilation = 1, groups = 1 } of CASES) {
    test(
      `x [${xs}] w [${ws}] stride ${stride} padding ${padding} dilation ${dilation} groups ${groups}, ` +
        `${dtype}, tiles ${tile}`,
      async () => {
        const device = await withTiles(tile);
        const out = (axis: number): number =>
          Math.floor((xs[axis] + 2 * padding - dilation * (ws[axis - 1] - 1) - 1) / stride) + 1;
        const ys = [xs[0], out(1), out(2), ws[3]];
        const x = draw(xs);
        const w = draw(ws);
        const b = draw([ws[3]]);
        const dy = draw(ys);
        const [, , ci, co] = ws;
        const y = Float64Array.from({ length: sizeOf(ys) }, (_, i) => b[i % co]);
        const dx = new Float64Array(x.length);
        const dw = new Float64Array(w.length);
        for (let p = 0; p < y.length / co; p++)
          for (let t = 0; t < ws[0] * ws[1]; t++) {
            const row = Math.floor(p / ys[2]);
            const iy = (row % ys[1]) * stride + Math.floor(t / ws[1]) * dilation - padding;
            const ix = (p % ys[2]) * stride + (t % ws[1]) * dilation - padding;
            if (iy < 0 || ix < 0 || iy >= xs[1] || ix >= xs[2]) continue;
            const at = ((Math.floor(row / ys[1]) * xs[1] + iy) * xs[2] + ix) * xs[3];
            for (let o = 0; o < co; o++)
              for (let c = 0; c < ci; c++) {
                const xi = at + Math.floor(o / (co / groups)) * ci + c;
                const wi = (t * ci + c) * co + o;
                const yi = p * co + o;
                y[yi] += x[xi] * w[wi];
                dx[xi] += dy[yi] * w[wi];
                dw[wi] += x[xi] * dy[yi];
              }
          }
        const made = device.scope(() => {
          const [tx, tw, tb, tdy] = [
            device.tensor(x, xs),
            device.tensor(w, ws),
            device.tensor(b, [co]),
            device.tensor(dy, ys),
          ].map((t) => cast(t, dtype));
          tx.requiresGrad = tw.requiresGrad = true;
          const ty = conv2d(tx, tw, tb, { stride, padding, dilation, groups });
          return [ty, ...grad(ty, [tx, tw], { dy: tdy })].map((t) => cast(t, 'f32'));
        });
        const got = await device.read(made);
        [y, dx, dw].forEach((want, i) => close(got[i], want, tolerance, ['y', 'dx', 'dw'][i]));
        for (const t of made) t.dispose();
      },
    );
  }

  test(`products, ${dtype}, tiles ${tile}`, async () => {
    const device = await withTiles(tile);
    for (const [m, n, k] of [
      [70, 36, 52],
      [4, 4, 4],
      [132, 200, 300],
    ])
      for (const [transposeA, transposeB] of [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ]) {
        const a = draw(transposeA ? [k, m] : [m, k]);
        const b = draw(transposeB ? [n, k] : [k, n]);
        const want = new Float64Array(m * n);
        for (let i = 0; i < want.length; i++)
          for (let q = 0; q < k; q++)
            want[i] +=
              a[transposeA ? q * m + Math.floor(i / n) : Math.floor(i / n) * k + q] *
              b[transposeB ? (i % n) * k + q : q * n + (i % n)];
        const y = device.scope(() =>
          cast(
            matmul(
              cast(device.tensor(a, transposeA ? [k, m] : [m, k]), dtype),
              cast(device.tensor(b, transposeB ? [n, k] : [k, n]), dtype),
              { transposeA, transposeB },
            ),
            'f32',
          ),
        );
        close(await y.read(), want, tolerance, `${m} x ${n} x ${k}`);
        y.dispose();
      }
  });
}

test.run();
