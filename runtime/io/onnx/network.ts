// ONNX's norms, products and losses; channels are in axis 1.

import * as ops from '../../ops/index.ts';
import { sizeOf, type Shape, type Tensor } from '../../tensor.ts';
import { addend } from './legacy.ts';
import type { Call } from './operator.ts';
import { bool, plain, reads, type Made, type Operator, type Value } from './operator.ts';

/** A number for each channel, to broadcast over [n, c, ...]; an x of one axis has one channel. */
const perChannel = (t: Tensor, rank: number): Tensor =>
  ops.reshape(t, [t.size, ...Array<number>(Math.max(0, rank - 2)).fill(1)]);

/** Does BatchNormalization use the statistics of the batch? How it was told so has changed twice. */
function trains(c: Call): boolean {
  if (c.opset >= 14) return c.number('training_mode', 0) !== 0;
  if (c.opset >= 7) return c.node.outputs.slice(1).some((name) => name !== '');
  return c.number('is_test', 0) === 0;
}

function batchNorm(c: Call): Made {
  const x = c.x();
  const eps = c.number('epsilon', 1e-5);
  // Below opset 9 each activation may have its own statistics, over the batch alone.
  const each = c.opset < 9 && c.number('spatial', 1) === 0;
  const shaped = (t: Tensor): Tensor => (each ? ops.reshape(t, [1, ...x.shape.slice(1)]) : perChannel(t, x.rank));
  const channels = each ? sizeOf(x.shape.slice(1)) : x.rank > 1 ? x.shape[1] : 1;
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => {
    const t = c.x(i);
    return t.size === channels ? shaped(t) : c.wrong(`input ${i} is [${t.shape}] for ${channels} channels`);
  });
  const by = (m: Tensor, v: Tensor): Tensor =>
    ops.add(ops.mul(ops.sub(x, m), ops.div(gamma, ops.sqrt(ops.add(v, eps)))), beta);
  if (!trains(c)) return by(mean, variance);
  // The running statistics keep the share `momentum` of the old; the variance is the biased one.
  const axes = x.shape.flatMap((_, i) => (i === 0 || (i > 1 && !each) ? [i] : []));
  const m = shaped(ops.mean(x, axes));
  const v = shaped(ops.variance(x, axes, { correction: 0 }));
  const momentum = c.number('momentum', 0.9);
  const moved = (old: Tensor, now: Tensor, i: number): Tensor =>
    ops.reshape(ops.add(ops.mul(old, momentum), ops.mul(now, 1 - momentum)), c.x(i).shape);
  const results = [by(m, v), moved(mean, m, 3), moved(variance, v, 4)];
  // Below opset 14 the statistics of the batch are results too.
  return c.opset >= 14 ? results : [...results, ops.reshape(m, c.x(3).shape), ops.reshape(v, c.x(4).shape)];
}

/** x with mean 0 and variance 1 in each group of channels. */
function grouped(c: Call, groups: number): Tensor {
  const x = c.x();
  const [n, ch, ...size] = x.shape;
  if (!(groups >= 1 && ch % groups === 0)) c.wrong(`${ch} channels do not divide into ${groups} groups`);
  const flat = ops.reshape(x, [n * groups, (ch / groups) * sizeOf(size)]);
  const y = ops.layerNorm(flat, [flat.shape[1]], undefined, undefined, { eps: c.number('epsilon', 1e-5) });
  return ops.reshape(y, x.shape);
}

/** y w + b, where both have a number for each channel, or for each of fewer groups. */
function scaled(c: Call, y: Tensor, count: number): Tensor {
  const ch = y.shape[1];
  const [w, b] = [1, 2].map((i) => {
    const t = c.x(i);
    if (t.size !== count) c.wrong(`input ${i} is [${t.shape}], opset ${c.opset} needs [${count}]`);
    return perChannel(count === ch ? t : ops.repeatInterleave(t, ch / count), y.rank);
  });
  return ops.add(ops.mul(y, w), b);
}

/** Before opset 21 there is a scale for each group, from then on one for each channel. */
function groupNorm(c: Call): Tensor {
  const groups = c.number('num_groups', 0);
  return scaled(c, grouped(c, groups), c.opset < 21 ? groups : c.x().shape[1]);
}

function instanceNorm(c: Call): Tensor {
  const ch = c.x().shape[1];
  return scaled(c, grouped(c, ch), ch);
}

/** Are the sizes of a tensor these, with nothing to broadcast? */
const exactly = (t: Tensor | undefined, shape: Shape): boolean =>
  !t || (t.rank === shape.length && t.shape.every((d, i) => d === shape[i]));

