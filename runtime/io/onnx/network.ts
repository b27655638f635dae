// ONNX's layers and losses. Its images are [n, c, h, w] (or [n, c, l]), the engine's [n, h, w, c].

import * as ops from '../../ops/index.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';
import { Call, plain, reads, toReal, whole, type Made, type Operator, type Value } from './operator.ts';

/** Channels last, with one row for signals. */
function last(c: Call, x: Tensor): Tensor {
  if (x.rank === 3) return ops.permute(ops.unsqueeze(x, 2), [0, 2, 3, 1]);
  return x.rank === 4 ? ops.permute(x, [0, 2, 3, 1]) : c.unsupported(`[${x.shape}] is no image and no signal`);
}

/** And back. */
const first = (y: Tensor, rank: number): Tensor => {
  const t = ops.permute(y, [0, 3, 1, 2]);
  return rank === 3 ? ops.squeeze(t, 2) : t;
};

/** Two numbers for an attribute; signals have one row, for which `row` stands. */
function two(c: Call, name: string, rank: number, row: number, otherwise: readonly number[]): [number, number] {
  const v = c.ints(name, otherwise);
  return rank === 3 ? [row, v[0]] : [v[0], v[1]];
}

interface Window { kernel: [number, number]; stride: [number, number]; dilation: [number, number]; padding: [number, number, number, number] }

/** Kernel, steps and padding [top, bottom, left, right] over an image of a size. */
function windowOf(c: Call, size: readonly number[], rank: number, kernel: [number, number]): Window {
  const stride = two(c, 'strides', rank, 1, [1, 1]), dilation = two(c, 'dilations', rank, 1, [1, 1]), auto = c.text('auto_pad', 'NOTSET');
  const pads = c.ints('pads', [0, 0, 0, 0]), [top, left, bottom, right] = rank === 3 ? [0, pads[0], 0, pads[1]] : pads;
  if (auto === 'NOTSET' || auto === 'VALID') return { kernel, stride, dilation, padding: auto === 'VALID' ? [0, 0, 0, 0] : [top, bottom, left, right] };
  const sides = [0, 1].map((i) => {
    const total = Math.max(0, (Math.ceil(size[i] / stride[i]) - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - size[i]), half = Math.floor(total / 2);
    return auto === 'SAME_UPPER' ? [half, total - half] : [total - half, half];
  });
  return { kernel, stride, dilation, padding: [sides[0][0], sides[0][1], sides[1][0], sides[1][1]] };
}

function conv(c: Call): Tensor {
  const x = last(c, c.x()), w = ops.permute(last(c, c.x(1)), [1, 2, 3, 0]), rank = c.x().rank;
  const { stride, dilation, padding } = windowOf(c, x.shape.slice(1, 3), rank, [w.shape[0], w.shape[1]]);
  return first(ops.conv2d(x, w, c.maybe(2), { stride, dilation, padding, groups: c.number('group', 1) }), rank);
}

function convTranspose(c: Call): Tensor {
  const rank = c.x().rank, x = last(c, c.x()), w = ops.permute(last(c, c.x(1)), [1, 2, 3, 0]);
  if (c.has('output_shape')) c.unsupported('output_shape');
  const stride = two(c, 'strides', rank, 1, [1, 1]), dilation = two(c, 'dilations', rank, 1, [1, 1]), auto = c.text('auto_pad', 'NOTSET');
  const p = c.ints('pads', [0, 0, 0, 0]);
  let padding: readonly [number, number, number, number] = auto === 'VALID' ? [0, 0, 0, 0] : rank === 3 ? [0, 0, p[0], p[1]] : [p[0], p[2], p[1], p[3]];
  if (auto.startsWith('SAME')) {
    // The result is stride times as large.
    const sides = [0, 1].map((i) => {
      const total = dilation[i] * (w.shape[i] - 1) + 1 - stride[i], half = Math.floor(total / 2);
      if (total < 0) c.unsupported(`auto_pad ${auto} with steps larger than the kernel`);
      return auto === 'SAME_UPPER' ? [half, total - half] : [total - half, half];
    });
    padding = [sides[0][0], sides[0][1], sides[1][0], sides[1][1]];
  }
  const outputPadding = two(c, 'output_padding', rank, 0, [0, 0]);
  return first(ops.convTranspose2d(x, w, c.maybe(2), { stride, dilation, padding, outputPadding, groups: c.number('group', 1) }), rank);
}

function pool(c: Call, mean: boolean): Made {
  const rank = c.x().rank;
  // f32 holds every u8; wider integers it does not.
  if (c.x().dtype !== 'f32' && c.value(0).type !== 'u8') c.unsupported('integers of more than 8 bits are not pooled');
  const x = last(c, toReal(c.x())), typed = (y: Tensor): Value => ({ type: c.value(0).type, tensor: c.x().dtype === 'f32' ? y : ops.cast(y, 'i32') }), o = { ...windowOf(c, x.shape.slice(1, 3), rank, two(c, 'kernel_shape', rank, 1, [1, 1])), ceilMode: c.number('ceil_mode', 0) !== 0 };
  for (const i of [0, 2]) if (2 * Math.max(o.padding[i], o.padding[i + 1]) > o.dilation[i / 2] * (o.kernel[i / 2] - 1) + 1) c.unsupported('padding of more than half of the window');
  if (mean) return first(ops.avgPool2d(x, { ...o, countIncludePad: c.number('count_include_pad', 0) !== 0 }), rank);
  if (c.node.outputs.length === 1) return typed(first(ops.maxPool2d(x, o), rank));
  const { y, indices } = ops.maxPool2dWithIndices(x, o), [n, h, w, ch] = x.shape;
  const planes = c.device.tensor(Int32Array.from({ length: n * ch }, (_, i) => i * h * w), [n, ch, 1, 1]);
  if (rank === 3 || c.number('storage_order', 0)) c.unsupported('places in a signal, or by columns');
  return [typed(first(y, rank)), whole(ops.add(first(indices, rank), planes))];
}

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
  return ops.add(ops.mul(y, perChannel(c.x(1), x.rank)), perChannel(c.x(2), x.rank));
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
  const logP = ops.logSoftmax(c.x(), 1, 1);
  return [nll(c, logP), logP];
}

