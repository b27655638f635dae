// One call of every operation, by name, on the same few tensors: what is proven for the engine as a whole goes through
// this list.

import type { Device } from '../../runtime/device/device.ts';
import * as ops from '../support/ops.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape, type Tensor } from '../../runtime/tensor.ts';

export interface Given {
  /** f32 [2, 6, 5, 8], its gradient is wanted. */
  z: Tensor;
  /** Distributions over the last axis, and a second f32 tensor of 0.1 to 0.9; f32 [2, 6, 5, 8]. */
  q: Tensor;
  u: Tensor;
  /** f32 [3, 3, 8, 8], [8], [7, 8], [2, 4, 3, 2], [2, 2, 3]. */
  w: Tensor;
  v: Tensor;
  m: Tensor;
  grid: Tensor;
  theta: Tensor;
  /** i32 [2, 6, 5], 0 to 7; i32 [4], 0 to 4; i32 [2, 6, 5, 8]; u32 [4]. */
  labels: Tensor;
  picks: Tensor;
  whole: Tensor;
  seed: Tensor;
}

export function given(device: Device): Given {
  const rng = new Rng(7, 1);
  const draw = (shape: Shape, f: () => number): Float32Array => Float32Array.from({ length: sizeOf(shape) }, f);
  const shape = [2, 6, 5, 8];
  const normal = (s: Shape): Tensor =>
    device.tensor(
      draw(s, () => rng.normal()),
      s,
    );
  const ints = (s: Shape, n: number): Tensor => device.tensor(Int32Array.from(draw(s, () => rng.int(n))), s);
  const q = draw(shape, () => 0.1 + rng.uniform());
  for (let i = 0; i < q.length; i += 8) {
    const total = q.subarray(i, i + 8).reduce((a, b) => a + b);
    for (let k = 0; k < 8; k++) q[i + k] /= total;
  }
  const all: Given = {
    z: normal(shape),
    q: device.tensor(q, shape),
    u: device.tensor(
      draw(shape, () => rng.uniform(0.1, 0.9)),
      shape,
    ),
    w: normal([3, 3, 8, 8]),
    v: normal([8]),
    m: normal([7, 8]),
    theta: normal([2, 2, 3]),
    grid: device.tensor(
      draw([2, 4, 3, 2], () => rng.uniform(-1, 1)),
      [2, 4, 3, 2],
    ),
    labels: ints([2, 6, 5], 8),
    picks: ints([4], 5),
    whole: ints(shape, 50),
    seed: device.tensor(Uint32Array.of(3, 1, 4, 0), [4]),
  };
  all.z.requiresGrad = true;
  return all;
}

type Result = Tensor | readonly Tensor[];
type Family = (g: Given) => Result;

/** Functions of z, or of u where the domain is (0, 1), alone. */
const unary = [
  'abs',
  'neg',
  'square',
  'exp',
  'sin',
  'cos',
  'tan',
  'atan',
  'sinh',
  'cosh',
  'sign',
  'floor',
  'ceil',
  'round',
  'trunc',
  'relu',
  'leakyRelu',
  'hardtanh',
  'relu6',
  'hardsigmoid',
  'hardswish',
  'elu',
  'selu',
  'celu',
  'softsign',
  'softplus',
  'logSigmoid',
  'sigmoid',
  'tanh',
  'silu',
  'gelu',
  'mish',
  'erf',
  'expm1',
  'asinh',
  'isNan',
  'isInf',
  'isFinite',
  'logicalNot',
  'channelMax',
  'globalAvgPool',
  'globalMaxPool',
  'predictionEntropy',
  'normalize',
  'flatten',
  'detach',
  'sum',
  'mean',
  'prod',
  'amax',
  'amin',
  'any',
  'all',
  'variance',
  'std',
  'norm',
  'logsumexp',
  'softmax',
  'logSoftmax',
  'argmax',
  'argmin',
  'cumsum',
  'argsort',
  'tril',
  'triu',
  'instanceNorm',
] as const;
const unit = ['reciprocal', 'sqrt', 'rsqrt', 'log', 'log2', 'log1p', 'asin', 'acos', 'atanh', 'sharpen'] as const;
const binary = [
  'add',
  'sub',
  'mul',
  'div',
  'maximum',
  'minimum',
  'atan2',
  'fmod',
  'remainder',
  'floorDivide',
  'eq',
  'ne',
  'lt',
  'le',
  'gt',
  'ge',
  'logicalAnd',
  'logicalOr',
  'logicalXor',
] as const;

type Alone = (x: Tensor) => Tensor;
type Both = (a: Tensor, b: Tensor) => Tensor;

