// Max pooling, adaptive and global too, with and without the places of the maxima.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { floatToHalf } from '../../runtime/half.ts';
import {
  adaptiveMaxPool2d,
  adaptiveMaxPool2dWithIndices,
  cast,
  globalMaxPool,
  maxPool2d,
  maxPool2dWithIndices,
  sum,
  type MaxPool2dOptions,
} from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';
import { checkCase, f64 } from '../support/op.ts';
import { adaptiveReference, poolReference, type Window } from '../support/pools.ts';

const highest = (w: Window): number => Math.max(...w.values);
const place = (w: Window): number => w.places[w.values.indexOf(highest(w))];

const CASES: [Shape, MaxPool2dOptions][] = [
  [[2, 6, 8, 3], { kernel: 2 }],
  [[1, 9, 7, 4], { kernel: 3, stride: 2, padding: 1 }],
  [[1, 7, 6, 8], { kernel: 3, stride: 1, padding: 1 }],
  [[2, 5, 5, 1], { kernel: 3, stride: 1, padding: 1 }],
  [[2, 48, 64, 16], { kernel: 2 }],
  [[1, 8, 9, 2], { kernel: 3, stride: 2, ceilMode: true }],
  [[1, 8, 7, 5], { kernel: [3, 2], stride: [2, 3], padding: [0, 1, 1, 0], ceilMode: true }],
  [[1, 9, 10, 4], { kernel: [2, 3], stride: 1, dilation: [3, 2], padding: [2, 1] }],
  [[2, 12, 11, 4], { kernel: 5, stride: 2, padding: 2 }],
  [[1, 13, 16, 3], { kernel: [13, 3], stride: 1, padding: [6, 1] }],
  [[1, 1, 1, 1], { kernel: 1 }],
  [[1, 6, 5, 3], { kernel: 3, stride: 1, padding: 2 }],
  [[0, 4, 4, 4], { kernel: 2 }],
  [[8, 128, 128, 3], { kernel: 3, stride: 2, padding: 1 }],
];

for (const [shape, o] of CASES) {
  const name = `maxPool2d [${shape}] ${JSON.stringify(o)}`;
  for (const kept of [false, true]) {
    test(`${name}${kept ? ' with indices' : ''}`, async () =>
      checkCase(await testDevice(), {
        name,
        inputs: { x: { shape } },
        run: ({ x }) => (kept ? maxPool2dWithIndices(x, o).y : maxPool2d(x, o)),
        reference: ({ x }) => poolReference(x, o, highest),
        h: 1e-8,
      }));
  }
  test(`${name}: the places`, async () => {
    const device = await testDevice();
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (i * 7919) % 10007);
    const { indices } = maxPool2dWithIndices(device.tensor(values, shape), o);
    assert.is(indices.dtype, 'i32');
    assert.equal([...(await indices.read())], [...poolReference(f64(shape, values), o, place).data]);
  });
}

for (const [shape, size] of [
  [
    [1, 7, 8, 3],
    [2, 3],
  ],
  [
    [2, 8, 10, 4],
    [1, 1],
  ],
  [
    [1, 3, 3, 2],
    [5, 4],
  ],
  [
    [2, 33, 40, 8],
    [4, 7],
  ],
] as [Shape, [number, number]][]) {
  const name = `adaptiveMaxPool2d [${shape}] to ${size}`;
  test(name, async () =>
    checkCase(await testDevice(), {
      name,
      inputs: { x: { shape } },
      run: ({ x }) => adaptiveMaxPool2d(x, size),
      reference: ({ x }) => adaptiveReference(x, size, highest),
      h: 1e-8,
    }),
  );
  test(`${name}: the places`, async () => {
    const device = await testDevice();
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (i * 7919) % 10007);
    const { indices } = adaptiveMaxPool2dWithIndices(device.tensor(values, shape), size);
    assert.equal([...(await indices.read())], [...adaptiveReference(f64(shape, values), size, place).data]);
  });
}

test('globalMaxPool [2,33,40,5]', async () =>
  checkCase(await testDevice(), {
    name: 'globalMaxPool',
    inputs: { x: { shape: [2, 33, 40, 5] } },
    run: ({ x }) => globalMaxPool(x),
    reference: ({ x }) => adaptiveReference(x, [1, 1], highest),
    h: 1e-8,
  }));

