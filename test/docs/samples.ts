// A small call of every operation, for the table of operations: what can be differentiated, how often, in which dtypes,
// is found out by asking.

import * as all from '../support/ops.ts';
import type { Tensor } from '../../runtime/tensor.ts';

/**
 * A real tensor by its shape, or class ids, places or truth values, which stay whole numbers: below a limit, in a
 * dtype.
 */
export type Arg = readonly number[] | { shape: readonly number[]; below: number; dtype?: 'i32' | 'u32' };

/** Arguments by the names of the documentation, and the call. */
export interface Sample {
  args: Readonly<Record<string, Arg>>;
  call(t: Readonly<Record<string, Tensor>>): unknown;
}

type Call = (...args: any[]) => any;
const op = all as unknown as Readonly<Record<string, Call>>;
const samples: Record<string, Sample> = {};
const add = (
  name: string,
  args: Sample['args'],
  call: (f: Call, t: Readonly<Record<string, Tensor>>) => unknown,
): void => {
  if (op[name]) samples[name] = { args, call: (t) => call(op[name], t) };
};

const UNARY = `abs acos acosh asin asinh atan atanh ceil cos cosh erf exp expm1 floor log log1p log2 neg
  reciprocal round rsqrt sign sin sinh sqrt square tan tanh trunc celu elu gelu hardsigmoid
  hardswish hardtanh leakyRelu logSigmoid mish relu relu6 selu sigmoid silu softplus softsign isFinite isInf isNan
  logicalNot all amax amin any argmax argmin argsort cumsum logsumexp mean norm
  normalize prod sort std sum variance logSoftmax softmax detach flatten squeeze tril triu`;
for (const name of UNARY.split(/\s+/)) add(name, { x: [3, 4] }, (f, { x }) => f(x));
const BINARY =
  'add atan2 div floorDivide fmod maximum minimum mul pow remainder sub eq ge gt le logicalAnd ' +
  'logicalOr logicalXor lt ne cosineSimilarity huber l1 mse smoothL1';
for (const name of BINARY.split(/\s+/)) add(name, { a: [3, 4], b: [3, 4] }, (f, { a, b }) => f(a, b));

const ids = (...shape: number[]): Arg => ({ shape, below: 2 });
const seed: Arg = { shape: [4], below: 9, dtype: 'u32' };
const image = [1, 4, 4, 4];

add('prelu', { x: [3, 4], slope: [4] }, (f, { x, slope }) => f(x, slope));
add('weightedSum', { x: [], factor: [] }, (f, { x, factor }) => f([[x, 2, factor]]));
add('cast', { x: [3] }, (f, { x }) => f(x, x.dtype === 'f32' && x.device.f16 ? 'f16' : 'f32'));
add('clamp', { x: [3] }, (f, { x }) => f(x, { min: 1 }));
add('where', { cond: ids(3), a: [3], b: [3] }, (f, { cond, a, b }) => f(cond, a, b));
add('maskedFill', { x: [3], mask: ids(3) }, (f, { x, mask }) => f(x, mask, 1));

add('bincount', { x: ids(5) }, (f, { x }) => f(x, 3));
add('kthLargest', { x: [5] }, (f, { x }) => f(x, 2));
add('percentile', { x: [5] }, (f, { x }) => f(x, 50));
for (const name of ['maxDim', 'minDim']) add(name, { x: [3, 4] }, (f, { x }) => f(x, 1));
add('topk', { x: [3, 4] }, (f, { x }) => f(x, 2));
add('sumTo', { x: [3, 4] }, (f, { x }) => f(x, [4]));

