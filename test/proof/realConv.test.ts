// Convolutions at the sizes that networks have, element by element against float64: results, input gradients and weight
// gradients, with random inputs whose seed is printed. These are the sizes at which 32-bit products, lazy sums and
// chunked kernels go wrong.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { conv2d, convTranspose2d } from '../../runtime/ops/conv2d/index.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';

interface Case {
  x: Shape;
  w: Shape;
  stride?: number;
  dilation?: number;
  padding?: number;
  groups?: number;
}

const CASES: Case[] = [
  { x: [8, 128, 128, 4], w: [3, 3, 4, 8], padding: 1 },
  { x: [8, 128, 128, 3], w: [3, 3, 3, 5], padding: 1 },
  { x: [1, 256, 256, 8], w: [3, 3, 8, 8], padding: 1 },
  { x: [1, 256, 256, 6], w: [3, 3, 3, 10], padding: 1, groups: 2 },
  { x: [1, 513, 513, 4], w: [3, 3, 4, 4], padding: 1 },
  { x: [1, 513, 513, 3], w: [7, 7, 3, 8], padding: 3, stride: 2 },
  { x: [1, 513, 513, 4], w: [3, 3, 4, 4], padding: 12, dilation: 12, stride: 2 },
  { x: [1, 513, 513, 5], w: [3, 3, 1, 5], padding: 1, groups: 5 },
  { x: [1, 4, 5, 2048], w: [1, 1, 2048, 256] },
  { x: [2, 3, 3, 2048], w: [3, 3, 2048, 20], padding: 1 },
  { x: [1, 9, 9, 32], w: [3, 3, 32, 2048], padding: 2, dilation: 2 },
  { x: [1, 9, 10, 2048], w: [3, 3, 1, 2048], padding: 1, groups: 2048 },
  { x: [1, 6, 7, 2048], w: [3, 3, 64, 2048], padding: 1, stride: 2, groups: 32 },
];

/** y = x * w, dx = dy * w^T and dw = x^T dy of one convolution, all in one walk over the products. */
function reference(
  { x: xs, w: ws, stride = 1, dilation = 1, padding = 0, groups = 1 }: Case,
  ys: Shape,
  x: Float32Array,
  w: Float32Array,
  dy: Float32Array,
): Record<'y' | 'dx' | 'dw', Float64Array> {
  const y = new Float64Array(dy.length);
  const dx = new Float64Array(x.length);
  const dw = new Float64Array(w.length);
  const ci = ws[2];
  const co = ws[3] / groups;
  for (let n = 0; n < ys[0]; n++)
    for (let oy = 0; oy < ys[1]; oy++)
      for (let ox = 0; ox < ys[2]; ox++) {
        const out = ((n * ys[1] + oy) * ys[2] + ox) * ys[3];
        for (let ky = 0; ky < ws[0]; ky++)
          for (let kx = 0; kx < ws[1]; kx++) {
            const iy = oy * stride + ky * dilation - padding;
            const ix = ox * stride + kx * dilation - padding;
            if (iy < 0 || ix < 0 || iy >= xs[1] || ix >= xs[2]) continue;
            const from = ((n * xs[1] + iy) * xs[2] + ix) * xs[3];
            const tap = (ky * ws[1] + kx) * ci * ws[3];
            for (let g = 0; g < groups; g++)
              for (let c = 0; c < ci; c++) {
                const xi = from + g * ci + c;
                const v = x[xi];
                const wi = tap + c * ws[3] + g * co;
                const yi = out + g * co;
                let back = 0;
                for (let o = 0; o < co; o++) {
                  y[yi + o] += v * w[wi + o];
                  back += dy[yi + o] * w[wi + o];
                  dw[wi + o] += v * dy[yi + o];
                }
                dx[xi] += back;
              }
          }
      }
  return { y, dx, dw };
}

const seed = Number(process.env.FEWMASK_SEED ?? Date.now() % 2 ** 32);
console.log(`seed ${seed}`);

for (const c of CASES) {
  const { stride = 1, dilation = 1, padding = 0, groups = 1 } = c;
  const side = (axis: 0 | 1): number =>
    Math.floor((c.x[axis + 1] + 2 * padding - dilation * (c.w[axis] - 1) - 1) / stride) + 1;
  test(`conv2d ${JSON.stringify(c)}`, async () => {
    const ys = [c.x[0], side(0), side(1), c.w[3]];
    const rng = new Rng(seed, c.x[3] * 10000 + c.x[1]);
    const draw = (s: Shape): Float32Array<ArrayBuffer> =>
      Float32Array.from({ length: sizeOf(s) }, () => rng.uniform(-1, 1));
    const x = draw(c.x);
    const w = draw(c.w);
    const dy = draw(ys);
    const want = reference(c, ys, x, w, dy);
    for (const device of [await testDevice(), await gpuVariants(), await softwareVariants()]) {
      const made = device.scope(() => {
        const tx = device.tensor(x, c.x);
        const tw = device.tensor(w, c.w);
        const tdy = device.tensor(dy, ys);
        const options = { stride, dilation, padding, groups };
        tx.requiresGrad = tw.requiresGrad = true;
        const y = conv2d(tx, tw, undefined, options);
        // The transposed convolution is the input gradient; with what the stride leaves over.
        const extra = ([0, 1] as const).map(
          (a) => c.x[a + 1] - ((ys[a + 1] - 1) * stride - 2 * padding + dilation * (c.w[a] - 1) + 1),
        ) as [number, number];
        return [
          y,
          ...grad(y, [tx, tw], { dy: tdy }),
          convTranspose2d(tdy, tw, undefined, { ...options, outputPadding: extra }),
        ];
      });
      const [y, dx, dw, transposed] = await device.read(made);
      const where =
        device === (await testDevice())
          ? ''
          : device === (await gpuVariants())
            ? ', kernels for GPUs'
            : ', kernels in registers';
      close(y, want.y, 1e-5, `y${where}`);
      close(dx, want.dx, 1e-5, `dx${where}`);
      close(dw, want.dw, 1e-5, `dw${where}`);
      assert.equal(transposed, dx, 'the transposed convolution');
      for (const t of made) t.dispose();
    }
  });
}

test.run();
