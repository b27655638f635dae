// ONNX's norms, products and losses; channels are in axis 1.

import * as ops from '../../ops/index.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';
import { Call, plain, reads, type Made, type Operator } from './operator.ts';

/** A number for each channel, to broadcast over [n, c, ...]. */
const perChannel = (t: Tensor, rank: number): Tensor => ops.reshape(t, [t.size, ...Array<number>(rank - 2).fill(1)]);

function batchNorm(c: Call): Made {
  const x = c.x(), [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => perChannel(c.x(i), x.rank)), eps = c.number('epsilon', 1e-5);
  const by = (m: Tensor, v: Tensor): Tensor => ops.add(ops.mul(ops.sub(x, m), ops.div(gamma, ops.sqrt(ops.add(v, eps)))), beta);
  if (!c.number('training_mode', 0)) return by(mean, variance);
  // The running statistics keep the share `momentum` of the old; the variance is the biased one.
  const axes = x.shape.flatMap((_, i) => (i === 1 ? [] : [i])), m = perChannel(ops.mean(x, axes), x.rank), v = perChannel(ops.variance(x, axes, { correction: 0 }), x.rank);
  const momentum = c.number('momentum', 0.9), moved = (old: Tensor, now: Tensor): Tensor => ops.reshape(ops.add(ops.mul(old, momentum), ops.mul(now, 1 - momentum)), [old.size]);
  return [by(m, v), moved(mean, m), moved(variance, v)];
}

function groupNorm(c: Call, groups: number): Tensor {
  const x = c.x(), [n, ch, ...size] = x.shape, flat = ops.reshape(x, [n * groups, (ch / groups) * sizeOf(size)]);
  const y = ops.reshape(ops.layerNorm(flat, [flat.shape[1]], undefined, undefined, { eps: c.number('epsilon', 1e-5) }), x.shape);
  // Before opset 21 there is a scale for each group.
  const each = (t: Tensor): Tensor => perChannel(t.size === ch ? t : ops.repeatInterleave(t, ch / t.size), x.rank);
  return ops.add(ops.mul(y, each(c.x(1))), each(c.x(2)));
}

function layerNorm(c: Call): Made {
  const x = c.x(), axis = c.number('axis', -1), a = axis < 0 ? axis + x.rank : axis, shape = x.shape.slice(a), axes = shape.map((_, i) => a + i), eps = c.number('epsilon', 1e-5);
  const y = ops.layerNorm(x, shape, c.x(1), c.maybe(2), { eps });
  if (c.node.outputs.length === 1) return y;
  const spread = ops.variance(x, axes, { keepdim: true, correction: 0 });
  return [y, ops.mean(x, axes, { keepdim: true }), ops.rsqrt(ops.add(spread, eps))];
}

function gemm(c: Call): Tensor {
  const y = ops.mul(ops.matmul(c.x(), c.x(1), { transposeA: c.number('transA', 0) !== 0, transposeB: c.number('transB', 0) !== 0 }), c.number('alpha', 1)), b = c.maybe(2);
  return b ? ops.add(y, ops.mul(b, c.number('beta', 1))) : y;
}

/** -w log p of the target, over classes in axis 1; what has the ignored label counts nowhere. */
function nll(c: Call, logP: Tensor): Tensor {
  const target = c.x(1), weight = c.maybe(2), how = c.text('reduction', 'mean');
  const ignored = c.has('ignore_index') ? ops.eq(target, c.number('ignore_index', -1)) : undefined, label = ignored ? ops.where(ignored, 0, target) : target;
  const loss = ops.neg(ops.squeeze(ops.gather(logP, 1, ops.unsqueeze(label, 1)), 1));
  const of = weight ? ops.reshape(ops.indexSelect(weight, 0, ops.reshape(label, [label.size])), label.shape) : ops.full(c.device, label.shape, 1);
  const w = ignored ? ops.where(ignored, 0, of) : of, y = ops.mul(loss, w);
  if (how === 'none') return y;
  return how === 'sum' ? ops.sum(y) : ops.div(ops.sum(y), ops.sum(w));
}

function softmaxCrossEntropy(c: Call): Made {
  const logP = ops.logSoftmax(c.x(), 1);
  return [nll(c, logP), logP];
}

/** Drops elements in training mode alone; the seed attribute decides which. */
function dropout(c: Call): Made {
  const x = c.x(), p = c.host(1)?.[0] ?? c.number('ratio', 0.5), ones = ops.full(c.device, x.shape, 1);
  if (!(c.opset >= 12 ? c.host(2)?.[0] : 0) || p === 0) return [x.view(x.shape), { type: 'bool', tensor: ops.full(c.device, x.shape, 1, 'i32') }];
  if (!(p >= 0 && p < 1)) c.wrong(`the ratio is ${p}`);
  const kept = ops.dropout(ones, c.device.tensor(Uint32Array.of(c.number('seed', 0) >>> 0, 0, 0, 0), [4]), p);
  return [ops.mul(x, kept), { type: 'bool', tensor: ops.gt(kept, 0) }];
}

export const NETWORK: Record<string, Operator> = {
  BatchNormalization: plain(batchNorm),
  Dropout: reads([1, 2], dropout),
  Einsum: plain((c) => ops.einsum(c.text('equation', ''), ...c.values.map((_, i) => c.x(i)))),
  Gemm: plain(gemm),
  GroupNormalization: plain((c) => groupNorm(c, c.number('num_groups', 1))),
  InstanceNormalization: plain((c) => groupNorm(c, c.x().shape[1])),
  LayerNormalization: plain(layerNorm),
  MeanVarianceNormalization: plain((c) => {
    const x = c.x(), axes = c.ints('axes', [0, 2, 3]), keepdim = true;
    const spread = ops.std(x, axes, { keepdim, correction: 0 });
    return ops.div(ops.sub(x, ops.mean(x, axes, { keepdim })), ops.add(spread, 1e-9));
  }),
  MatMul: plain((c) => ops.matmul(c.x(), c.x(1))),
  NegativeLogLikelihoodLoss: plain((c) => nll(c, c.x())),
  RMSNormalization: plain((c) => ops.rmsNorm(c.x(), c.x().shape.slice(c.number('axis', -1)), c.x(1), { eps: c.number('epsilon', 1e-5) })),
  SoftmaxCrossEntropyLoss: plain(softmaxCrossEntropy),
};
