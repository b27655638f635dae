// Convolution and transposed convolution against plain loops in float64, gradients by finite differences.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { full } from '../../runtime/ops/fill.ts';
import { conv2d, convTranspose2d } from '../../runtime/ops/conv2d/index.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { geometry, options, outShape, products, reference, type Geometry } from '../support/convolution.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';
import { checkCase, close, f64, type OpCase } from '../support/op.ts';

const CASES: { x: Shape; w: Shape; g: Partial<Geometry>; bias?: boolean }[] = [
  { x: [2, 6, 7, 3], w: [3, 3, 3, 8], g: { pad: [1, 1, 1, 1] }, bias: true },
  { x: [2, 9, 8, 8], w: [3, 3, 8, 4], g: { pad: [1, 1, 1, 1] }, bias: true },
  { x: [1, 11, 9, 4], w: [3, 3, 4, 8], g: { pad: [1, 1, 1, 1], stride: [2, 2] } },
  { x: [1, 15, 13, 4], w: [3, 3, 4, 4], g: { pad: [6, 6, 6, 6], dilation: [6, 6] } },
  { x: [2, 5, 6, 16], w: [1, 1, 16, 11], g: {}, bias: true },
  // Whole vectors: rows of 8 pixels and of 4 with a rest, kernels taken by three taps of a row or one by one, 3 vectors
  // of 2 or 4.
  { x: [2, 5, 16, 4], w: [3, 3, 4, 12], g: { pad: [1, 1, 1, 1] }, bias: true },
  { x: [1, 4, 19, 8], w: [3, 3, 8, 20], g: { pad: [2, 0, 0, 2] }, bias: true },
  { x: [1, 3, 11, 12], w: [2, 3, 12, 16], g: { pad: [1, 0, 1, 1], dilation: [2, 1] } },
  { x: [1, 3, 21, 4], w: [1, 3, 4, 8], g: { pad: [0, 0, 3, 1], stride: [1, 2] } },
  { x: [1, 9, 17, 8], w: [3, 3, 4, 8], g: { groups: 2, pad: [1, 1, 1, 1], stride: [2, 1] } },
  { x: [1, 7, 18, 8], w: [3, 2, 8, 4], g: { pad: [3, 2, 1, 0], stride: [3, 2], dilation: [2, 3] } },
  { x: [1, 6, 12, 24], w: [1, 1, 24, 16], g: {} },
  { x: [1, 7, 7, 8], w: [3, 3, 4, 8], g: { groups: 2, pad: [1, 1, 1, 1] }, bias: true },
  { x: [1, 7, 6, 6], w: [3, 3, 1, 6], g: { groups: 6, pad: [1, 1, 1, 1] } },
  { x: [1, 8, 9, 5], w: [2, 4, 5, 7], g: { pad: [0, 1, 2, 0], stride: [1, 2], dilation: [2, 1] }, bias: true },
  { x: [1, 12, 11, 3], w: [7, 7, 3, 8], g: { pad: [3, 3, 3, 3], stride: [2, 2] } },
  { x: [1, 1, 1, 20], w: [1, 1, 20, 12], g: {} },
  // What the broadcasting kernels tell apart: whole and broken tiles of channels, the phases of a stride, padding
  // beyond the kernel's reach.
  { x: [2, 6, 5, 8], w: [3, 3, 8, 16], g: { pad: [1, 1, 1, 1] }, bias: true },
  { x: [1, 7, 8, 16], w: [3, 3, 16, 8], g: { pad: [2, 2, 2, 2], dilation: [2, 2] }, bias: true },
  { x: [1, 9, 8, 16], w: [3, 3, 16, 16], g: { pad: [1, 1, 1, 1], stride: [2, 2] }, bias: true },
  { x: [1, 11, 9, 4], w: [7, 7, 4, 16], g: { pad: [3, 3, 3, 3], stride: [2, 2] } },
  { x: [2, 7, 6, 8], w: [1, 1, 8, 16], g: { stride: [2, 2] } },
  { x: [1, 9, 10, 10], w: [3, 2, 10, 9], g: { pad: [1, 2, 0, 3], stride: [2, 3], dilation: [2, 1] } },
  { x: [1, 5, 4, 12], w: [3, 3, 12, 20], g: { pad: [1, 1, 1, 1] }, bias: true },
  { x: [1, 5, 4, 16], w: [3, 3, 8, 32], g: { groups: 2, pad: [1, 1, 1, 1] }, bias: true },
  { x: [1, 6, 5, 12], w: [3, 3, 6, 10], g: { groups: 2, pad: [1, 0, 1, 0], stride: [1, 2] }, bias: true },
  { x: [1, 4, 5, 8], w: [1, 1, 8, 8], g: { pad: [2, 2, 2, 2] } },
  // Depthwise: vectors and single channels, taps by threes and one by one, runs with a rest, the phases of a stride.
  { x: [2, 5, 9, 8], w: [3, 3, 1, 8], g: { groups: 8, pad: [1, 1, 1, 1] }, bias: true },
  { x: [1, 7, 10, 8], w: [3, 3, 1, 8], g: { groups: 8, pad: [1, 0, 2, 3], stride: [2, 1] } },
  { x: [1, 9, 11, 4], w: [3, 3, 1, 4], g: { groups: 4, pad: [1, 1, 1, 1], stride: [2, 2] }, bias: true },
  { x: [1, 9, 8, 12], w: [2, 3, 1, 12], g: { groups: 12, pad: [0, 2, 1, 0], stride: [1, 3], dilation: [3, 2] } },
  { x: [2, 6, 7, 3], w: [5, 3, 1, 3], g: { groups: 3, pad: [3, 2, 2, 1] }, bias: true },
];

