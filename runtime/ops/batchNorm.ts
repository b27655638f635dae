// Batch normalisation over all axes but the last, optionally followed by the sum with a residual and by ReLU.

import { args } from '../args.ts';
import type { BackwardContext, Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { ACTIVATION_OP } from '../kernel/generated.ts';
import type { Constants } from '../kernel/kernel.ts';
import { byVectors, stored } from '../kernel/vectors.ts';
import { checkF32, checkReal, type DType, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

/** Settings of {@link batchNorm}. */
export interface BatchNormOptions {
  /** 'train': statistics of this batch; 'eval': the running ones. */
  mode: 'train' | 'eval';
  /** In 'train': do the running statistics move? (default true) */
  update?: boolean;
  /** Share of the new statistics in the running ones (PyTorch's momentum, default 0.1). */
  momentum?: number;
  /** Added to the variance (default 1e-5). */
  eps?: number;
  /**
   * Which variance the running one takes from a batch: 'unbiased' (default, PyTorch) or 'biased' (TensorFlow, whose
   * decay of 0.9997 is a momentum of 0.0003).
   */
  runningVariance?: 'unbiased' | 'biased';
  /** Fuse the sum with a tensor of shape and dtype of x, before the ReLU. */
  residual?: Tensor;
  /** Fuse max(y, 0) (default false). */
  relu?: boolean;
}

type Attrs = Required<Omit<BatchNormOptions, 'residual'>>;

/**
 * Rows in a chunk: short sums for accuracy, but few enough chunks that joining them stays cheap. Element by element a
 * thread takes eight rows, so that what belongs to the channel is loaded once for them.
 */
function layout(
  x: Tensor,
  eps: number,
  momentum = 0,
  lost = 0,
): {
  c: number;
  params: Record<string, number>;
  vectors: Record<string, number>;
  constants: Constants;
  parts: number;
  strips: number;
} {
  const c = x.shape[x.rank - 1];
  const rows = x.size / c;
  const chunk = Math.max(64, Math.ceil(rows / 512));
  const chunks = Math.ceil(rows / chunk);
  const strip = Math.ceil(rows / 8);
  const { constants: vectors, lanes } = byVectors([1, 1, 1, c], [1, 1, 1, c], x.dtype);
  const constants = { ...vectors, ...(lanes === 4 && { Bits: 'vec4<u32>' }) };
  const params = { rows, c, chunk, chunks, strip, eps, momentum, lost };
  return {
    c,
    params,
    vectors: { ...params, c: c / lanes },
    constants,
    parts: (chunks * c) / lanes,
    strips: (strip * c) / lanes,
  };
}

/** The mean and variance that the forward pass used: those of the batch, or the running ones. */
const statistics = ({ inputs, outputs }: BackwardContext<Attrs>): { mean: Tensor; variance: Tensor } => ({
  mean: outputs.mean ?? inputs.runningMean,
  variance: outputs.variance ?? inputs.runningVariance,
});

/**
 * The gradient at the sum with a residual, and whether the ReLU is yet to be seen to: with a residual its mask is found
 * in the result.
 */
function atSum(ctx: BackwardContext<Attrs>): { dy: Tensor; relu: boolean } {
  const {
    dy,
    inputs: { residual },
    outputs: { y: x },
    attrs: { relu },
  } = ctx;
  if (!relu || !residual) return { dy, relu };
  return ctx.once('atSum', () => {
    const { size, device } = x;
    const dx = device.empty(x.shape, x.dtype, 'batchNorm');
    device.run({
      shader: 'activation',
      entry: 'backward',
      constants: { OP: ACTIVATION_OP.relu, ...stored(x) },
      bindings: { x, dy, dx },
      params: { n: size, a: 0, b: 0, c: 0 },
      threads: size,
    });
    return { dy: dx, relu: false };
  });
}

/**
 * The gradients of gamma and beta, [c], and `sums`, both together as [2, c] for a gradient of x that flows through the
 * statistics.
 */
function gradients(ctx: BackwardContext<Attrs>): { dgamma: Tensor; dbeta: Tensor; sums: Tensor } {
  return ctx.once('gradients', () => {
    const { x, gamma, beta } = ctx.inputs;
    const { mode, eps } = ctx.attrs;
    const { dy, relu } = atSum(ctx);
    const { device } = x;
    const { c, params, vectors, constants, parts: threads } = layout(x, eps);
    const parts = device.empty([params.chunks, 2, c], 'f32', 'batchNorm');
    device.run({
      shader: 'batchNorm',
      entry: 'gradStats',
      constants: { RELU: relu, ...constants },
      bindings: { x, dy, ...statistics(ctx), parts, gamma, beta },
      params: vectors,
      threads,
    });
    const dgamma = device.empty([c], 'f32', 'batchNorm');
    const dbeta = device.empty([c], 'f32', 'batchNorm');
    const sums = device.empty([2, c], 'f32', 'batchNorm');
    device.run({
      shader: 'batchNorm',
      entry: 'gradCombine',
      bindings: { partials: parts, new_mean: dgamma, new_variance: dbeta, new_sums: sums },
      params,
      threads: c,
    });
    parts.dispose();
    if (!(mode === 'train' && ctx.needs('x'))) sums.dispose();
    if (!ctx.needs('gamma')) dgamma.dispose();
    if (!ctx.needs('beta')) dbeta.dispose();
    return { dgamma, dbeta, sums };
  });
}

const op: Op<Attrs, 'x' | 'gamma' | 'beta' | 'runningMean' | 'runningVariance' | 'residual'> = defineReal(
  {
    name: 'batchNorm',
    inputs: ['x', 'gamma', 'beta', 'runningMean', 'runningVariance', 'residual'],
    outputs: ['y', 'mean', 'variance'],
    forward(
      { x, gamma, beta, runningMean, runningVariance, residual },
      { mode, update, momentum, eps, relu, runningVariance: variant },
    ) {
      const device = x.device;
      const {
        c,
        params,
        vectors,
        constants,
        parts: threads,
        strips,
      } = layout(x, eps, momentum, variant === 'biased' ? 0 : 1);
      let mean = runningMean;
      let variance = runningVariance;
      const saved: Record<string, Tensor> = {};
      if (mode === 'train') {
        const parts = device.empty([params.chunks, 2, c], 'f32', 'batchNorm');
        device.run({
          shader: 'batchNorm',
          entry: 'stats',
          constants,
          bindings: { x, parts },
          params: vectors,
          threads,
        });
        mean = saved.mean = device.empty([c], 'f32', 'batchNorm');
        variance = saved.variance = device.empty([c], 'f32', 'batchNorm');
        const bindings = {
          partials: parts,
          new_mean: mean,
          new_variance: variance,
          ...(update && { running_mean: runningMean, running_variance: runningVariance }),
        };
        device.run({
          shader: 'batchNorm',
          entry: update ? 'combineAndUpdate' : 'combine',
          bindings,
          params,
          threads: c,
        });
        parts.dispose();
      }
      const y = device.empty(x.shape, x.dtype, 'batchNorm');
      device.run({
        shader: 'batchNorm',
        entry: 'forward',
        constants: { RELU: relu, ...(residual && { RESIDUAL: true }), ...constants },
        bindings: { x, gamma, beta, mean, variance, y, residual: residual ?? x },
        params: vectors,
        threads: strips,
      });
      return { y, ...saved };
    },
    backward: {
      x: (ctx) => {
        const { x, gamma, beta } = ctx.inputs;
        const { mode, eps } = ctx.attrs;
        const { dy, relu } = atSum(ctx);
        const train = mode === 'train';
        // In evaluation nothing flows through the statistics: what stands in for the sums is not read.
        const sums = train ? gradients(ctx).sums : gamma;
        const { vectors, constants, strips } = layout(x, eps);
        const dx = x.device.empty(x.shape, x.dtype, 'batchNorm');
        x.device.run({
          shader: 'batchNorm',
          entry: 'inputGrad',
          constants: { RELU: relu, TRAIN: train, ...constants },
          bindings: { x, dy, gamma, beta, ...statistics(ctx), sums, dx },
          params: vectors,
          threads: strips,
        });
        if (train) sums.dispose();
        return dx;
      },
      gamma: (ctx) => gradients(ctx).dgamma,
      beta: (ctx) => gradients(ctx).dbeta,
      runningMean: null,
      runningVariance: null,
      residual: (ctx) => atSum(ctx).dy,
    },
    saved: ['mean', 'variance'],
  },
  { halves: ['x', 'residual'] },
);

/**
 * Batch normalisation over all axes but the last.
 * @param x f32 or f16 [..., c]
 * @param gamma scale, f32 or f16 [c]
 * @param beta shift, f32 or f16 [c]
 * @param running running mean and variance, [c]; moved in place in 'train' with `update` (then f32), used in 'eval'
 * @returns y, shape and dtype of x; gamma, beta and the statistics may be f32 beside x in f16
 * @throws ShapeError when the sizes do not fit, a dtype is an integer, or when a training batch has a single value per
 *   channel
 * Source: Ioffe & Szegedy 2015; conventions of torch.nn.functional.batch_norm.
 * @example const y = batchNorm(x, gamma, beta, { mean: runningMean, variance: runningVariance }, { mode: 'train' });
 */
export function batchNorm<D extends DType, R extends number>(
  x: Tensor<D, R>,
  gamma: Tensor,
  beta: Tensor,
  running: { mean: Tensor; variance: Tensor } | undefined,
  options: BatchNormOptions,
): Tensor<D, R> {
  args(
    'batchNorm x gamma beta running?:o ' +
      '{mode!:train|eval update:b momentum:n eps:n runningVariance:unbiased|biased residual relu:b}',
    arguments,
  );
  if (running) args('batchNorm.running mean variance', [running.mean, running.variance]);
  const c = x.shape[x.rank - 1];
  for (const [what, t] of Object.entries({ x, gamma, beta })) checkReal('batchNorm', { [what]: t });
  // What moves in place must be the f32 that the kernels know.
  const { residual, mode, momentum = 0.1, eps = 1e-5, relu = false, runningVariance = 'unbiased' } = options;
  const update = mode === 'train' && !!running && options.update !== false;
  for (const [what, t] of Object.entries({
    'the running mean': running?.mean,
    'the running variance': running?.variance,
  }))
    (update ? checkF32 : checkReal)('batchNorm', { [what]: t });
  for (const t of [gamma, beta, ...(running ? [running.mean, running.variance] : [])]) {
    if (t.rank !== 1 || t.size !== c)
      throw new ShapeError('batchNorm', `x is [${x.shape}], a per-channel tensor is [${t.shape}]`);
  }
  if (residual && (String(residual.shape) !== String(x.shape) || residual.dtype !== x.dtype))
    throw new ShapeError('batchNorm', `the residual is ${residual}, x ${x}`);
  if (mode === 'eval' && !running) throw new ShapeError('batchNorm', 'evaluation needs running statistics');
  if (mode === 'train' && x.size <= c)
    throw new ShapeError(
      'batchNorm',
      `x [${x.shape}] has one value per channel, which has no variance`,
      'use a larger batch or image, or evaluation mode',
    );
  return op(
    { x, gamma, beta, runningMean: running?.mean, runningVariance: running?.variance, residual },
    { mode, momentum, eps, relu, update, runningVariance },
  ).y as Tensor<D, R>;
}