/** Patches [n, c kh kw, places] added up to an image. */
function col2im(c: Call): Tensor {
  const size = c.elements(1), kernel = c.elements(2), pads = c.ints('pads', [0, 0, 0, 0]), [n, rows, count] = c.x().shape;
  if (size.length !== 2 || pads[0] !== pads[2] || pads[1] !== pads[3]) c.unsupported('images of other than two dimensions, or padding that differs by side');
  const [kh, kw] = kernel, padding = [pads[0], pads[1]] as const, stride = two(c, 'strides', 4, 1, [1, 1]), dilation = two(c, 'dilations', 4, 1, [1, 1]);
  const [oh, ow] = [0, 1].map((i) => Math.floor((size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i]) + 1);
  if (oh * ow !== count) c.wrong(`there are ${count} patches, not ${oh} x ${ow}`);
  const patches = ops.reshape(ops.permute(ops.reshape(c.x(), [n, rows / (kh * kw), kh, kw, oh, ow]), [0, 4, 5, 2, 3, 1]), [n, oh, ow, rows]);
  return first(ops.fold(patches, [size[0], size[1]], [kh, kw], { stride, padding, dilation }), 4);
}

const spatial = (x: Tensor): number[] => x.shape.slice(2).map((_, i) => i + 2);

export const NETWORK: Record<string, Operator> = {
  AveragePool: plain((c) => pool(c, true)),
  BatchNormalization: plain(batchNorm),
  Col2Im: reads([1, 2], col2im),
  Conv: plain(conv),
  ConvTranspose: plain(convTranspose),
  Dropout: plain((c) => {
    if (c.values[2]) c.unsupported('training mode');
    return [c.x().view(c.x().shape), { type: 'bool', tensor: ops.full(c.device, c.x().shape, 1, 'i32') }];
  }),
  Gemm: plain(gemm),
  GlobalAveragePool: plain((c) => ops.mean(c.x(), spatial(c.x()), { keepdim: true })),
  GlobalMaxPool: plain((c) => ops.amax(c.x(), spatial(c.x()), { keepdim: true })),
  GroupNormalization: plain((c) => groupNorm(c, c.number('num_groups', 1))),
  InstanceNormalization: plain((c) => groupNorm(c, c.x().shape[1])),
  LayerNormalization: plain(layerNorm),
  MeanVarianceNormalization: plain((c) => {
    const x = c.x(), axes = c.ints('axes', [0, 2, 3]), options = { keepdim: true, correction: 0 };
    return ops.div(ops.sub(x, ops.mean(x, axes, options)), ops.add(ops.std(x, axes, options), 1e-9));
  }),
  MatMul: plain((c) => ops.matmul(c.x(), c.x(1))),
  MaxPool: plain((c) => pool(c, false)),
  NegativeLogLikelihoodLoss: plain((c) => nll(c, c.x())),
  RMSNormalization: plain((c) => ops.rmsNorm(c.x(), c.x().shape.slice(c.number('axis', -1)), c.x(1), { eps: c.number('epsilon', 1e-5) })),
  SoftmaxCrossEntropyLoss: plain(softmaxCrossEntropy),
};
