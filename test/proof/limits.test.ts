// Beyond the adapter's limits: what does not fit is refused before the GPU is touched, with a typed error that says
// what to do; nothing overflows.
//
// Why index arithmetic cannot overflow: every tensor that a kernel reads or writes is made by Device.empty or
// Device.tensor, which hold its elements, and each of its axes, below 2^31 and its bytes within one binding; a kernel's
// indices are smaller than the size of such a tensor. What is not a tensor's size comes from settings: strides,
// dilations, paddings and kernels are below 2^29 (runtime/kernel/geometry.ts), products of sides in adaptive windows
// below 2^31 (windows.ts), invocations below 2^31 and workgroups within the adapter's (Device.run), and no param is
// stored that is not a number of its 32 bits (fillParams). The cases below ask for what lies beyond each of them.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { OutOfMemoryError, ShapeError } from '../../runtime/errors.ts';
import * as ops from '../support/ops.ts';
import type { Shape, Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { smallDevice } from './smallDevice.ts';

/** 64 KiB: 16384 numbers of f32. */
const LIMIT = 1 << 16;

interface Given {
  device: Device;
  x: (...shape: number[]) => Tensor;
  i: (...shape: number[]) => Tensor;
}

/** One request beyond the binding limit for each family, from inputs within it. */
const BEYOND: Record<string, (g: Given) => unknown> = {
  'an input': ({ x }) => x(16385),
  full: ({ device }) => ops.full(device, [20000], 1),
  'binary, broadcast': ({ x }) => ops.add(x(200, 1), x(1, 200)),
  compare: ({ x }) => ops.gt(x(200, 1), x(200)),
  where: ({ x, i }) => ops.where(i(200, 1), x(1, 200), 0),
  expand: ({ x }) => ops.expand(x(1, 300), [300, 300]),
  repeat: ({ x }) => ops.repeat(x(300), [300]),
  repeatInterleave: ({ x }) => ops.repeatInterleave(x(300), 300),
  pad: ({ x }) =>
    ops.pad(x(10, 10), [
      [100, 100],
      [100, 100],
    ]),
  concat: ({ x }) => ops.concat([x(100, 100), x(100, 100)], 0),
  stack: ({ x }) => ops.stack([x(10000), x(10000)]),
  matmul: ({ x }) => ops.matmul(x(200, 4), x(4, 200)),
  einsum: ({ x }) => ops.einsum('i,j->ij', x(200), x(200)),
  linear: ({ x }) => ops.linear(x(200, 4), x(4, 200)),
  conv2d: ({ x }) => ops.conv2d(x(1, 20, 20, 4), x(1, 1, 4, 64)),
  conv1d: ({ x }) => ops.conv1d(x(1, 400, 4), x(1, 4, 64)),
  convTranspose2d: ({ x }) => ops.convTranspose2d(x(1, 20, 20, 4), x(4, 4, 4, 4), undefined, { stride: 4 }),
  unfold: ({ x }) => ops.unfold(x(1, 40, 40, 4), 3),
  'attention, its scores': ({ x }) => ops.scaledDotProductAttention(x(1, 1, 200, 4), x(1, 1, 200, 4), x(1, 1, 200, 4)),
  resizeBilinear: ({ x }) => ops.resizeBilinear(x(1, 8, 8, 4), [100, 100]),
  resizeNearest: ({ x }) => ops.resizeNearest(x(1, 8, 8, 4), [100, 100]),
  interpolate: ({ x }) => ops.interpolate(x(1, 8, 8, 4), { size: [100, 100] }),
  gridSample: ({ x }) => ops.gridSample(x(1, 4, 4, 64), x(1, 20, 20, 2)),
  affineGrid: ({ x }) => ops.affineGrid(x(1, 2, 3), [100, 100]),
  adaptiveAvgPool2d: ({ x }) => ops.adaptiveAvgPool2d(x(1, 8, 8, 4), 100),
  adaptiveMaxPool2d: ({ x }) => ops.adaptiveMaxPool2d(x(1, 8, 8, 4), 100),
  'avgPool2d, padded': ({ x }) => ops.avgPool2d(x(1, 60, 60, 4), { kernel: 61, padding: 60, stride: 1 }),
  oneHot: ({ i }) => ops.oneHot(i(200), 200),
  embedding: ({ x, i }) => ops.embedding(i(200), x(10, 200)),
  gather: ({ x, i }) => ops.gather(x(1, 100), 0, i(200, 100)),
  indexSelect: ({ x, i }) => ops.indexSelect(x(10, 200), 0, i(200)),
  uniform: ({ i }) => ops.uniform(i(4), [20000]),
  bincount: ({ i }) => ops.bincount(i(4), 20000),
  confusionCounts: ({ device }) => ops.confusionCounts(device, 200),
  'a gradient': ({ x }) => {
    const w = x(1, 1, 4, 40);
    w.requiresGrad = true;
    const y = ops.conv2d(x(1, 20, 20, 4), w);
    return grad(y, [w], { dy: ops.expand(x(1, 1, 1, 41), [1, 20, 20, 41]) });
  },
};

const numbers = (device: Device): Given => ({
  device,
  x: (...shape) =>
    device.tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => Math.sin(k)),
      shape,
    ),
  i: (...shape) =>
    device.tensor(new (shape.join() === '4' ? Uint32Array : Int32Array)(shape.reduce((a, b) => a * b, 1)), shape),
});

