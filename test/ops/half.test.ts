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
import { sizeOf, type DType, type Shape, type Tensor } from '../../runtime/tensor.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';

interface HalfCase {
  /** Shapes of the operands that are f16, by the names that `run` takes them by. */
  inputs: Record<string, Shape>;
  run(t: Record<string, Tensor>, device: Device): Tensor | Tensor[];
  /** Is there no gradient? */
  constant?: boolean;
  /** Makes what is drawn fit (default: standard normal). */
  draw?: (v: number) => number;
}

const i32 = (device: Device, shape: Shape, f: (i: number) => number): Tensor =>
  device.tensor(
    Int32Array.from({ length: sizeOf(shape) }, (_, i) => f(i)),
    shape,
  );
const seed = (device: Device): Tensor => device.tensor(Uint32Array.of(5, 6, 7, 0), [4]);
const positive = (v: number): number => Math.abs(v) + 0.25;
const image = [2, 5, 7, 3];

const one = (
  shape: Shape,
  run: (x: Tensor, device: Device) => Tensor | Tensor[],
  more: Partial<HalfCase> = {},
): HalfCase => ({ inputs: { x: shape }, run: ({ x: v }, device) => run(v, device), ...more });
const loss = (run: (x: Tensor, labels: Tensor, device: Device) => Tensor): HalfCase =>
  one([2, 3, 5], (v, device) =>
    run(
      v,
      i32(device, [2, 3], (i) => (i === 4 ? 255 : i % 5)),
      device,
    ),
  );
const pair = (run: (a: Tensor, b: Tensor) => Tensor, draw?: HalfCase['draw']): HalfCase => ({
  inputs: { a: [3, 5], b: [3, 5] },
  run: ({ a, b }) => run(a, b),
  draw,
});

