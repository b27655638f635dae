// Every operation on f16: computed in f32 and rounded once, forward and gradients; what must not mix is refused.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { Device } from '../../runtime/device/device.ts';
import { errorText, ShapeError } from '../../runtime/errors.ts';
import { floatToHalf, halfToFloat } from '../../runtime/half.ts';
import { SHADERS } from '../../runtime/kernel/generated.ts';
import { specialise, type Constants } from '../../runtime/kernel/kernel.ts';
import * as ops from '../support/ops.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type DType, type Tensor } from '../../runtime/tensor.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';
import { CASES, i32, type HalfCase } from './halfCases.ts';

/** Results and gradients of a case for operands of a dtype. The tensors of f32 hold numbers of f16 too. */
async function computed(
  device: Device,
  c: HalfCase,
  dtype: DType,
): Promise<{ dtypes: DType[]; values: ArrayLike<number>[]; names: string[] }> {
  const rng = new Rng(3, 1);
  const names: string[] = [];
  const out = device.scope(() => {
    const t = Object.fromEntries(
      Object.entries(c.inputs).map(([name, shape]) => {
        const bits = floatToHalf(
          Array.from({ length: sizeOf(shape) }, () => (c.draw ?? ((v: number) => v))(rng.normal())),
        );
        const made = dtype === 'f16' ? device.tensor(bits, shape) : device.tensor(halfToFloat(bits), shape);
        made.requiresGrad = !c.constant;
        return [name, made];
      }),
    );
    const ys = [c.run(t, device)].flat();
    const results = ys.slice();
    names.push(...ys.map((_, i) => `y${i}`));
    const real = ys.filter((y) => y.dtype === dtype);
    if (!c.constant) {
      for (const [k, y] of real.entries()) {
        const dy = Array.from({ length: y.size }, () => rng.normal());
        const wrt = Object.values(t);
        const bits = floatToHalf(dy);
        results.push(
          ...grad(y, wrt, {
            dy: dtype === 'f16' ? device.tensor(bits, y.shape) : device.tensor(halfToFloat(bits), y.shape),
          }),
        );
        names.push(...Object.keys(t).map((name) => `d${name} of ${k}`));
      }
    }
    return results;
  });
  const values = await device.read(out);
  const dtypes = out.map((t) => t.dtype);
  for (const t of out) t.dispose();
  return { dtypes, values, names };
}

/** The adapter without its shader-f16. */
class WithoutHalf extends Device {
  override get f16(): boolean {
    return false;
  }
}

let without: Device | undefined;

const DEVICES: Record<string, () => Promise<Device>> = {
  'on f16': testDevice,
  'on f16, kernels for GPUs': gpuVariants,
  'on f16, kernels in registers': softwareVariants,
  'on f16 that the adapter lacks': async () => {
    const { gpu, info } = await testDevice();
    return (without ??= new WithoutHalf(gpu, info));
  },
};

for (const [name, c] of Object.entries(CASES))
  for (const [where, open] of Object.entries(DEVICES)) {
    if (
      (open === gpuVariants && !/^(conv|matmul)/.test(name)) ||
      (open === softwareVariants && !name.startsWith('conv'))
    )
      continue;
    test(`${name} ${where}`, async () => {
      const device = await open();
      const want = await computed(device, c, 'f32');
      const got = await computed(device, c, 'f16');
      got.names.forEach((what, i) => {
        assert.is(got.dtypes[i], want.dtypes[i] === 'f32' ? 'f16' : want.dtypes[i], what);
        assert.is(got.values[i].length, want.values[i].length, what);
        const scale = Math.max(...Array.from(want.values[i], Math.abs), 1e-3);
        // Rounded where an operation ends: once for most, a few times for what is made of others and for gradients that
        // meet.
        Array.from(want.values[i]).forEach((w, k) =>
          assert.ok(
            Math.abs(got.values[i][k] - w) <= 4e-3 * Math.abs(w) + 1.5e-3 * scale,
            `${what}[${k}] is ${got.values[i][k]}, in f32 ${w}`,
          ),
        );
      });
    });
  }

