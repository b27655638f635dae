// Patches under a window and their sum.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { conv2d, fold, matmul, reshape, unfold } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { each, made, of } from '../support/nd.ts';
import { checkCase, close, f64, type F64, type OpCase } from '../support/op.ts';

type Two = [number, number];
interface Setting {
  shape: Shape;
  kernel: Two;
  stride: Two;
  padding: Two;
  dilation: Two;
}

const setting = (
  shape: Shape,
  kernel: Two,
  stride: Two = [1, 1],
  padding: Two = [0, 0],
  dilation: Two = [1, 1],
): Setting => ({ shape, kernel, stride, padding, dilation });

function patchShape({ shape: [n, h, w, c], kernel, stride, padding, dilation }: Setting): Shape {
  const along = (size: number, i: 0 | 1): number =>
    Math.floor((size + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i]) + 1;
  return [n, along(h, 0), along(w, 1), kernel[0] * kernel[1] * c];
}

/** Index in x of an element of the patches, and whether it lies inside. */
function source(
  { shape: [, h, w, c], kernel, stride, padding, dilation }: Setting,
  [n, oy, ox, k]: number[],
): { at: number[]; inside: boolean } {
  const tap = Math.floor(k / c);
  const y = oy * stride[0] + Math.floor(tap / kernel[1]) * dilation[0] - padding[0];
  const x = ox * stride[1] + (tap % kernel[1]) * dilation[1] - padding[1];
  return { at: [n, y, x, k % c], inside: y >= 0 && x >= 0 && y < h && x < w };
}

function folded(s: Setting, patches: F64): F64 {
  const x = f64(s.shape);
  const [, h, w, c] = s.shape;
  each(patches.shape, (at, i) => {
    const {
      at: [n, y, z, k],
      inside,
    } = source(s, at);
    if (inside) x.data[((n * h + y) * w + z) * c + k] += patches.data[i];
  });
  return x;
}

const settings = [
  setting([1, 6, 5, 2], [3, 3], [2, 2], [1, 1]),
  setting([2, 7, 6, 4], [2, 3], [1, 2], [0, 2], [3, 1]),
  setting([1, 1, 1, 1], [1, 1]),
  setting([1, 2, 2, 8], [3, 3], [1, 1], [1, 1]),
  setting([0, 4, 4, 3], [2, 2]),
  setting([1, 4, 4, 0], [2, 2]),
  setting([1, 9, 9, 3], [2, 2], [4, 4]),
  setting([8, 64, 64, 3], [3, 3], [1, 1], [1, 1]),
];

const cases: OpCase[] = settings.flatMap((s) => {
  const { shape, kernel, ...o } = s;
  return [
    {
      name: `unfold ${JSON.stringify(s)}`,
      inputs: { x: { shape } },
      run: ({ x }) => unfold(x, kernel, o),
      reference: ({ x }) =>
        made(patchShape(s), (at) => {
          const f = source(s, at);
          return f.inside ? of(x, f.at) : 0;
        }),
    },
    {
      name: `fold ${JSON.stringify(s)}`,
      inputs: { p: { shape: patchShape(s) } },
      run: ({ p }) => fold(p, [shape[1], shape[2]], kernel, o),
      reference: ({ p }) => folded(s, p),
    },
  ] as OpCase[];
});

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('a convolution is a product of patches', async () => {
  const device = await testDevice();
  const numbers = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(1 + i));
  const x = device.tensor(numbers(2 * 6 * 5 * 3), [2, 6, 5, 3]);
  const w = device.tensor(numbers(3 * 3 * 3 * 4), [3, 3, 3, 4]);
  const y = matmul(reshape(unfold(x, 3, { padding: 1 }), [60, 27]), reshape(w, [27, 4]));
  close(await y.read(), await conv2d(x, w, undefined, { padding: 1 }).read(), 1e-5, 'y');
});

test('integers, and what cannot be', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 16777217], [1, 2, 2, 1], 'i32');
  assert.equal([...(await unfold(x, 2).read())], [1, 2, 3, 16777217]);
  assert.throws(() => unfold(x, 3), /does not fit into/);
  assert.throws(() => unfold(x, 1, { stride: 0 }), /stride is/);
  assert.throws(() => unfold(device.empty([2, 2]), 1), /not \[n, h, w, c\]/);
  assert.throws(() => fold(device.empty([1, 2, 2, 5]), [3, 3], 2), /a multiple of 4/);
  assert.throws(() => fold(device.empty([1, 3, 2, 4]), [3, 3], 2), /patches are/);
  assert.throws(() => fold(x, [2, 2], 1), /is i32/);
});

test.run();