/** Asserts that the body is refused, with advice, and that nothing is left behind. */
function refused(device: Device, what: string, body: () => unknown, advice = true): void {
  const before = device.pool.stats.inUse;
  let error: unknown;
  try {
    device.scope(() => void body());
  } catch (e) {
    error = e;
  }
  assert.ok(
    error instanceof ShapeError || error instanceof OutOfMemoryError,
    `${what}: ${error instanceof Error ? error.stack : 'it was done'}`,
  );
  assert.ok(!advice || error.hint, `${what}: says what to do`);
  assert.is(device.pool.stats.inUse, before, `${what}: memory`);
}

test('each family beyond the binding limit', async () => {
  const device = await smallDevice({ maxStorageBufferBindingSize: LIMIT });
  const given = numbers(device);
  for (const [what, body] of Object.entries(BEYOND)) refused(device, what, () => body(given));
  // And the device works as before, up to the limit itself.
  const all = given.x(16384);
  const y = ops.mul(all, 2);
  assert.is((await y.read())[16383], 2 * (await all.read())[16383]);
});

test('a plan beyond the limits is refused while it is recorded, and leaves nothing', async () => {
  const device = await smallDevice({ maxStorageBufferBindingSize: LIMIT }, 8 << 20);
  const before = device.pool.stats.inUse;
  const refuses = (
    kind: typeof ShapeError | typeof OutOfMemoryError,
    shape: Shape,
    body: (x: Tensor) => Tensor,
  ): void => {
    assert.throws(
      () => plan(device, { x: { shape } }, ({ x }) => ({ y: body(x) })),
      (e: unknown) => e instanceof kind && !!e.hint,
    );
    assert.is(device.pool.stats.inUse, before);
    assert.is(device.recorder, null);
  };
  refuses(ShapeError, [20000], (x) => x);
  refuses(ShapeError, [200, 1], (x) => ops.sum(ops.mul(x, ops.reshape(x, [1, 200]))));
  device.pool.budget = before + LIMIT;
  refuses(OutOfMemoryError, [10000], (x) => ops.add(ops.sum(ops.exp(x)), x));
  device.pool.budget = 8 << 20;
  const step = plan(device, { x: { shape: [16384] } }, ({ x }) => ({ y: ops.exp(x) }));
  step.run({ x: new Float32Array(16384) });
  assert.ok((await step.outputs.y.read()).every((v) => v === 1));
  step.dispose();
});

test('what one buffer holds is not refused for the sake of its size class, what it does not is', async () => {
  const device = await smallDevice({ maxBufferSize: 70000, maxStorageBufferBindingSize: 140000 });
  assert.is(device.tensor(new Float32Array(17500), [17500]).size, 17500);
  assert.throws(
    () => device.empty([17501]),
    (e: unknown) => e instanceof OutOfMemoryError && !!e.hint,
  );
});

test('workgroups beyond the limit of a dimension are folded', async () => {
  const device = await smallDevice({ maxComputeWorkgroupsPerDimension: 16 });
  const n = 16 * 64 * 3 + 5;
  const x = device.tensor(
    Float32Array.from({ length: n }, (_, i) => i),
    [n],
  );
  const [y, s] = await device.read([ops.mul(x, 2), ops.sum(ops.reshape(x, [n, 1]), 1)]);
  assert.ok(y.every((v, i) => v === 2 * i) && s.every((v, i) => v === i));
  assert.throws(
    () => ops.full(device, [16 * 16 * 64 + 1], 1),
    (e: unknown) => e instanceof ShapeError,
  );
});