test('without a gradient the places are freed', async () => {
  const device = await testDevice();
  const x = device.tensor(new Float32Array(64), [1, 8, 8, 1]);
  assert.is(device.collect(() => maxPool2d(x, { kernel: 5 })).made.size, 1);
  assert.is(device.collect(() => globalMaxPool(x)).made.size, 1);
});

test('a window larger than the padded image is refused', async () => {
  const x = (await testDevice()).tensor(new Float32Array(24), [1, 2, 3, 4]);
  assert.throws(() => maxPool2d(x, { kernel: 5 }), /does not fit/);
});

test('settings that are not whole numbers, and other dtypes, are refused', async () => {
  const x = (await testDevice()).empty([1, 8, 8, 4]);
  assert.throws(() => maxPool2d(x, { kernel: 2.5 }), /kernel is 2.5/);
  assert.throws(() => maxPool2d(x, { kernel: 2, stride: [1, 0] }), /stride is 1, 0/);
  assert.throws(() => maxPool2d(x, { kernel: 2, dilation: 0.5 }), /dilation/);
  assert.throws(() => maxPool2d(x, { kernel: 2, padding: 0.5 }), /padding/);
  assert.throws(() => maxPool2d(x, { kernel: 2, padding: 2 }), /as large as a window/);
  // Taps at -3, -1 and 1 of a single row.
  assert.throws(
    () => maxPool2d(x.device.empty([1, 1, 6, 1]), { kernel: [3, 1], padding: [3, 3, 0, 0], dilation: [2, 1] }),
    /window 0 along axis 1 .* sees nothing/,
  );
  assert.throws(() => maxPool2d(x.device.empty([1, 0, 6, 1]), { kernel: 3, padding: 2 }), /sees nothing/);
  assert.throws(() => maxPool2d(x.device.empty([1, 8, 8, 4], 'i32'), { kernel: 2 }), /is i32/);
  assert.throws(() => globalMaxPool(x.device.empty([1, 0, 8, 4])), /globalMaxPool/);
});

test('NaN wins wherever it stands in a window, of several the last, and has the gradient; padding hides none', async () => {
  for (const device of [await testDevice(), await gpuVariants(), await softwareVariants()]) {
    for (const dtype of ['f32', 'f16'] as const) {
      for (const channels of [1, 4]) {
        for (let place = 0; place < 4; place++) {
          const data = [1, 4, 2, 3].flatMap((v, p) =>
            Array.from({ length: channels }, (_, c) => (p === place && c === 0 ? NaN : v)),
          );
          const x = device.tensor(dtype === 'f16' ? floatToHalf(data) : data, [1, 2, 2, channels], dtype);
          x.requiresGrad = true;
          const others = Array(channels - 1).fill(4);
          const { y, indices } = maxPool2dWithIndices(x, { kernel: 2 });
          const pooled = [y, maxPool2d(x, { kernel: 2 }), globalMaxPool(x), adaptiveMaxPool2d(x, 1)];
          for (const made of pooled)
            assert.equal([...(await made.read())], [NaN, ...others], `${dtype} ${channels} at ${place}`);
          assert.equal([...(await indices.read())], [place, ...Array(channels - 1).fill(1)]);
          for (const made of pooled) {
            const [dx] = grad(sum(cast(made, 'f32')), [x]);
            const want = data.map((_, i) => Number(Math.floor(i / channels) === (i % channels === 0 ? place : 1)));
            assert.equal([...(await dx.read())], want);
          }
        }
      }
    }
    const x = device.tensor([NaN, 5, NaN, 1, 2, 3, 7, 8, 9], [1, 3, 3, 1]);
    const { y, indices } = maxPool2dWithIndices(x, { kernel: 3, stride: 2, padding: 1 });
    assert.equal([...(await y.read())], [NaN, NaN, 8, 9]);
    assert.equal([...(await indices.read())], [0, 2, 7, 8]);
    const dilated = maxPool2dWithIndices(x, { kernel: 2, dilation: 2 });
    assert.equal([[...(await dilated.y.read())], [...(await dilated.indices.read())]], [[NaN], [2]]);
  }
});

test.run();
