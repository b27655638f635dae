// Every operation that takes f16, with operands that fit it.

import type { Device } from '../../runtime/device/device.ts';
import * as ops from '../support/ops.ts';
import { sizeOf, type Shape, type Tensor } from '../../runtime/tensor.ts';

export interface HalfCase {
  /** Shapes of the operands that are f16, by the names that `run` takes them by. */
  inputs: Record<string, Shape>;
  run(t: Record<string, Tensor>, device: Device): Tensor | Tensor[];
  /** Is there no gradient? */
  constant?: boolean;
  /** Makes what is drawn fit (default: standard normal). */
  draw?: (v: number) => number;
}

export const i32 = (device: Device, shape: Shape, f: (i: number) => number): Tensor =>
  device.tensor(
    Int32Array.from({ length: sizeOf(shape) }, (_, i) => f(i)),
    shape,
  );

const one = (
  shape: Shape,
  run: (x: Tensor, device: Device) => Tensor | Tensor[],
  more: Partial<HalfCase> = {},
): HalfCase => ({ inputs: { x: shape }, run: ({ x: v }, device) => run(v, device), ...more });

const seed = (device: Device): Tensor => device.tensor(Uint32Array.of(5, 6, 7, 0), [4]);

const positive = (v: number): number => Math.abs(v) + 0.25;

const image = [2, 5, 7, 3];

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

export const CASES: Record<string, HalfCase> = {
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
  greater: { ...pair(ops.gt), constant: true },
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
