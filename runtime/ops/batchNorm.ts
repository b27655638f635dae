// Batch normalisation over all axes but the last, optionally followed by ReLU.

import { defineOp } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';

export interface BatchNormOptions {
  /** 'train': statistics of this batch; 'eval': the running ones. */
  mode: 'train' | 'eval';
  /** In 'train': do the running statistics move? (default true) */
  update?: boolean;
  /** Share of the new statistics in the running ones (PyTorch's momentum, default 0.1). */
  momentum?: number;
  eps?: number;
  /** Which variance the running one takes from a batch: 'unbiased' (default, PyTorch) or 'biased' (TensorFlow, whose decay of 0.9997 is a momentum of 0.0003). */
  runningVariance?: 'unbiased' | 'biased';
  /** Fuse max(y, 0). */
  relu?: boolean;
}

type Attrs = Required<BatchNormOptions>;

/**
 * Rows in a chunk: short sums for accuracy, but few enough chunks that joining them stays cheap. Element by element a thread takes eight rows, so that what
 * belongs to the channel is loaded once for them.
 */
function layout(x: Tensor): { rows: number; c: number; chunk: number; chunks: number; strip: number } {
  const c = x.shape[x.rank - 1];
  const rows = x.size / c;
  const chunk = Math.max(64, Math.ceil(rows / 512));
  return { rows, c, chunk, chunks: Math.ceil(rows / chunk), strip: Math.ceil(rows / 8) };
}

function gradients(x: Tensor, dy: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, { relu, eps }: Attrs): { dgamma: Tensor; dbeta: Tensor } {
  const device = x.device;
  const size = layout(x);
  const params = { ...size, eps, momentum: 0, lost: 0 };
  const parts = device.empty([size.chunks, size.c, 2], 'f32', 'batchNorm gradient parts');
  device.run({ shader: 'batchNorm', entry: 'gradStats', constants: { RELU: relu }, bindings: { x, dy, mean, variance, parts, gamma, beta }, params, threads: size.chunks * size.c });
  const dgamma = device.empty([size.c], 'f32', 'batchNorm dgamma');
  const dbeta = device.empty([size.c], 'f32', 'batchNorm dbeta');
  device.run({ shader: 'batchNorm', entry: 'gradCombine', bindings: { partials: parts, new_mean: dgamma, new_variance: dbeta }, params, threads: size.c });
  parts.dispose();
  return { dgamma, dbeta };
}

const op = defineOp<Attrs>({
  name: 'batchNorm',
  inputs: ['x', 'gamma', 'beta', 'runningMean', 'runningVariance'],
  outputs: ['y', 'mean', 'variance'],
  forward({ x, gamma, beta, runningMean, runningVariance }, { mode, update, momentum, eps, relu, runningVariance: variant }) {
    const device = x.device;
    const size = layout(x);
    const params = { ...size, eps, momentum, lost: variant === 'biased' ? 0 : 1 };
    let mean = runningMean, variance = runningVariance;
    if (mode === 'train') {
      const parts = device.empty([size.chunks, size.c, 2], 'f32', 'batchNorm parts');
      device.run({ shader: 'batchNorm', entry: 'stats', bindings: { x, parts }, params, threads: size.chunks * size.c });
      mean = device.empty([size.c], 'f32', 'batchNorm mean');
      variance = device.empty([size.c], 'f32', 'batchNorm variance');
      const moves = update && !!runningMean;
      const bindings = { partials: parts, new_mean: mean, new_variance: variance };
      if (moves) device.run({ shader: 'batchNorm', entry: 'combineAndUpdate', bindings: { ...bindings, running_mean: runningMean, running_variance: runningVariance }, params, threads: size.c });
      else device.run({ shader: 'batchNorm', entry: 'combine', bindings, params, threads: size.c });
      parts.dispose();
    }
    const y = device.empty(x.shape, 'f32', 'batchNorm');
    device.run({ shader: 'batchNorm', entry: 'forward', constants: { RELU: relu }, bindings: { x, gamma, beta, mean, variance, y }, params, threads: size.strip * size.c });
    return { y, mean, variance };
  },
  backward: {
    x: (ctx) => {
      const { x, gamma, beta } = ctx.inputs;
      const { mean, variance } = ctx.outputs;
      const { mode, relu, eps } = ctx.attrs;
      const { dgamma, dbeta } =
        mode === 'train' ? ctx.once('gradients', () => gradients(x, ctx.dy, gamma, beta, mean, variance, ctx.attrs)) : { dgamma: gamma, dbeta: beta };
      const size = layout(x);
      const dx = x.device.empty(x.shape, 'f32', 'batchNorm input gradient');
      x.device.run({
        shader: 'batchNorm',
        entry: 'inputGrad',
        constants: { RELU: relu, TRAIN: mode === 'train' },
        bindings: { x, dy: ctx.dy, gamma, beta, mean, variance, dgamma, dbeta, dx },
        params: { ...size, eps, momentum: 0, lost: 0 },
        threads: size.strip * size.c,
      });
      return dx;
    },
    gamma: (ctx) => ctx.once('gradients', () => gradients(ctx.inputs.x, ctx.dy, ctx.inputs.gamma, ctx.inputs.beta, ctx.outputs.mean, ctx.outputs.variance, ctx.attrs)).dgamma,
    beta: (ctx) => ctx.once('gradients', () => gradients(ctx.inputs.x, ctx.dy, ctx.inputs.gamma, ctx.inputs.beta, ctx.outputs.mean, ctx.outputs.variance, ctx.attrs)).dbeta,
    runningMean: null,
    runningVariance: null,
  },
});

/**
 * Batch normalisation of [.., c] over all axes but the last.
 * @param gamma scale [c]
 * @param beta shift [c]
 * @param running running mean and variance [c]; moved in place in 'train' with `update`, used in 'eval'
 * @returns y, shaped as x
 * @throws ShapeError when the sizes do not fit, or when a training batch has a single value per channel
 * Source: Ioffe & Szegedy 2015; conventions of torch.nn.functional.batch_norm.
 */
export function batchNorm(x: Tensor, gamma: Tensor, beta: Tensor, running: { mean: Tensor; variance: Tensor } | undefined, options: BatchNormOptions): Tensor {
  const c = x.shape[x.rank - 1];
  for (const t of [gamma, beta, ...(running ? [running.mean, running.variance] : [])]) {
    if (t.size !== c) throw new ShapeError('batchNorm', `x is [${x.shape}], a per-channel tensor is [${t.shape}]`);
  }
  if (options.mode === 'eval' && !running) throw new ShapeError('batchNorm', 'evaluation needs running statistics');
  if (options.mode === 'train' && x.size <= c) throw new ShapeError('batchNorm', `x [${x.shape}] has one value per channel, which has no variance`, 'use a larger batch or image, or evaluation mode');
  const attrs: Attrs = { momentum: 0.1, eps: 1e-5, relu: false, update: true, runningVariance: 'unbiased', ...options };
  return op({ x, gamma, beta, runningMean: running?.mean, runningVariance: running?.variance }, attrs).y;
}