test('a convolution on f16 is rounded once, and a plan gives the same bits', async () => {
  const device = await testDevice();
  const rng = new Rng(9, 1);
  const [a, b] = [
    [1, 8, 8, 8],
    [3, 3, 8, 8],
  ].map((s) => floatToHalf(Array.from({ length: sizeOf(s) }, () => rng.normal())));
  const run = (u: Tensor, v: Tensor): Tensor => ops.conv2d(u, v, undefined, { padding: 1 });
  const wide = await run(
    device.tensor(halfToFloat(a), [1, 8, 8, 8]),
    device.tensor(halfToFloat(b), [3, 3, 8, 8]),
  ).read();
  const half = await run(device.tensor(a, [1, 8, 8, 8]), device.tensor(b, [3, 3, 8, 8])).read();
  assert.equal(half, halfToFloat(floatToHalf(wide)));
  const step = plan(
    device,
    { u: { shape: [1, 8, 8, 8], dtype: 'f16' }, v: { shape: [3, 3, 8, 8], dtype: 'f16' } },
    ({ u, v }) => ({ y: run(u, v) }),
  );
  step.run({ u: a, v: b });
  assert.equal(await step.outputs.y.read(), half);
  step.dispose();
});

test('every kernel that knows f16 compiles in it without a warning', async () => {
  const device = await testDevice();
  const one: Constants = { Stored: 'f16' };
  const four: Constants = { Stored: 'vec4<f16>', Element: 'vec4<f32>' };
  const flags = [false, true];
  const texels: Constants = { Texels: 'texture_storage_2d<rgba16float, read>' };
  if (!device.f16) return;
  const ways: Record<string, Constants[]> = {
    strided: [0, 1, 2, 3, 4].flatMap((RULE) =>
      ['f16', 'vec4<f16>'].flatMap((Element) =>
        [2, 4, 8].map((AXES) => ({ RULE, Element, AXES, Scalar: 'f16', Number: 'f16' })),
      ),
    ),
    matmul: flags.flatMap((TRANSPOSE_A) => flags.map((TRANSPOSE_B) => ({ TRANSPOSE_A, TRANSPOSE_B, Element: 'f16' }))),
    conv2d: flags.map((BACK) => ({ ...one, BACK })),
    conv2dTiles: flags.map((BACK) => ({ ...one, BACK })),
    conv2dAny: flags.flatMap((BACK) => [
      { ...one, BACK },
      { ...four, BACK },
    ]),
    conv2dTexture: flags.map((BACK) => ({ ...one, ...texels, BACK })),
    conv2dTextureGrad: [texels],
    conv2dTranspose: [one],
    matmulTexture: flags.flatMap((TRANSPOSE_A) =>
      flags.map((TRANSPOSE_B) => ({ ...texels, TRANSPOSE_A, TRANSPOSE_B, Stored: 'vec4<f16>' })),
    ),
    maxPool2d: flags.flatMap((ADAPTIVE) => [
      { ...one, ADAPTIVE },
      { ...four, ADAPTIVE, Index: 'vec4<i32>' },
    ]),
    avgPool2d: flags.flatMap((ADAPTIVE) => [
      { ...one, ADAPTIVE },
      { ...four, ADAPTIVE },
    ]),
    resizeBilinear: [one, four],
    gather: flags.flatMap((WON) => ['f16', 'vec4<f16>'].map((Element) => ({ WON, Element }))),
    resizeNearest: flags.flatMap((UP): Constants[] => [
      { UP, Element: 'f16' },
      { UP, Element: 'vec4<f16>', Gradient: 'vec4<f32>' },
    ]),
    batchNorm: flags.flatMap((RELU) =>
      flags.flatMap((TRAIN) => flags.map((RESIDUAL) => ({ ...one, RELU, TRAIN, RESIDUAL }))),
    ),
  };
  for (const [shader, all] of Object.entries(ways))
    for (const constants of all) {
      const subgroups = SHADERS[shader].code.includes('enable subgroups') && !device.gpu.features.has('subgroups');
      if (subgroups) continue;
      const { messages } = await device.gpu
        .createShaderModule({ code: specialise(SHADERS[shader], shader, constants) })
        .getCompilationInfo();
      assert.equal(
        messages.map((m) => `${shader} ${JSON.stringify(constants)} ${m.lineNum}: ${m.message}`),
        [],
      );
    }
});

