// NaN and infinities in convolutions, in every variant of their kernels: they come out where a window sees them, and
// nowhere else. What a kernel loads for the padding or beyond the end of a row must not leak.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { conv2d } from '../../runtime/ops/conv2d/index.ts';
import { cast } from '../../runtime/ops/cast.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape, type Tensor } from '../../runtime/tensor.ts';
import { geometry, options, outShape, products, type Geometry } from '../support/convolution.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';

const CASES: { x: Shape; w: Shape; g: Partial<Geometry> }[] = [
  { x: [1, 9, 9, 3], w: [3, 3, 3, 8], g: { pad: [1, 1, 1, 1] } },
  { x: [2, 9, 10, 8], w: [3, 3, 8, 4], g: { pad: [1, 1, 1, 1] } },
  { x: [1, 11, 9, 4], w: [3, 3, 4, 8], g: { pad: [1, 1, 1, 1], stride: [2, 2] } },
  { x: [1, 4, 19, 8], w: [3, 3, 8, 20], g: { pad: [2, 0, 0, 2] } },
  // Rows of 8 pixels with a rest, whose taps see the pixels behind it.
  { x: [1, 3, 11, 8], w: [1, 3, 8, 16], g: {} },
  { x: [1, 6, 13, 4], w: [2, 2, 4, 8], g: { dilation: [2, 2] } },
  { x: [1, 9, 17, 8], w: [3, 3, 4, 8], g: { groups: 2, pad: [1, 1, 1, 1], stride: [2, 1] } },
  { x: [1, 8, 9, 5], w: [2, 4, 5, 7], g: { pad: [0, 1, 2, 0], stride: [1, 2], dilation: [2, 1] } },
  { x: [1, 3, 10, 3], w: [1, 3, 3, 5], g: {} },
  { x: [2, 6, 7, 16], w: [1, 1, 16, 12], g: {} },
  { x: [2, 5, 9, 8], w: [3, 3, 1, 8], g: { groups: 8, pad: [1, 1, 1, 1] } },
  { x: [1, 9, 11, 4], w: [3, 3, 1, 4], g: { groups: 4, stride: [2, 2] } },
];

const devices: Record<string, () => Promise<Device>> = {
  'the adapter': testDevice,
  GPUs: gpuVariants,
  'another software adapter': softwareVariants,
};

/** Ordinary values, with some that are not finite: the first, the last, and one in twenty at the ends of rows. */
function poisoned(rng: Rng, shape: Shape): Float32Array {
  const n = sizeOf(shape);
  const c = shape[3];
  const ends = (i: number): boolean => Math.floor(i / c) % shape[2] >= shape[2] - 2;
  const draw = (): number => [NaN, NaN, Infinity, -Infinity][rng.int(4)];
  const values = Float32Array.from({ length: n }, () => rng.uniform(0.5, 1) * (rng.int(2) ? 1 : -1));
  values.forEach((_, i) => (i === 0 || i === n - 1 || (ends(i) && rng.int(20) === 0)) && (values[i] = draw()));
  return values;
}

/** What differs in being NaN or infinite; finite values are not compared closely here. */
function differences(what: string, got: ArrayLike<number>, want: Float64Array): string[] {
  return [...want].flatMap((w, i) => {
    const same = Number.isFinite(w) ? Math.abs(got[i] - w) < 0.1 : Object.is(got[i], w);
    return same ? [] : [`${what} [${i}] is ${got[i]}, expected ${w}`];
  });
}

for (const dtype of ['f32', 'f16'] as const) {
  for (const [name, open] of Object.entries(devices)) {
    test(`convolution of NaN and infinities, ${dtype}, kernels for ${name}`, async () => {
      const device = await open();
      for (const [k, { x, w, g: partial }] of CASES.entries()) {
        const g = geometry(partial);
        const y = outShape(x, w, g);
        const rng = new Rng(k, 12);
        const plain = (s: Shape): Float32Array => Float32Array.from({ length: sizeOf(s) }, () => rng.uniform(0.5, 1));
        const xs = poisoned(rng, x);
        const ws = plain(w);
        const sound = plain(y);
        const broken = poisoned(rng, y);
        const [wantY, wantX, wantW] = [y, x, w].map((s) => new Float64Array(sizeOf(s)));
        products(x, w, y, g, (xi, wi, yi) => {
          wantY[yi] += xs[xi] * ws[wi];
          wantW[wi] += xs[xi] * sound[yi];
          wantX[xi] += ws[wi] * broken[yi];
        });
        const of = (values: Float32Array, shape: Shape): Tensor => cast(device.tensor(values, shape), dtype);
        const tx = of(xs, x);
        const tw = of(ws, w);
        tx.requiresGrad = tw.requiresGrad = true;
        const made = conv2d(tx, tw, undefined, options(g));
        const [dw] = grad(made, [tw], { dy: of(sound, y) });
        const [dx] = grad(made, [tx], { dy: of(broken, y) });
        const got = await device.read([made, dw, dx]);
        const said = `x [${x}] w [${w}] ${JSON.stringify(partial)}`;
        const wrong = [wantY, wantW, wantX].flatMap((want, i) => differences(['y', 'dw', 'dx'][i], got[i], want));
        assert.equal(wrong.slice(0, 4), [], said);
      }
    });
  }
}

test.run();