for (const { x, w, g: partial, bias } of CASES) {
  const g = geometry(partial);
  const c: OpCase = {
    name: `conv2d x [${x}] w [${w}] ${JSON.stringify(partial)}${bias ? ' bias' : ''}`,
    inputs: { x: { shape: x }, w: { shape: w }, ...(bias ? { b: { shape: [w[3]] } } : {}) },
    run: (t) => conv2d(t.x, t.w, t.b, options(g)),
    reference: (t) => reference(t.x, t.w, t.b, g),
  };
  test(c.name, async () => checkCase(await testDevice(), c));
  test(`${c.name}, kernels for GPUs`, async () => checkCase(await gpuVariants(), c));
  test(`${c.name}, kernels in registers`, async () => checkCase(await softwareVariants(), c));
}

const TRANSPOSED: { x: Shape; w: Shape; g: Partial<Geometry>; extra?: number; bias?: boolean }[] = [
  { x: [2, 4, 5, 8], w: [2, 2, 4, 8], g: { stride: [2, 2] }, bias: true },
  { x: [1, 5, 4, 3], w: [3, 3, 5, 3], g: { stride: [2, 2], pad: [1, 1, 1, 1] }, extra: 1, bias: true },
  { x: [1, 4, 4, 8], w: [3, 3, 2, 8], g: { groups: 2, dilation: [2, 2] } },
  { x: [2, 4, 5, 8], w: [3, 3, 1, 8], g: { groups: 8, stride: [2, 2], pad: [1, 1, 1, 1] }, extra: 1, bias: true },
];

for (const { x, w, g: partial, extra = 0, bias } of TRANSPOSED) {
  const g = geometry(partial);
  const size = (n: number, axis: 0 | 1) =>
    (n - 1) * g.stride[axis] - g.pad[2 * axis] - g.pad[2 * axis + 1] + g.dilation[axis] * (w[axis] - 1) + extra + 1;
  const y: Shape = [x[0], size(x[1], 0), size(x[2], 1), w[2] * g.groups];
  const c: OpCase = {
    name: `convTranspose2d x [${x}] w [${w}] ${JSON.stringify(partial)} output padding ${extra}`,
    inputs: { x: { shape: x }, w: { shape: w }, ...(bias ? { b: { shape: [y[3]] } } : {}) },
    run: (t) => convTranspose2d(t.x, t.w, t.b, { ...options(g), outputPadding: extra }),
    reference: (t) => {
      const out = f64(y);
      if (t.b) out.data.forEach((_, i) => (out.data[i] = t.b.data[i % y[3]]));
      products(y, w, x, g, (yi, wi, xi) => (out.data[yi] += t.x.data[xi] * t.w.data[wi]));
      return out;
    },
  };
  test(c.name, async () => checkCase(await testDevice(), c));
  test(`${c.name}, kernels for GPUs`, async () => checkCase(await gpuVariants(), c));
  test(`${c.name}, kernels in registers`, async () => checkCase(await softwareVariants(), c));
}