test('kernels that know f16 take it as it is', async () => {
  const device = await testDevice();
  if (!device.f16) return;
  const h = device.empty([1, 4, 4, 8], 'f16');
  const w = device.empty([3, 3, 8, 8], 'f16');
  const m = device.empty([8, 8], 'f16');
  const labels = i32(device, [3], (i) => i);
  const calls: Record<string, () => unknown> = {
    add: () => ops.add(h, h),
    'add a number': () => ops.add(h, 1),
    exp: () => ops.exp(h),
    relu: () => ops.relu(h),
    round: () => ops.round(h),
    permute: () => ops.permute(h, [0, 3, 1, 2]),
    matmul: () => ops.matmul(m, m),
    batchNorm: () =>
      ops.batchNorm(
        h,
        ops.full(device, [8], 1),
        ops.zeros(device, [8]),
        { mean: ops.zeros(device, [8]), variance: ops.full(device, [8], 1) },
        { mode: 'eval' },
      ),
    maxPool2d: () => ops.maxPool2d(h, { kernel: 2 }),
    avgPool2d: () => ops.avgPool2d(h, { kernel: 2 }),
    resizeBilinear: () => ops.resizeBilinear(h, [8, 8]),
    resizeNearest: () => ops.resizeNearest(h, [8, 8]),
    embedding: () => ops.embedding(labels, m),
    indexSelect: () => ops.indexSelect(h, 1, labels),
    'reflecting pad': () =>
      ops.pad(
        h,
        [
          [0, 0],
          [1, 1],
          [0, 0],
          [0, 0],
        ],
        { mode: 'reflect' },
      ),
    conv2d: () => ops.conv2d(h, w, undefined, { padding: 1 }),
  };
  for (const [name, call] of Object.entries(calls)) {
    const before = device.dispatches;
    call();
    // Batch norm's four tensors, of which two are filled.
    assert.is(device.dispatches - before, name === 'batchNorm' ? 3 : 1, name);
  }
});

test('f16 and f32 do not mix, but for what norms learn and losses weigh by', async () => {
  const device = await testDevice();
  const h = device.empty([2, 4, 4, 4], 'f16');
  const f = device.empty([2, 4, 4, 4]);
  const w = device.empty([1, 1, 4, 4]);
  const c = device.empty([4], 'f16');
  const calls: Record<string, () => unknown> = {
    add: () => ops.add(h, f),
    where: () => ops.where(device.empty([1], 'i32'), f, h),
    gt: () => ops.gt(h, f),
    conv2d: () => ops.conv2d(h, w),
    matmul: () => ops.matmul(f, h),
    concat: () => ops.concat([h, f], 0),
    mse: () => ops.mse(h, f),
    scatter: () => ops.scatter(h, 0, device.empty([1, 4, 4, 4], 'i32'), f),
    scaledDotProductAttention: () => ops.scaledDotProductAttention(h, h, f),
    linear: () => ops.linear(h, device.empty([4, 4])),
    einsum: () => ops.einsum('nhwc,nhwc->n', h, f),
    gridSample: () => ops.gridSample(h, device.empty([2, 1, 1, 2])),
    weightedSum: () => ops.weightedSum([[h], [f]]),
    batchNorm: () => ops.batchNorm(h, c, c, { mean: c, variance: c }, { mode: 'train' }),
  };
  for (const [name, call] of Object.entries(calls))
    assert.throws(
      call,
      (e: unknown) => e instanceof ShapeError && new RegExp(`${name}[^]*f16`, 'i').test(errorText(e)),
      name,
    );
});

test('what continues in f32 is freed, also where a gradient is recorded', async () => {
  const device = await testDevice();
  const h = device.empty([64, 64], 'f16');
  const before = device.pool.stats.inUse;
  const used = (): number => device.pool.stats.inUse - before;
  for (const tracked of [false, true]) {
    h.requiresGrad = tracked;
    const m = ops.matmul(h, h);
    const y = ops.softmax(m);
    const half = 64 * 64 * 2;
    assert.is(used(), 2 * half);
    if (tracked) {
      const dy = ops.full(device, [64, 64], 1, 'f16');
      const {
        result: [dh],
        made,
      } = device.collect(() => grad(y, [h], { dy }));
      assert.is(dh.dtype, 'f16');
      // That of m, those of both factors, and their sum.
      assert.is(used(), 3 * half + 4 * half);
      for (const t of [dy, ...made]) t.dispose();
    }
    for (const t of [m, y]) t.dispose();
    assert.is(used(), 0);
  }
});

test('second derivatives on f16', async () => {
  const device = await testDevice();
  const x = device.tensor([0.5, -1, 2], [3], 'f16');
  const ones = ops.full(device, [3], 1, 'f16');
  x.requiresGrad = true;
  const [dx] = grad(ops.mul(ops.square(x), x), [x], { dy: ones, createGraph: true });
  const [ddx] = grad(dx, [x], { dy: ones });
  assert.equal([dx.dtype, ddx.dtype], ['f16', 'f16']);
  assert.equal([...(await dx.read()), ...(await ddx.read())], [0.75, 3, 12, 3, -6, 12]);
});

test.run();