function layerNorm(c: Call): Made {
  const x = c.x();
  const a = c.axis(c.number('axis', -1), x.rank);
  const shape = x.shape.slice(a);
  const axes = shape.map((_, i) => a + i);
  const eps = c.number('epsilon', 1e-5);
  // Scale and bias may be smaller than what is normalised, or vary along the axes in front of it.
  const w = c.onto(x.shape, 1);
  const b = c.maybe(2) && c.onto(x.shape, 2);
  const whole = exactly(w, shape) && exactly(b, shape);
  const broadcast = (): Tensor => {
    const product = ops.mul(ops.layerNorm(x, shape, undefined, undefined, { eps }), w);
    return b ? ops.add(product, b) : product;
  };
  const y = whole ? ops.layerNorm(x, shape, w, b, { eps }) : broadcast();
  if (c.node.outputs.length === 1) return y;
  const spread = ops.variance(x, axes, { keepdim: true, correction: 0 });
  return [y, ops.mean(x, axes, { keepdim: true }), ops.rsqrt(ops.add(spread, eps))];
}

function rmsNorm(c: Call): Tensor {
  const x = c.x();
  const shape = x.shape.slice(c.axis(c.number('axis', -1), x.rank));
  const eps = c.number('epsilon', 1e-5);
  const w = c.onto(x.shape, 1);
  return exactly(w, shape) ? ops.rmsNorm(x, shape, w, { eps }) : ops.mul(ops.rmsNorm(x, shape, undefined, { eps }), w);
}

function gemm(c: Call): Tensor {
  const transposed = { transposeA: c.number('transA', 0) !== 0, transposeB: c.number('transB', 0) !== 0 };
  const y = ops.mul(ops.matmul(c.x(), c.x(1), transposed), c.number('alpha', 1));
  return c.maybe(2) ? ops.add(y, ops.mul(addend(c, y), c.number('beta', 1))) : y;
}

/** -w log p of the target, over classes in axis 1; what has the ignored label counts nowhere. */
function nll(c: Call, logP: Tensor): Tensor {
  const target = c.x(1);
  const weight = c.maybe(2);
  const how = c.text('reduction', 'mean');
  const ignored = c.has('ignore_index') ? ops.eq(target, c.number('ignore_index', -1)) : undefined;
  const label = ignored ? ops.where(ignored, 0, target) : target;
  const loss = ops.neg(ops.squeeze(ops.gather(logP, 1, ops.unsqueeze(label, 1)), 1));
  const of = weight
    ? ops.reshape(ops.indexSelect(weight, 0, ops.reshape(label, [label.size])), label.shape)
    : ops.full(c.device, label.shape, 1);
  const w = ignored ? ops.where(ignored, 0, of) : of;
  const y = ops.mul(loss, w);
  if (how === 'none') return y;
  return how === 'sum' ? ops.sum(y) : ops.div(ops.sum(y), ops.sum(w));
}

function softmaxCrossEntropy(c: Call): Made {
  const logP = ops.logSoftmax(c.x(), 1);
  return [nll(c, logP), logP];
}

/** Drops elements in training mode alone; the seed attribute decides which. */
function dropout(c: Call): Made {
  const x = c.x();
  // Below opset 7 it trains unless it is told otherwise, then never, from opset 12 on where an input says so.
  const trains = c.opset < 7 ? c.number('is_test', 0) === 0 : c.opset >= 12 && Boolean(c.host(2)?.[0]);
  const p = c.host(1)?.[0] ?? c.number('ratio', 0.5);
  // Below opset 10 the mask has the type of x.
  const mask = (t: Tensor): Value => (c.opset < 10 ? { type: c.value(0).type, tensor: t } : bool(ops.cast(t, 'i32')));
  const wanted = c.node.outputs.length > 1;
  if (!trains || p === 0) return [x.view(x.shape), ...(wanted ? [mask(ops.full(c.device, x.shape, 1, x.dtype))] : [])];
  if (!(p >= 0 && p < 1)) c.wrong(`the ratio is ${p}`);
  const seed = c.device.tensor(Uint32Array.of(c.number('seed', 0) >>> 0, 0, 0, 0), [4]);
  const kept = ops.dropout(ops.full(c.device, x.shape, 1), seed, p);
  return [ops.mul(x, kept), ...(wanted ? [mask(ops.cast(ops.gt(kept, 0), x.dtype))] : [])];
}

export const NETWORK: Record<string, Operator> = {
  BatchNormalization: plain(batchNorm),
  Dropout: reads([1, 2], dropout),
  Einsum: plain((c) => ops.einsum(c.text('equation', ''), ...c.values.map((_, i) => c.x(i)))),
  Gemm: plain(gemm),
  GroupNormalization: plain(groupNorm),
  InstanceNormalization: plain(instanceNorm),
  LayerNormalization: plain(layerNorm),
  MeanVarianceNormalization: plain((c) => {
    const x = c.x();
    const axes = c.ints('axes', [0, 2, 3]);
    const keepdim = true;
    const spread = ops.std(x, axes, { keepdim, correction: 0 });
    return ops.div(ops.sub(x, ops.mean(x, axes, { keepdim })), ops.add(spread, 1e-9));
  }),
  MatMul: plain((c) => ops.matmul(c.x(), c.x(1))),
  NegativeLogLikelihoodLoss: plain((c) => nll(c, c.x())),
  RMSNormalization: plain(rmsNorm),
  SoftmaxCrossEntropyLoss: plain(softmaxCrossEntropy),
};