const CASES: Record<string, HalfCase> = {
  // Elementwise, with an odd number of elements.
  exp: one([3, 5], ops.exp),
  log: one([3, 5], ops.log, { draw: positive }),
  sqrt: one([3, 5], ops.sqrt, { draw: positive }),
  erf: one([15], ops.erf),
  gelu: one([15], (v) => ops.gelu(v)),
  silu: one([15], ops.silu),
  mish: one([15], ops.mish),
  softplus: one([15], (v) => ops.softplus(v)),
  round: one([15], ops.round, { constant: true }),
  clamp: one([15], (v) => ops.clamp(v, { min: -0.5, max: 0.75 })),
  add: { inputs: { a: [3, 5], b: [5] }, run: ({ a, b }) => ops.add(a, b) },
  mul: pair(ops.mul),
  div: pair(ops.div, positive),
  pow: pair(ops.pow, positive),
  maximum: pair(ops.maximum),
  atan2: pair(ops.atan2),
  where: {
    inputs: { a: [3, 5], b: [3, 1] },
    run: ({ a, b }, d) =>
      ops.where(
        i32(d, [3, 5], (i) => i % 2),
        a,
        b,
      ),
  },
  greater: pair(ops.gt),
  isNan: one([5], ops.isNan, { constant: true }),
  // Shapes.
  permute: one([2, 3, 5], (v) => ops.permute(v, [2, 0, 1])),
  expand: one([3, 1], (v) => ops.expand(v, [2, 3, 5])),
  flip: one([3, 5], (v) => ops.flip(v, [1])),
  roll: one([3, 5], (v) => ops.roll(v, [2], [1])),
  repeat: one([3, 5], (v) => ops.repeat(v, [2, 3])),
  pixelShuffle: one([1, 2, 3, 8], (v) => ops.pixelShuffle(v, 2)),
  slice: one([5, 7], (v) =>
    ops.slice(v, [
      [1, 4],
      [null, null, -2],
    ]),
  ),
  'pad constant': one([3, 5], (v) =>
    ops.pad(
      v,
      [
        [1, 2],
        [0, 1],
      ],
      { value: 0.5 },
    ),
  ),
  'pad reflect': one([3, 5], (v) =>
    ops.pad(
      v,
      [
        [1, 2],
        [3, 1],
      ],
      { mode: 'reflect' },
    ),
  ),
  'pad circular': one([3, 5], (v) =>
    ops.pad(
      v,
      [
        [1, 2],
        [3, 1],
      ],
      { mode: 'circular' },
    ),
  ),
  concat: { inputs: { a: [3, 5], b: [3, 2] }, run: ({ a, b }) => ops.concat([a, b], 1) },
  stack: pair((a, b) => ops.stack([a, b], 1)),
  split: one([3, 5], (v) => ops.split(v, 2, 1)),
  triu: one([3, 5], (v) => ops.triu(v)),
  reshape: one([3, 5], (v) => ops.reshape(v, [5, 3])),
  unfold: one([1, 5, 6, 3], (v) => ops.unfold(v, 3, { padding: 1 })),
  fold: one([1, 3, 4, 27], (v) => ops.fold(v, [5, 6], 3)),
  // Indices.
  gather: one([5, 3], (v, d) =>
    ops.gather(
      v,
      0,
      i32(d, [4, 3], (i) => (2 * i) % 5),
    ),
  ),
  indexSelect: one([5, 3], (v, d) =>
    ops.indexSelect(
      v,
      0,
      i32(d, [3], (i) => [4, 0, 4][i]),
    ),
  ),
  scatter: {
    inputs: { a: [5, 3], b: [2, 3] },
    run: ({ a, b }, d) =>
      ops.scatter(
        a,
        0,
        i32(d, [2, 3], (i) => i % 5),
        b,
      ),
  },
  scatterAdd: {
    inputs: { a: [5, 3], b: [4, 3] },
    run: ({ a, b }, d) =>
      ops.scatterAdd(
        a,
        0,
        i32(d, [4, 3], (i) => i % 3),
        b,
      ),
  },
  embedding: one([5, 3], (v, d) =>
    ops.embedding(
      i32(d, [4], (i) => i % 2),
      v,
    ),
  ),
  // Reductions and order.
  sum: one([3, 5, 7], (v) => ops.sum(v, [0, 2])),
  mean: one([3, 5, 7], (v) => ops.mean(v, 1)),
  prod: one([3, 5], (v) => ops.prod(v, 1)),
  amax: one([3, 5], (v) => ops.amax(v, 0)),
  any: one([3, 5], (v) => ops.any(v, 0), { constant: true }),
  variance: one([3, 5], (v) => ops.variance(v, 1)),
  std: one([3, 5], (v) => ops.std(v, 1)),
  logsumexp: one([3, 5], (v) => ops.logsumexp(v, 1)),
  norm: one([3, 5], (v) => ops.norm(v, 2, 1)),
  normalize: one([3, 5], (v) => ops.normalize(v)),
  cosineSimilarity: pair((a, b) => ops.cosineSimilarity(a, b)),
  cumsum: one([3, 5], (v) => ops.cumsum(v, 1)),
  sumTo: one([3, 5], (v) => ops.sumTo(v, [1, 5])),
  argmax: one([3, 5], (v) => ops.argmax(v, 1), { constant: true }),
  maxDim: one([3, 5], (v) => Object.values(ops.maxDim(v, 1))),
  sort: one([3, 5], (v) => Object.values(ops.sort(v))),
  topk: one([3, 5], (v) => ops.topk(v, 2).values),
  // Products.
  matmul: { inputs: { a: [2, 3, 5], b: [5, 4] }, run: ({ a, b }) => ops.matmul(a, b) },
  einsum: { inputs: { a: [2, 3], b: [3, 4] }, run: ({ a, b }) => ops.einsum('ij,jk->ki', a, b) },
  linear: { inputs: { x: [3, 5], w: [5, 4], b: [4] }, run: (t) => ops.linear(t.x, t.w, t.b) },
  attention: {
    inputs: { q: [2, 3, 4], k: [2, 5, 4], v: [2, 5, 3], mask: [3, 5] },
    run: ({ q, k, v, mask }) => ops.scaledDotProductAttention(q, k, v, { mask }),
  },
  conv2d: {
    inputs: { x: image, w: [3, 3, 3, 5], b: [5] },
    run: (t) => ops.conv2d(t.x, t.w, t.b, { stride: 2, padding: [1, 0, 2, 1] }),
  },
  'conv2d by fours': {
    inputs: { x: [1, 5, 6, 8], w: [3, 3, 4, 8], b: [8] },
    run: (t) => ops.conv2d(t.x, t.w, t.b, { groups: 2, padding: 2, dilation: 2 }),
  },
  conv1d: { inputs: { x: [2, 9, 3], w: [3, 3, 4] }, run: (t) => ops.conv1d(t.x, t.w, undefined, { padding: 1 }) },
  convTranspose2d: {
    inputs: { x: [1, 3, 4, 5], w: [3, 3, 2, 5], b: [2] },
    run: (t) => ops.convTranspose2d(t.x, t.w, t.b, { stride: 2, outputPadding: 1, dilation: 2 }),
  },
  // Images.
  maxPool2d: one(image, (v) => ops.maxPool2d(v, { kernel: 3, stride: 2, padding: 1 })),
  maxPool2dWithIndices: one(image, (v) => Object.values(ops.maxPool2dWithIndices(v, { kernel: 2 }))),
  avgPool2d: one(image, (v) => ops.avgPool2d(v, { kernel: 2 })),
  adaptiveAvgPool2d: one(image, (v) => ops.adaptiveAvgPool2d(v, [2, 3])),
  adaptiveMaxPool2d: one(image, (v) => ops.adaptiveMaxPool2d(v, 2)),
  globalAvgPool: one(image, ops.globalAvgPool),
  globalMaxPool: one(image, ops.globalMaxPool),
  resizeBilinear: one(image, (v) => ops.resizeBilinear(v, [7, 9])),
  resizeNearest: one(image, (v) => ops.resizeNearest(v, [7, 4])),
  interpolate: one([2, 5, 3], (v) => ops.interpolate(v, { scaleFactor: 2, mode: 'linear' })),
  affineGrid: one([2, 2, 3], (v) => ops.affineGrid(v, [3, 4])),
  projectiveGrid: one([1, 3, 3], (v) => ops.projectiveGrid(v, [2, 3]), { draw: positive }),
  gridSample: {
    inputs: { x: [1, 4, 5, 3], grid: [1, 3, 3, 2] },
    run: (t) => ops.gridSample(t.x, t.grid),
    draw: (v) => v / 3,
  },
  'maxPool2d by fours': one([1, 5, 6, 8], (v) => ops.maxPool2d(v, { kernel: 3, padding: 1 })),
  'adaptiveMaxPool2d by fours': one([1, 5, 6, 8], (v) => ops.adaptiveMaxPool2d(v, 2)),
  'avgPool2d by fours': one([1, 5, 6, 8], (v) => ops.avgPool2d(v, { kernel: 3, padding: 1 })),
  'resizeNearest by fours': one([1, 5, 6, 8], (v) => ops.resizeNearest(v, [7, 4])),
  'indexSelect by fours': one([5, 8], (v, d) =>
    ops.indexSelect(
      v,
      0,
      i32(d, [3], (i) => [4, 0, 4][i]),
    ),
  ),
  'resizeBilinear by fours': one([1, 5, 6, 8], (v) => ops.resizeBilinear(v, [4, 9])),
  'permute by fours': one([2, 3, 8], (v) => ops.permute(v, [1, 0, 2])),
  'pad by fours': one([2, 8], (v) =>
    ops.pad(v, [
      [1, 0],
      [0, 0],
    ]),
  ),
  // Norms, with f32 for what is learnt and kept.
  'batchNorm with gamma and beta in f32': one([2, 3, 4, 3], (v, d) =>
    ops.batchNorm(
      v,
      ops.full(d, [3], 1.5),
      ops.full(d, [3], 0.25),
      { mean: ops.zeros(d, [3]), variance: ops.full(d, [3], 1) },
      { mode: 'train', relu: true },
    ),
  ),
  batchNorm: {
    inputs: { x: [2, 3, 4, 3], gamma: [3], beta: [3] },
    run: (t, d) =>
      ops.batchNorm(
        t.x,
        t.gamma,
        t.beta,
        { mean: ops.zeros(d, [3]), variance: ops.full(d, [3], 1) },
        { mode: 'train' },
      ),
  },
  'batchNorm eval': {
    inputs: { x: [2, 3, 4, 3], mean: [3], variance: [3] },
    run: (t, d) => ops.batchNorm(t.x, ops.full(d, [3], 1), ops.zeros(d, [3]), t as never, { mode: 'eval' }),
    draw: positive,
    constant: true,
  },
  'batchNorm with a residual': {
    inputs: { x: [2, 3, 4, 3], residual: [2, 3, 4, 3] },
    run: (t, d) =>
      ops.batchNorm(t.x, ops.full(d, [3], 1.5), ops.zeros(d, [3]), undefined, {
        mode: 'train',
        residual: t.residual,
        relu: true,
      }),
  },
  layerNorm: { inputs: { x: [3, 5], gamma: [5], beta: [5] }, run: (t) => ops.layerNorm(t.x, [5], t.gamma, t.beta) },
  groupNorm: one([2, 3, 4], (v, d) => ops.groupNorm(v, 2, ops.full(d, [4], 1.5))),
  instanceNorm: one([2, 5, 3], (v) => ops.instanceNorm(v)),
  rmsNorm: one([3, 5], (v) => ops.rmsNorm(v, [5])),
  dropout: one([3, 5], (v, d) => ops.dropout(v, seed(d))),
  dropout2d: one([2, 5, 3], (v, d) => ops.dropout2d(v, seed(d))),
  // Losses.
  softmax: one([3, 5], (v) => ops.softmax(v, 0)),
  logSoftmax: one([3, 5], (v) => ops.logSoftmax(v)),
  crossEntropy: loss((v, l, d) => ops.crossEntropy(v, l, { classWeights: ops.full(d, [5], 2), labelSmoothing: 0.1 })),
  crossEntropyMap: loss((v, l) => ops.crossEntropyMap(v, l, { focalGamma: 2 })),
  nll: loss((v, l) => ops.nll(v, l)),
  dice: loss((v, l) => ops.dice(v, l)),
  softCrossEntropy: pair((a, b) => ops.softCrossEntropy(a, ops.softmax(b), { targetGradient: true })),
  mse: pair((a, b) => ops.mse(a, b)),
  l1: pair((a, b) => ops.l1(a, b)),
  huber: pair((a, b) => ops.huber(a, b, { delta: 0.5 })),
  bceWithLogits: pair((a, b) => ops.bceWithLogits(a, b), positive),
  klDiv: pair((a, b) => ops.klDiv(a, b), positive),
  softmaxMse: pair((a, b) => ops.softmaxMse(a, b, { targetLogits: true, targetGradient: true })),
  weightedSum: pair((a, b) =>
    ops.weightedSum([
      [a, 2],
      [b, 0.5],
    ]),
  ),
};
CASES.greater.constant = true;

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