test('absurd shapes', async () => {
  const device = await testDevice();
  const { x, i } = numbers(device);
  const big = 2 ** 31;
  const huge = 2 ** 40;
  const one = x(1);
  const none = device.empty([0]);
  const image = x(1, 1, 1, 1);
  const pixels = x(1, 4, 4, 1);
  const absurd: Record<string, () => unknown> = {
    'empty [0, 2^31]': () => device.empty([0, big]),
    'empty [2^31]': () => device.empty([big]),
    'empty 1e308 x 1e308 x 0': () => device.empty([1e308, 1e308, 0]),
    'empty of fractions': () => device.empty([1.5]),
    'full [2^40]': () => ops.full(device, [huge], 1),
    'zeros [2^20, 2^20]': () => ops.zeros(device, [2 ** 20, 2 ** 20]),
    'expand [2^31]': () => ops.expand(one, [big]),
    'expand of nothing': () => ops.expand(ops.reshape(none, [0, 1]), [0, huge]),
    'repeat 2^40': () => ops.repeat(one, [huge]),
    'repeat 2^20 x 2^20': () => ops.repeat(one, [2 ** 20, 2 ** 20]),
    'repeatInterleave 2^40': () => ops.repeatInterleave(one, huge),
    'pad 2^40': () => ops.pad(one, [[huge, 0]]),
    'pad 2^40 and back': () => ops.pad(one, [[huge, -huge]]),
    'circular 2^33': () => ops.pad(one, [[2 ** 33, 0]], { mode: 'circular' }),
    'reshape to NaN': () => ops.reshape(one, [NaN]),
    'outer sum': () => ops.add(ops.full(device, [2 ** 20, 1], 1), ops.full(device, [2 ** 20], 1)),
    'outer product': () => ops.matmul(ops.full(device, [2 ** 17, 1], 1), ops.full(device, [1, 2 ** 17], 1)),
    'batches that multiply': () =>
      ops.matmul(ops.full(device, [2 ** 16, 1, 1, 1], 1), ops.full(device, [2 ** 16, 1, 1], 1)),
    'oneHot of 2^40 classes': () => ops.oneHot(i(3), huge),
    'bincount 2^40': () => ops.bincount(i(3), huge),
    'confusion of 2^20 classes': () => ops.confusionCounts(device, 2 ** 20),
    'pseudo-labels of 2^40 classes': () => ops.pseudoLabelCounts(device, huge),
    'resize to 2^20 x 2^20': () => ops.resizeBilinear(image, [2 ** 20, 2 ** 20]),
    'nearest to 2^20 x 2^20': () => ops.resizeNearest(image, [2 ** 20, 2 ** 20]),
    'grid of 2^20 x 2^20': () => ops.affineGrid(x(1, 2, 3), [2 ** 20, 2 ** 20]),
    'conv2d padding 2^32': () => ops.conv2d(image, image, undefined, { padding: 2 ** 32, stride: 2 ** 32 }),
    'conv2d stride 2^31': () => ops.conv2d(pixels, image, undefined, { stride: big }),
    'conv2d dilation 2^32': () => ops.conv2d(pixels, x(2, 2, 1, 1), undefined, { dilation: 2 ** 32, padding: 2 ** 32 }),
    'convTranspose2d stride 2^29': () => ops.convTranspose2d(pixels, image, undefined, { stride: 2 ** 29 }),
    'convTranspose2d output padding': () => ops.convTranspose2d(image, image, undefined, { outputPadding: 2 ** 16 }),
    'maxPool2d stride 2^31': () => ops.maxPool2d(pixels, { kernel: 2, stride: big }),
    'avgPool2d dilation 2^31': () => ops.avgPool2d(pixels, { kernel: 2, dilation: big, padding: big, stride: 1 }),
    'adaptive to 2^28 x 2^28': () => ops.adaptiveAvgPool2d(image, 2 ** 28),
    'adaptive beyond 32 bits': () => ops.adaptiveMaxPool2d(ops.full(device, [1, 2 ** 17, 1, 1], 1), [2 ** 16, 1]),
    'unfold padding 2^20': () => ops.unfold(image, 1, { padding: 2 ** 20 }),
    'fold to 2^20 x 2^20': () => ops.fold(x(1, 1, 1, 1), [2 ** 20, 2 ** 20], 1, { stride: 2 ** 20 }),
    'topk of 2^40': () => ops.topk(x(5), huge),
    'tril of 2^40': () => ops.tril(x(2, 2), huge),
    'split into 2^40': () => ops.split(x(5), [huge, 5 - huge]),
    'pixelShuffle 2^20': () => ops.pixelShuffle(pixels, 2 ** 20),
    'uniform [2^31]': () => ops.uniform(i(4), [big]),
    'a view': () => one.view([huge]),
  };
  for (const [what, body] of Object.entries(absurd)) refused(device, what, body, false);
});

test('settings at the edge give what they mean', async () => {
  const device = await testDevice();
  const at = 2 ** 29;
  const got = await device.read([
    ops.slice(device.tensor([1, 2, 3], [3]), [[0, 3, 2 ** 40]]),
    ops.roll(device.tensor([1, 2, 3], [3]), [2 ** 40], [0]),
    ops.split(device.tensor([1, 2, 3], [3]), 2 ** 40)[0],
    ops.conv2d(device.tensor([5], [1, 1, 1, 1]), device.tensor([2], [1, 1, 1, 1]), undefined, {
      padding: at,
      stride: at,
    }),
    ops.conv2d(device.tensor([5, 7, 1, 1], [1, 2, 2, 1]), device.tensor([2], [1, 1, 1, 1]), undefined, {
      dilation: at,
      stride: at,
    }),
    ops.maxPool2d(device.tensor([5, 7, 1, 1], [1, 2, 2, 1]), { kernel: 1, stride: at }),
    ops.sum(ops.reshape(device.empty([0]), [0, 7]), 0),
  ]);
  assert.equal(
    got.map((v) => [...v]),
    [[1], [3, 1, 2], [1, 2, 3], [0, 0, 0, 0, 10, 0, 0, 0, 0], [10], [5], Array(7).fill(0)],
  );
});

test.run();