add('chunk', { x: [4] }, (f, { x }) => f(x, 2));
add('split', { x: [4] }, (f, { x }) => f(x, 2));
for (const name of ['concat', 'stack']) add(name, { a: [3], b: [3] }, (f, { a, b }) => f([a, b], 0));
add('expand', { x: [1, 4] }, (f, { x }) => f(x, [3, 4]));
add('flip', { x: [3, 4] }, (f, { x }) => f(x, [1]));
add('pad', { x: [3, 4] }, (f, { x }) =>
  f(
    x,
    [
      [1, 1],
      [0, 2],
    ],
    { mode: 'reflect' },
  ),
);
add('pad2d', { x: image }, (f, { x }) =>
  f(x, [
    [1, 1],
    [0, 0],
  ]),
);
add('permute', { x: [3, 4] }, (f, { x }) => f(x, [1, 0]));
add('transpose', { x: [3, 4] }, (f, { x }) => f(x, 0, 1));
for (const name of ['pixelShuffle', 'pixelUnshuffle']) add(name, { x: image }, (f, { x }) => f(x, 2));
add('repeat', { x: [3, 4] }, (f, { x }) => f(x, [2, 1]));
add('repeatInterleave', { x: [3, 4] }, (f, { x }) => f(x, 2, 0));
add('reshape', { x: [3, 4] }, (f, { x }) => f(x, [4, 3]));
add('roll', { x: [3, 4] }, (f, { x }) => f(x, [1], [0]));
add('slice', { x: [3, 4] }, (f, { x }) =>
  f(x, [
    [0, 2],
    [3, null, -1],
  ]),
);
add('unsqueeze', { x: [3] }, (f, { x }) => f(x, 0));

add('embedding', { index: ids(3), w: [4, 2] }, (f, { index, w }) => f(index, w));
add('gather', { x: [3, 4], index: ids(3, 4) }, (f, { x, index }) => f(x, 1, index));
add('index', { x: [3, 4], i: ids(2) }, (f, { x, i }) => f(x, [i]));
for (const name of ['scatter', 'scatterAdd'])
  add(name, { x: [3, 4], index: ids(3, 4), src: [3, 4] }, (f, { x, index, src }) => f(x, 1, index, src));
add('scatterReduce', { x: [3, 4], index: ids(3, 4), src: [3, 4] }, (f, { x, index, src }) =>
  f(x, 1, index, src, 'prod'),
);
add('indexSelect', { x: [3, 4], index: ids(2) }, (f, { x, index }) => f(x, 0, index));
add('indexAdd', { x: [3, 4], index: ids(2), src: [2, 4] }, (f, { x, index, src }) => f(x, 0, index, src));
add('oneHot', { labels: ids(3), weight: [3] }, (f, { labels, weight }) => f(labels, 4, { weight }));
add('presentClasses', { labels: ids(1, 3) }, (f, { labels }) => f(labels, 4));
add('full', { like: [3] }, (f, { like }) => f(like.device, [2], 1, like.dtype));
add('zeros', { like: [3] }, (f, { like }) => f(like.device, [2], like.dtype));

add('linear', { x: [3, 4], w: [4, 4], b: [4] }, (f, { x, w, b }) => f(x, w, b));
add('matmul', { a: [3, 4], b: [4, 2] }, (f, { a, b }) => f(a, b));
add('einsum', { a: [3, 4], b: [4, 2] }, (f, { a, b }) => f('ij,jk->ik', a, b));
add('scaledDotProductAttention', { q: [1, 3, 4], k: [1, 3, 4], v: [1, 3, 4] }, (f, { q, k, v }) => f(q, k, v));
add('conv1d', { x: [1, 5, 4], w: [3, 4, 4], b: [4] }, (f, { x, w, b }) => f(x, w, b));
for (const name of ['conv2d', 'convTranspose2d'])
  add(name, { x: image, w: [3, 3, 4, 4], b: [4] }, (f, { x, w, b }) => f(x, w, b));
add('unfold', { x: image }, (f, { x }) => f(x, 2));
add('fold', { patches: [1, 3, 3, 16] }, (f, { patches }) => f(patches, [4, 4], 2));
for (const name of ['avgPool2d', 'maxPool2d', 'maxPool2dWithIndices'])
  add(name, { x: image }, (f, { x }) => f(x, { kernel: 2 }));
for (const name of ['adaptiveAvgPool2d', 'adaptiveMaxPool2d', 'adaptiveMaxPool2dWithIndices'])
  add(name, { x: image }, (f, { x }) => f(x, 2));
for (const name of ['globalAvgPool', 'globalMaxPool', 'channelMax', 'normaliseMaps'])
  add(name, { x: image }, (f, { x }) => f(x));