export const FAMILIES: Record<string, Family> = {
  ...Object.fromEntries(unary.map((name): [string, Family] => [name, ({ z }) => (ops[name] as Alone)(z)])),
  ...Object.fromEntries(unit.map((name): [string, Family] => [name, ({ u }) => (ops[name] as Alone)(u)])),
  ...Object.fromEntries(binary.map((name): [string, Family] => [name, ({ z, v }) => (ops[name] as Both)(z, v)])),
  pow: ({ u, z }) => ops.pow(u, z),
  where: ({ labels, z }) => ops.where(ops.unsqueeze(labels, -1), z, 0),
  maskedFill: ({ z, whole }) => ops.maskedFill(z, whole, 1),
  clamp: ({ z }) => ops.clamp(z, { min: -1, max: 1 }),
  cast: ({ z }) => [ops.cast(z, 'i32'), ops.cast(ops.cast(z, 'f16'), 'f32')],
  maxDim: ({ z }) => Object.values(ops.maxDim(z, 1)),
  minDim: ({ z }) => Object.values(ops.minDim(z, 3)),
  sort: ({ z }) => Object.values(ops.sort(z, 2)),
  topk: ({ z }) => Object.values(ops.topk(z, 3)),
  kthLargest: ({ z }) => ops.kthLargest(z, 5),
  percentile: ({ z }) => ops.percentile(z, 30),
  cosineSimilarity: ({ z, q }) => ops.cosineSimilarity(z, q),
  sumTo: ({ z }) => ops.sumTo(z, [1, 5, 8]),
  weightedSum: ({ z, q }) =>
    ops.weightedSum([
      [z, 0.5],
      [q, 2],
    ]),
  matmul: ({ z, m }) => ops.matmul(z, m, { transposeB: true }),
  linear: ({ z, w, v }) =>
    ops.linear(
      z,
      ops.reshape(
        ops.slice(w, [
          [0, 1],
          [0, 1],
        ]),
        [8, 8],
      ),
      v,
    ),
  einsum: ({ z, m }) => ops.einsum('nhwc,kc->nkhw', z, m),
  attention: ({ z, q }) => ops.scaledDotProductAttention(z, q, z),
  conv1d: ({ z, w }) => ops.conv1d(ops.reshape(z, [2, 30, 8]), ops.reshape(w, [9, 8, 8])),
  conv2d: ({ z, w, v }) => ops.conv2d(z, w, v, { padding: 1, stride: 2 }),
  convTranspose2d: ({ z, w, v }) => ops.convTranspose2d(z, w, v, { stride: 2 }),
  unfold: ({ z }) => ops.unfold(z, 3),
  fold: ({ z }) => ops.fold(ops.unfold(z, 2), [6, 5], 2),
  maxPool2d: ({ z }) => ops.maxPool2d(z, { kernel: 3, stride: 1, padding: 1 }),
  maxPool2dWithIndices: ({ z }) => Object.values(ops.maxPool2dWithIndices(z, { kernel: 2 })),
  avgPool2d: ({ z }) => ops.avgPool2d(z, { kernel: 2 }),
  adaptiveAvgPool2d: ({ z }) => ops.adaptiveAvgPool2d(z, 4),
  adaptiveMaxPool2d: ({ z }) => ops.adaptiveMaxPool2d(z, 4),
  adaptiveMaxPool2dWithIndices: ({ z }) => Object.values(ops.adaptiveMaxPool2dWithIndices(z, 3)),
  batchNorm: ({ z, v }) => ops.batchNorm(z, v, v, undefined, { mode: 'train' }),
  groupNorm: ({ z, v }) => ops.groupNorm(z, 2, v, v),
  layerNorm: ({ z, v }) => ops.layerNorm(z, [8], v, v),
  rmsNorm: ({ z, v }) => ops.rmsNorm(z, [8], v),
  resizeBilinear: ({ z }) => ops.resizeBilinear(z, [9, 7]),
  resizeNearest: ({ z }) => ops.resizeNearest(z, [4, 9]),
  interpolate: ({ z }) => ops.interpolate(z, { scaleFactor: 2 }),
  gridSample: ({ z, grid }) => ops.gridSample(z, grid),
  affineGrid: ({ theta }) => ops.affineGrid(theta, [3, 4]),
  projectiveGrid: ({ theta }) => ops.projectiveGrid(ops.concat([theta, ops.slice(theta, [null, [0, 1]])], 1), [3, 4]),
  prelu: ({ z, v }) => ops.prelu(z, v),
  acosh: ({ u }) => ops.acosh(ops.add(u, 1)),
  softDice: ({ u, q }) => ops.softDice(u, q),
  sigmoidFocal: ({ z, q }) => ops.sigmoidFocal(z, q),
  crossEntropy: ({ z, labels }) => ops.crossEntropy(z, labels),
  crossEntropyMap: ({ z, labels }) => ops.crossEntropyMap(z, labels),
  nll: ({ z, labels }) => ops.nll(z, labels),
  nllMap: ({ z, labels }) => ops.nllMap(z, labels),
  softCrossEntropy: ({ z, q }) => ops.softCrossEntropy(z, q),
  softCrossEntropyMap: ({ z, q }) => ops.softCrossEntropyMap(z, q),
  softmaxMse: ({ z, q }) => ops.softmaxMse(z, q),
  dice: ({ z, labels }) => ops.dice(z, labels),
  mse: ({ z, q }) => ops.mse(z, q),
  l1: ({ z, q }) => ops.l1(z, q),
  smoothL1: ({ z, q }) => ops.smoothL1(z, q),
  huber: ({ z, q }) => ops.huber(z, q),
  bceWithLogits: ({ z, q }) => ops.bceWithLogits(z, q),
  klDiv: ({ z, q }) => ops.klDiv(z, q),
  dropout: ({ z, seed }) => ops.dropout(z, seed),
  dropout2d: ({ z, seed }) => ops.dropout2d(z, seed),
  uniform: ({ seed }) => ops.uniform(seed, [33]),
  normal: ({ seed }) => ops.normal(seed, [33]),
  bernoulli: ({ seed }) => ops.bernoulli(seed, [33], 0.3),
  oneHot: ({ labels }) => ops.oneHot(labels, 8),
  presentClasses: ({ labels }) => ops.presentClasses(labels, 8),
  bincount: ({ labels }) => ops.bincount(labels, 9),
  pseudoLabel: ({ z }) => Object.values(ops.pseudoLabel(z)),
  gate: ({ u }) => ops.gate(u, 0.5),
  acceptedShare: ({ u }) => ops.acceptedShare(u),
  fuse: ({ z, q }) => ops.fuse(z, q),
  normaliseMaps: ({ z }) => ops.normaliseMaps(z),
  maskPairs: ({ z, grid }) =>
    ops.maskPairs(
      ops.reshape(ops.slice(z, [null, [0, 4], [0, 4], [0, 1]]), [2, 4, 4]),
      ops.reshape(ops.slice(grid, [null, null, [0, 1], [0, 1]]), [2, 4]),
    ),
  gather: ({ z, whole }) => ops.gather(z, 3, ops.remainder(whole, 8)),
  scatter: ({ z, whole, q }) => ops.scatter(z, 3, ops.remainder(whole, 8), q),
  scatterReduce: ({ z, whole, q }) => ops.scatterReduce(z, 3, ops.remainder(whole, 8), q, 'prod'),
  scatterAdd: ({ z, whole, q }) => ops.scatterAdd(z, 3, ops.remainder(whole, 8), q),
  indexSelect: ({ z, picks }) => ops.indexSelect(z, 1, picks),
  indexAdd: ({ z, picks }) => ops.indexAdd(z, 1, picks, ops.slice(z, [null, [0, 4]])),
  embedding: ({ picks, m }) => ops.embedding(picks, m),
  index: ({ z, picks }) => ops.index(z, [picks], 2),
  reshape: ({ z }) => ops.reshape(z, [60, 8]),
  squeeze: ({ z }) => ops.squeeze(ops.unsqueeze(z, 1)),
  permute: ({ z }) => ops.permute(z, [3, 1, 0, 2]),
  transpose: ({ z }) => ops.transpose(z, 1, 3),
  expand: ({ v }) => ops.expand(v, [3, 4, 8]),
  flip: ({ z }) => ops.flip(z, [1, 3]),
  roll: ({ z }) => ops.roll(z, [2, -1], [1, 2]),
  repeat: ({ z }) => ops.repeat(z, [1, 2, 1, 2]),
  repeatInterleave: ({ z }) => ops.repeatInterleave(z, 2, 2),
  pixelShuffle: ({ z }) => ops.pixelShuffle(z, 2),
  pixelUnshuffle: ({ z }) => ops.pixelUnshuffle(ops.slice(z, [null, null, [0, 4]]), 2),
  slice: ({ z }) => ops.slice(z, [null, [4, 0, -2], [1, 4]]),
  pad: ({ z }) =>
    ops.pad(
      z,
      [
        [0, 0],
        [1, 2],
        [2, 1],
        [0, 0],
      ],
      { mode: 'reflect' },
    ),
  pad2d: ({ z }) =>
    ops.pad2d(z, [
      [1, 2],
      [0, 3],
    ]),
  concat: ({ z, q }) => ops.concat([z, q], 1),
  stack: ({ z, q }) => ops.stack([z, q], 2),
  split: ({ z }) => ops.split(z, [2, 4], 1),
  chunk: ({ z }) => ops.chunk(z, 3, 1),
};

/** Exports of runtime/ops that no family calls, with the reason. */
export const OTHERS: Record<string, string> = {
  full: 'takes no tensor',
  zeros: 'takes no tensor',
  scaledDotProductAttention: 'is attention here',
  confusionCounts: 'takes no tensor',
  pseudoLabelCounts: 'takes no tensor',
  pseudoLabelStats: 'computes on the host',
  addConfusion: 'changes its input',
  countPseudoLabels: 'changes its input',
  updateClassConfidence: 'changes its input',
  classGate: 'belongs to updateClassConfidence',
};
