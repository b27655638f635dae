// Normalisation within one sample: group, layer, instance and RMS norm.

import { args } from '../args.ts';
import type { BackwardContext, Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import type { Constants, ParamValue } from '../kernel/kernel.ts';
import { checkReal, type DType, type Shape, sizeOf, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { sum } from './reduce.ts';

/** Settings of the normalisations. */
export interface NormOptions {
  /** Added to the variance. */
  eps?: number;
}

interface Attrs {
  /** x as [n, pixels, groups, width]: statistics are over pixels and width. */
  n: number;
  pixels: number;
  groups: number;
  width: number;
  /** Elements of gamma and beta. */
  channels: number;
  eps: number;
  centre: boolean;
}

/** Segments of some thousand elements at most; a workgroup takes one, or several small ones. */
function layout(a: Attrs): { params: Record<string, ParamValue>; segments: number; LANES: number } {
  const chunk = Math.max(1, Math.min(a.pixels, Math.ceil(4096 / a.width)));
  const chunks = Math.ceil(a.pixels / chunk);
  const length = chunk * a.width;
  const { n, pixels, groups, width, channels, eps } = a;
  return {
    params: { n, pixels, groups, width, channels, chunk, chunks, eps },
    segments: n * groups * chunks,
    LANES: length >= 256 ? 64 : length >= 16 ? 8 : 1,
  };
}

const affine = (gamma: Tensor | undefined, beta: Tensor | undefined, a: Attrs): Constants => ({
  GAMMA: gamma !== undefined,
  BETA: beta !== undefined,
  CENTRE: a.centre,
});

/** Two passes: what `first` finds in the segments, joined by `second`; [n, groups, 2]. */
function reduce(
  x: Tensor,
  a: Attrs,
  first: 'statistics' | 'gradSums',
  constants: Constants,
  bindings: Record<string, Tensor>,
): Tensor {
  const { params, segments, LANES } = layout(a);
  const parts = x.device.empty([segments, 2], 'f32', 'groupNorm');
  const joined = x.device.empty([a.n, a.groups, 2], 'f32', 'groupNorm');
  x.device.run({
    shader: 'groupNorm',
    entry: first,
    constants: { ...constants, LANES },
    bindings: { x, ...bindings, parts },
    params,
    threads: segments * LANES,
  });
  x.device.run({
    shader: 'groupNorm',
    entry: first === 'statistics' ? 'combine' : 'gradCombine',
    bindings: { partials: parts, joined },
    params,
    threads: a.n * a.groups,
  });
  parts.dispose();
  return joined;
}

/** The gradients of gamma and beta: sums over samples and pixels. */
function perChannel(v: Tensor, like: Tensor): Tensor {
  const flat = v.view([v.size / Math.max(1, like.size), like.size]);
  const total = sum(flat, 0);
  const g = total.view(like.shape);
  flat.dispose();
  total.dispose();
  return g;
}

function gammaGradient({ dy, inputs: { x, gamma }, outputs: { stats }, attrs: a }: BackwardContext<Attrs>): Tensor {
  const scaled = x.device.empty(x.shape, 'f32', 'groupNorm');
  x.device.run({
    shader: 'groupNorm',
    entry: 'scale',
    bindings: { x, dy, stats, scaled },
    params: layout(a).params,
    threads: x.size,
  });
  const g = perChannel(scaled, gamma);
  scaled.dispose();
  return g;
}

const op: Op<Attrs, 'x' | 'gamma' | 'beta'> = defineReal({
  name: 'groupNorm',
  inputs: ['x', 'gamma', 'beta'],
  outputs: ['y', 'stats'],
  forward({ x, gamma, beta }, a) {
    const stats = reduce(x, a, 'statistics', { CENTRE: a.centre }, {});
    const y = x.device.empty(x.shape, 'f32', 'groupNorm');
    x.device.run({
      shader: 'groupNorm',
      entry: 'forward',
      constants: affine(gamma, beta, a),
      bindings: { x, gamma: gamma ?? x, beta: beta ?? x, stats, y },
      params: layout(a).params,
      threads: x.size,
    });
    return { y, stats };
  },
  backward: {
    x: ({ dy, inputs: { x, gamma, beta }, outputs: { stats }, attrs: a }) => {
      const constants = affine(gamma, beta, a);
      const sums = reduce(x, a, 'gradSums', constants, { gamma: gamma ?? x, stats, dy });
      const dx = x.device.empty(x.shape, 'f32', 'groupNorm');
      x.device.run({
        shader: 'groupNorm',
        entry: 'inputGrad',
        constants,
        bindings: { x, gamma: gamma ?? x, stats, dy, sums, dx },
        params: layout(a).params,
        threads: x.size,
      });
      sums.dispose();
      return dx;
    },
    gamma: gammaGradient,
    beta: ({ dy, inputs: { beta } }) => perChannel(dy, beta),
  },
  saved: ['stats'],
});

function normalise(
  name: string,
  x: Tensor,
  gamma: Tensor | undefined,
  beta: Tensor | undefined,
  affineShape: Shape,
  a: Attrs,
): Tensor {
  for (const [what, t] of Object.entries({ x, gamma, beta })) checkReal(name, { [what]: t });
  for (const t of [gamma, beta])
    if (t && String(t.shape) !== String(affineShape))
      throw new ShapeError(name, `x is [${x.shape}], gamma or beta [${t.shape}]`, `they must be [${affineShape}]`);
  if (a.pixels * a.width === 0) throw new ShapeError(name, `x [${x.shape}] has nothing to take a mean of`);
  return op({ x, gamma, beta }, a).y;
}

/** The attributes of a norm over the last axes. */
function overLast(name: string, x: Tensor, shape: Shape, eps: number, centre: boolean): Attrs {
  if (shape.length < 1 || String(x.shape.slice(-shape.length)) !== String(shape))
    throw new ShapeError(name, `[${x.shape}] does not end in [${shape}]`);
  return {
    n: sizeOf(x.shape.slice(0, -shape.length)),
    pixels: sizeOf(shape.slice(0, -1)),
    groups: 1,
    width: shape[shape.length - 1],
    channels: sizeOf(shape),
    eps,
    centre,
  };
}

/**
 * Normalises over the last axes: (x - mean) / sqrt(variance + eps) gamma + beta, with the biased variance.
 * @param x f32 or f16 [..., ...shape]
 * @param shape the axes to normalise over
 * @param gamma scale, f32 or f16 [...shape], optional; may be f32 beside x in f16, as in every norm here
 * @param beta shift, f32 or f16 [...shape], optional
 * @returns shape and dtype of x
 * @throws ShapeError when the shapes do not fit, or dtypes differ or are integers
 * Source: Ba et al. 2016; conventions of torch.nn.functional.layer_norm.
 * @example const y = layerNorm(tokens, [256], gamma, beta);
 */
export function layerNorm<D extends DType, R extends number>(
  x: Tensor<D, R>,
  shape: Shape,
  gamma?: Tensor,
  beta?: Tensor,
  options: NormOptions = {},
): Tensor<D, R> {
  args('layerNorm x shape:S gamma? beta? {eps:n}', arguments);
  const { eps = 1e-5 } = options;
  return normalise('layerNorm', x, gamma, beta, shape, overLast('layerNorm', x, shape, eps, true)) as Tensor<D, R>;
}

/**
 * Divides by the root of the mean square over the last axes: x / sqrt(mean(x²) + eps) gamma.
 * @param x f32 or f16 [..., ...shape]
 * @param shape the axes to normalise over
 * @param gamma scale, f32 or f16 [...shape], optional
 * @returns shape and dtype of x
 * @throws ShapeError when the shapes do not fit, or dtypes differ or are integers
 * Source: Zhang & Sennrich 2019; conventions of torch.nn.functional.rms_norm.
 * @example const y = rmsNorm(tokens, [256], gamma, { eps: 1e-6 });
 */
export function rmsNorm<D extends DType, R extends number>(
  x: Tensor<D, R>,
  shape: Shape,
  gamma?: Tensor,
  options: NormOptions = {},
): Tensor<D, R> {
  args('rmsNorm x shape:S gamma? {eps:n}', arguments);
  const { eps = 2 ** -23 } = options;
  return normalise('rmsNorm', x, gamma, undefined, shape, overLast('rmsNorm', x, shape, eps, false)) as Tensor<D, R>;
}

function grouped(
  name: string,
  x: Tensor,
  groups: number,
  gamma: Tensor | undefined,
  beta: Tensor | undefined,
  eps: number,
): Tensor {
  if (x.rank < 2) throw new ShapeError(name, `x is [${x.shape}], not [n, ..., c]`);
  const c = x.shape[x.rank - 1];
  if (!(Number.isInteger(groups) && groups >= 1 && c % groups === 0))
    throw new ShapeError(name, `${c} channels of [${x.shape}] do not divide into ${groups} groups`);
  return normalise(name, x, gamma, beta, [c], {
    n: x.shape[0],
    pixels: sizeOf(x.shape.slice(1, -1)),
    groups,
    width: c / groups,
    channels: c,
    eps,
    centre: true,
  });
}

/**
 * Normalises each sample over its pixels and the channels of a group.
 * @param x f32 or f16 [n, ..., c]
 * @param groups divides c; neighbouring channels make a group
 * @param gamma scale, f32 or f16 [c], optional
 * @param beta shift, f32 or f16 [c], optional
 * @returns shape and dtype of x
 * @throws ShapeError when the sizes do not fit, or dtypes differ or are integers
 * Source: Wu & He 2018; conventions of torch.nn.functional.group_norm.
 * @example const y = groupNorm(x, 32, gamma, beta);
 */
export function groupNorm<D extends DType, R extends number>(
  x: Tensor<D, R>,
  groups: number,
  gamma?: Tensor,
  beta?: Tensor,
  options: NormOptions = {},
): Tensor<D, R> {
  args('groupNorm x groups:n gamma? beta? {eps:n}', arguments);
  const { eps = 1e-5 } = options;
  return grouped('groupNorm', x, groups, gamma, beta, eps) as Tensor<D, R>;
}

/**
 * {@link groupNorm} with a group for each channel: every channel of every sample by itself. Source: Ulyanov et al.
 * 2016.
 * @throws ShapeError when the sizes do not fit, or a dtype does not
 * @example const y = instanceNorm(x, gamma, beta);
 */
export function instanceNorm<D extends DType, R extends number>(
  x: Tensor<D, R>,
  gamma?: Tensor,
  beta?: Tensor,
  options: NormOptions = {},
): Tensor<D, R> {
  args('instanceNorm x gamma? beta? {eps:n}', arguments);
  const { eps = 1e-5 } = options;
  return grouped('instanceNorm', x, Math.max(1, x.shape[x.rank - 1] ?? 1), gamma, beta, eps) as Tensor<D, R>;
}