add('batchNorm', { x: image, gamma: [4], beta: [4] }, (f, { x, gamma, beta }) =>
  f(x, gamma, beta, undefined, { mode: 'train' }),
);
add('groupNorm', { x: image, gamma: [4], beta: [4] }, (f, { x, gamma, beta }) => f(x, 2, gamma, beta));
add('instanceNorm', { x: image, gamma: [4], beta: [4] }, (f, { x, gamma, beta }) => f(x, gamma, beta));
add('layerNorm', { x: [3, 4], gamma: [4], beta: [4] }, (f, { x, gamma, beta }) => f(x, [4], gamma, beta));
add('rmsNorm', { x: [3, 4], gamma: [4] }, (f, { x, gamma }) => f(x, [4], gamma));
for (const name of ['dropout', 'dropout2d']) add(name, { x: [3, 4], seed }, (f, t) => f(t.x, t.seed, 0.5));
add('uniform', { seed }, (f, t) => f(t.seed, [3]));
add('normal', { seed }, (f, t) => f(t.seed, [3]));
add('bernoulli', { seed }, (f, t) => f(t.seed, [3], 0.5));
for (const name of ['affineGrid', 'projectiveGrid'])
  add(name, { theta: name === 'affineGrid' ? [1, 2, 3] : [1, 3, 3] }, (f, { theta }) => f(theta, [4, 4]));
add('gridSample', { x: image, grid: [1, 3, 3, 2] }, (f, { x, grid }) => f(x, grid));
add('interpolate', { x: image }, (f, { x }) => f(x, { size: [6, 6], mode: 'bilinear' }));
for (const name of ['resizeBilinear', 'resizeNearest']) add(name, { x: image }, (f, { x }) => f(x, [6, 6]));

for (const name of ['crossEntropy', 'crossEntropyMap', 'dice'])
  add(name, { logits: [3, 4], labels: ids(3) }, (f, { logits, labels }) => f(logits, labels));
for (const name of ['nll', 'nllMap'])
  add(name, { logP: [3, 4], labels: ids(3) }, (f, { logP, labels }) => f(logP, labels));
for (const name of ['softCrossEntropy', 'softCrossEntropyMap', 'softmaxMse', 'bceWithLogits', 'sigmoidFocal'])
  add(name, { logits: [3, 4], targets: [3, 4] }, (f, { logits, targets }) => f(logits, targets));
add('klDiv', { logP: [3, 4], q: [3, 4] }, (f, { logP, q }) => f(logP, q));
add('softDice', { p: [3, 4], t: [3, 4] }, (f, { p, t }) => f(p, t));

add('acceptedShare', { accepted: [3] }, (f, { accepted }) => f(accepted));
add(
  'addConfusion',
  { counts: { shape: [2, 2], below: 1, dtype: 'u32' }, truth: ids(3), prediction: ids(3) },
  (f, { counts, truth, prediction }) => f(counts, truth, prediction),
);
add('classGate', { label: ids(3), confidence: [3], means: [2] }, (f, { label, confidence, means }) =>
  f(label, confidence, means, 0.5),
);
add('confusionCounts', { like: [1] }, (f, { like }) => f(like.device, 2));
add(
  'countPseudoLabels',
  { counts: { shape: [8], below: 1, dtype: 'u32' }, label: ids(3), accepted: [3] },
  (f, { counts, label, accepted }) => f(counts, label, accepted),
);
add('fuse', { a: [3, 4], b: [3, 4] }, (f, { a, b }) => f(a, b));
add('gate', { confidence: [3] }, (f, { confidence }) => f(confidence, 0.5));
add('maskPairs', { x: [1, 3, 3], valid: [1, 3] }, (f, { x, valid }) => f(x, valid));
for (const name of ['predictionEntropy', 'pseudoLabel']) add(name, { logits: [3, 4] }, (f, { logits }) => f(logits));
add('pseudoLabelCounts', { like: [1] }, (f, { like }) => f(like.device, 2));
add('sharpen', { p: [3, 4] }, (f, { p }) => f(p));
add('updateClassConfidence', { means: [2], label: ids(3), confidence: [3] }, (f, { means, label, confidence }) =>
  f(means, label, confidence, 0.9),
);

/** By the name of the function. */
export const SAMPLES: Readonly<Record<string, Sample>> = samples;