// The sizes at which 32-bit index overflow and lazy reductions show: every weight gradient is compared with a float64
// sum.
for (const [n, side, ci, co] of [
  [8, 128, 4, 4],
  [1, 256, 4, 4],
  [1, 256, 3, 5],
  [1, 256, 4, 16],
]) {
  test(`weight gradient at ${n}x${side}x${side}, ${ci} to ${co} channels`, async () => {
    const rng = new Rng(3, side);
    const xs: Shape = [n, side, side, ci];
    const ws: Shape = [3, 3, ci, co];
    const ys: Shape = [n, side, side, co];
    const x = Float32Array.from({ length: n * side * side * ci }, () => rng.uniform(-1, 1));
    const dy = Float32Array.from({ length: n * side * side * co }, () => rng.uniform(-1, 1));
    const want = new Float64Array(9 * ci * co);
    products(xs, ws, ys, geometry({ pad: [1, 1, 1, 1] }), (xi, wi, yi) => (want[wi] += x[xi] * dy[yi]));
    for (const device of [await testDevice(), await gpuVariants(), await softwareVariants()]) {
      const got = device.scope(() => {
        const w = device.tensor(new Float32Array(9 * ci * co), ws);
        w.requiresGrad = true;
        const y = conv2d(device.tensor(x, xs), w, undefined, { padding: 1 });
        return grad(y, [w], { dy: device.tensor(dy, ys) })[0];
      });
      close(await got.read(), want, 1e-5, 'dw');
      got.dispose();
    }
  });
}

// With dx = dy * w^T, the gradients of <dx, r> are those of <r * w, dy>.
for (const [ci, co, stride] of [
  [8, 16, 1],
  [16, 16, 2],
  [3, 5, 2],
]) {
  test(`second derivatives, ${ci} to ${co} channels, stride ${stride}`, async () => {
    const rng = new Rng(5, ci);
    const g = geometry({ stride: [stride, stride], pad: [1, 1, 1, 1] });
    const xs: Shape = [2, 7, 6, ci];
    const ws: Shape = [3, 3, ci, co];
    const ys = outShape(xs, ws, g);
    const draw = (s: Shape): Float32Array<ArrayBuffer> =>
      Float32Array.from({ length: sizeOf(s) }, () => rng.uniform(-1, 1));
    const x = draw(xs);
    const w = draw(ws);
    const dy = draw(ys);
    const r = draw(xs);
    const dw = new Float64Array(w.length);
    const ddy = new Float64Array(dy.length);
    products(xs, ws, ys, g, (xi, wi, yi) => {
      dw[wi] += r[xi] * dy[yi];
      ddy[yi] += r[xi] * w[wi];
    });
    for (const device of [await testDevice(), await gpuVariants(), await softwareVariants()]) {
      const got = device.scope(() => {
        const [tx, tw, tdy] = [device.tensor(x, xs), device.tensor(w, ws), device.tensor(dy, ys)];
        for (const t of [tx, tw, tdy]) t.requiresGrad = true;
        const dx = grad(conv2d(tx, tw, undefined, options(g)), [tx], { dy: tdy, createGraph: true })[0];
        return grad(dx, [tw, tdy], { dy: device.tensor(r, xs) });
      });
      const [gw, gdy] = await device.read(got);
      close(gw, dw, 1e-5, 'dw of dx');
      close(gdy, ddy, 1e-5, 'ddy of dx');
      for (const t of got) t.dispose();
    }
  });
}

test('conv2d refuses shapes that do not fit', async () => {
  const device = await testDevice();
  const x = device.tensor(new Float32Array(2 * 4 * 4 * 3), [2, 4, 4, 3]);
  const w = device.tensor(new Float32Array(3 * 3 * 5 * 8), [3, 3, 5, 8]);
  assert.throws(() => conv2d(x, w), /x has 3 channels.*want 5/);
  const big = device.tensor(new Float32Array(7 * 7 * 3 * 8), [7, 7, 3, 8]);
  assert.throws(() => conv2d(x, big), /does not fit/);
});

test('settings that are not whole numbers are refused', async () => {
  const device = await testDevice();
  const x = device.empty([1, 8, 8, 4]);
  const w = device.empty([3, 3, 4, 4]);
  assert.throws(() => conv2d(x, w, undefined, { stride: 1.5 }), /stride is 1.5, 1.5/);
  assert.throws(() => conv2d(x, w, undefined, { stride: [0, 1] }), /stride is 0, 1/);
  assert.throws(() => conv2d(x, w, undefined, { dilation: 0.5 }), /dilation/);
  assert.throws(() => conv2d(x, w, undefined, { padding: [1, -1] }), /padding is 1, 1, -1, -1/);
  assert.throws(() => conv2d(x, w, undefined, { groups: 0.5 }), /groups/);
  assert.throws(() => convTranspose2d(x, w, undefined, { outputPadding: 0.5 }), /output padding/);
});

test('a batch of no images: all gradients are zeros', async () => {
  const device = await testDevice();
  const x = device.empty([0, 5, 5, 3]);
  const w = full(device, [3, 3, 3, 4], 1);
  const b = full(device, [4], 1);
  for (const t of [x, w, b]) t.requiresGrad = true;
  const y = conv2d(x, w, b);
  const [dx, dw, db] = await device.read(grad(y, [x, w, b], { dy: device.empty(y.shape) }));
  assert.equal([dx.length, [...db], dw.every((v) => v === 0)], [0, [0, 0, 0, 0], true]);
});

test('the weight gradient of more weights than one dimension of the grid holds', async () => {
  for (const [device, taps, ci, co] of [
    [await gpuVariants(), 1, 2049, 2049],
    [await testDevice(), 524297, 1, 4],
  ] as const) {
    const x = device.tensor(
      Float32Array.from({ length: taps * ci }, (_, i) => (i * 3) % 17),
      [1, 1, taps, ci],
    );
    const dy = device.tensor(
      Float32Array.from({ length: co }, (_, i) => (i * 5) % 17),
      [1, 1, 1, co],
    );
    const got = device.scope(() => {
      const w = device.empty([1, taps, ci, co]);
      w.requiresGrad = true;
      return grad(conv2d(x, w), [w], { dy })[0];
    });
    const dw = await got.read();
    assert.ok(
      dw.every((v, i) => v === ((Math.floor(i / co) * 3) % 17) * (((i % co) * 5) % 17)),
      `${taps} taps, ${ci} to ${co}`,
    );
    for (const t of [got, x, dy]) t.dispose();
  }
});

test('workgroups past the last pixel store nothing', async () => {
  const device = await testDevice();
  if (!device.traits.texels) return; // the kernel is for such adapters alone
  const x = device.tensor(
    Float32Array.from({ length: 64 }, (_, i) => i),
    [1, 8, 2, 4],
  );
  const w = full(device, [1, 1, 4, 4], 1);
  const y = full(device, [1, 8, 2, 4], -1);
  const params = {
    x_size: x.shape,
    y_size: y.shape,
    kernel: [1, 1, 4, 4],
    stride: [1, 1],
    pad: [0, 0],
    dilation: [1, 1],
    bias: 0,
  };
  const run = (groups: number): void =>
    device.run({
      shaders: device.options.native,
      shader: 'conv2dTexture',
      entry: 'forward',
      bindings: { x, w, b: w, y },
      params,
      groups: [groups, 1, 1],
    });
  run(1);
  const want = await y.read();
  assert.is(want[0], 0 + 1 + 2 + 3);
  run(9);
  assert.equal(await y.read(), want);
});

test.run();
