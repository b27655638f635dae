// Losses of two tensors, element by element: squared and absolute error, smooth L1, binary cross-entropy, KL
// divergence.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import type { BackwardContext, Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { PAIR_LOSS_KIND } from '../kernel/generated.ts';
import { isReal, sizeOf, type Tensor } from '../tensor.ts';
import { sigmoid } from './activation.ts';
import { add, mul, pow, sub } from './binary.ts';
import { defineReal, inF32 } from './cast.ts';
import { chunks, lossReduce } from './lossReduce.ts';
import { mean, sum } from './reduce.ts';
import { exp, neg } from './unary.ts';
import { weightedSum } from './weightedSum.ts';

type Kind = keyof typeof PAIR_LOSS_KIND;

/** Settings of the losses of two tensors. */
export interface PairLossOptions {
  /**
   * What the sum is divided by. `meanC` (default) or `mean`: the number of elements. `sumC`: the number of pixels, that
   * is, a sum over channels and a mean over pixels, C times `meanC`. `none-sum` or `sum`: 1. Or a number. `none`:
   * nothing is summed, the result has the shape of the inputs. `mean`, `sum` and `none` are PyTorch's names.
   */
  reduction?: 'meanC' | 'mean' | 'sumC' | 'none-sum' | 'sum' | 'none' | number;
  /** f32 or f16, one element for each pixel (row of the last dimension): a factor. No gradient flows into it. */
  pixelWeight?: Tensor;
  /**
   * `all` (default): `meanC` and `sumC` count all pixels. `kept`: they count the sum of the pixel weights. Where that
   * is 0, the loss is 0.
   */
  over?: 'all' | 'kept';
  /** A scalar factor on the GPU, such as the share of confident pixels. No gradient flows into it. */
  scalar?: Tensor;
}

/** What all of these losses take, for the check of their arguments. */
const PAIR = 'reduction:meanC|mean|sumC|none-sum|sum|none|# pixelWeight over:all|kept scalar';

interface Attrs {
  kind: Kind;
  share: number;
  fixed: number;
  map: boolean;
  beta: number;
}

type Tensors = Record<string, Tensor>;

/** What the entries share. The sum of the losses does not read the scalar: the last pass multiplies by it. */
function common(t: Tensors, { kind, share, map, beta }: Attrs, items = 1, readsScalar = true) {
  const { a, b, pixelWeight = a, scalar = a, classWeights = a } = t;
  return {
    shader: 'pairLoss',
    constants: {
      KIND: PAIR_LOSS_KIND[kind],
      PIXEL_WEIGHT: !!t.pixelWeight,
      SCALAR: readsScalar && !!t.scalar,
      CLASS_WEIGHT: !!t.classWeights,
      MAP: map,
    },
    bindings: { a, b, pixelWeight, ...(readsScalar && { scalar }), classWeights } as Tensors,
    params: { n: a.size, c: a.shape.at(-1) || 1, items, share, beta },
  };
}

function backward(entry: 'backwardA' | 'backwardB') {
  return ({ dy, inputs, outputs, attrs }: BackwardContext<Attrs>): Tensor => {
    const { a } = inputs;
    const dx = a.device.empty(a.shape, 'f32', attrs.kind);
    const launch = common(inputs, attrs);
    a.device.run({
      ...launch,
      entry,
      bindings: { ...launch.bindings, dy, inverse: outputs.inverse ?? dy, dx },
      threads: a.size,
    });
    return dx;
  };
}

const op: Op<Attrs, 'a' | 'b' | 'pixelWeight' | 'scalar' | 'classWeights'> = defineReal({
  name: 'pairLoss',
  inputs: ['a', 'b', 'pixelWeight', 'scalar', 'classWeights'],
  outputs: ['y', 'inverse'],
  forward(inputs, attrs) {
    const { device, shape, size } = inputs.a;
    if (attrs.map) {
      const y = device.empty(shape, 'f32', attrs.kind);
      const launch = common(inputs, attrs);
      device.run({ ...launch, entry: 'forwardMap', bindings: { ...launch.bindings, y }, threads: size });
      return { y };
    }
    const { groups, items } = chunks(size);
    const partials = device.empty([groups, 2], 'f32', attrs.kind);
    const launch = common(inputs, attrs, items, false);
    device.run({ ...launch, entry: 'forward', bindings: { ...launch.bindings, partials }, groups: [groups, 1, 1] });
    const sums = lossReduce(partials, attrs.fixed, { scalar: inputs.scalar });
    partials.dispose();
    return sums;
  },
  backward: { a: backward('backwardA'), b: backward('backwardB'), pixelWeight: null, scalar: null, classWeights: null },
  saved: ['inverse'],
});

function apply(
  kind: Kind,
  a: Tensor,
  b: Tensor,
  o: PairLossOptions,
  extra: { beta?: number; classWeights?: Tensor } = {},
): Tensor {
  if (!isReal(a) || a.dtype !== b.dtype || String(a.shape) !== String(b.shape))
    throw new ShapeError(kind, `${a} and ${b}`, 'give two tensors of one shape, both f32 or both f16');
  const c = a.shape.at(-1) || 1;
  const { pixelWeight, scalar } = o;
  const reduction =
    o.reduction === 'mean' || o.reduction === undefined ? 'meanC' : o.reduction === 'sum' ? 'none-sum' : o.reduction;
  if (pixelWeight && (!isReal(pixelWeight) || pixelWeight.size !== sizeOf(a.shape.slice(0, -1))))
    throw new ShapeError(kind, `pixel weights ${pixelWeight} for [${a.shape}]`, `give f32 [${a.shape.slice(0, -1)}]`);
  if (scalar && (!isReal(scalar) || scalar.size !== 1)) throw new ShapeError(kind, `the scalar is ${scalar}`);
  if (extra.classWeights && (!isReal(extra.classWeights) || extra.classWeights.size !== c))
    throw new ShapeError(kind, `weights ${extra.classWeights} for ${c} classes`);
  if (typeof reduction === 'number' && !(reduction > 0 && Number.isFinite(reduction)))
    throw new ShapeError(kind, `the denominator is ${reduction}`, 'give a positive number');
  const kept = o.over === 'kept' && (reduction === 'meanC' || reduction === 'sumC');
  const count = reduction === 'sumC' ? a.size / c : a.size;
  const fixed =
    typeof reduction === 'number'
      ? reduction
      : kept
        ? 0
        : reduction === 'meanC' || reduction === 'sumC'
          ? Math.max(1, count)
          : 1;
  const attrs = {
    kind,
    share: reduction === 'sumC' ? 1 / c : 1,
    fixed,
    map: reduction === 'none',
    beta: extra.beta ?? 1,
  };
  return op({ a, b, pixelWeight, scalar, classWeights: extra.classWeights }, attrs).y;
}

/**
 * Squared error (a - b)^2. Gradients for both.
 * @param a [..., C] f32 or f16
 * @param b the same shape and dtype
 * @throws ShapeError when shapes or dtypes differ, or a setting does not fit
 * @example const loss = mse(softmax(student), teacher, { reduction: 'sumC', scalar: confidentShare });
 */
export function mse(a: Tensor, b: Tensor, options: PairLossOptions = {}): Tensor {
  args(`mse a b {${PAIR}}`, arguments);
  return apply('mse', a, b, options);
}

/**
 * Absolute error |a - b|; the gradient at 0 is 0. See {@link mse}.
 * @example const loss = l1(prediction, target);
 */
export function l1(a: Tensor, b: Tensor, options: PairLossOptions = {}): Tensor {
  args(`l1 a b {${PAIR}}`, arguments);
  return apply('l1', a, b, options);
}

/**
 * Smooth L1 (Huber's loss divided by beta): (a-b)^2 / (2 beta) below `beta` (default 1), |a-b| - beta/2 above. See
 * {@link mse}.
 * @example const loss = smoothL1(prediction, target, { beta: 0.1 });
 */
export function smoothL1(a: Tensor, b: Tensor, options: PairLossOptions & { beta?: number } = {}): Tensor {
  args(`smoothL1 a b {${PAIR} beta:n}`, arguments);
  if (options.beta !== undefined && !(options.beta > 0))
    throw new ShapeError('smoothL1', `beta is ${options.beta}`, 'give a positive number, or use l1');
  return apply('smoothL1', a, b, options, { beta: options.beta });
}

/**
 * Huber's loss: (a-b)^2 / 2 below `delta` (default 1), delta (|a-b| - delta/2) above; delta times {@link smoothL1}. See
 * {@link mse}.
 * @example const loss = huber(prediction, target, { delta: 0.5 });
 */
export function huber(a: Tensor, b: Tensor, options: PairLossOptions & { delta?: number } = {}): Tensor {
  args(`huber a b {${PAIR} delta:n}`, arguments);
  const { delta = 1, ...common } = options;
  if (!(delta > 0 && Number.isFinite(delta)))
    throw new ShapeError('huber', `delta is ${delta}`, 'give a positive number');
  return inF32('huber', [a, b], (u, v) => weightedSum([[smoothL1(u, v, { ...common, beta: delta }), delta]]));
}

/**
 * Binary cross-entropy of logits with targets between 0 and 1, in the stable form. Gradients for both.
 * @param options.posWeight [C] f32 or f16: a factor for the positive part of each class
 * @throws ShapeError when shapes or dtypes differ, or a setting does not fit
 * @example const loss = bceWithLogits(imageLogits, presentClasses);
 */
export function bceWithLogits(
  logits: Tensor,
  targets: Tensor,
  options: PairLossOptions & { posWeight?: Tensor } = {},
): Tensor {
  args(`bceWithLogits logits targets {${PAIR} posWeight}`, arguments);
  return apply('bceWithLogits', logits, targets, options, { classWeights: options.posWeight });
}

/**
 * Kullback-Leibler divergence q (log q - log p) of log-probabilities `logP` and probabilities `q`; 0 where q is 0.
 * `sumC` is the usual mean over distributions. With `logTarget` q holds log-probabilities. See {@link mse}.
 * @example const loss = klDiv(logSoftmax(student), softmax(teacher), { reduction: 'sumC' });
 */
export function klDiv(logP: Tensor, q: Tensor, options: PairLossOptions & { logTarget?: boolean } = {}): Tensor {
  args(`klDiv logP q {${PAIR} logTarget:b}`, arguments);
  if (!options.logTarget) return apply('klDiv', logP, q, options);
  return inF32('klDiv', [logP, q], (p, t) => composed(p.device, () => apply('klDiv', p, exp(t), options)));
}

/**
 * The focal loss of single classes: binary cross-entropy of logits times alpha_t (1 - p_t)^gamma, where p_t is the
 * probability of the target. Gradients for the logits and the targets.
 * @param logits f32 or f16 of any shape
 * @param targets between 0 and 1, shape and dtype of the logits
 * @param options.alpha share of the target 1, 1 - alpha that of 0 (default 0.25; a negative number: none)
 * @param options.gamma default 2
 * @param options.reduction `mean` (default), `sum` or `none`
 * @returns a scalar; for `none` the shape of the logits
 * @throws ShapeError when shapes or dtypes differ, alpha is above 1, gamma negative, or there is no such reduction
 * Source: Lin et al. 2017, https://arxiv.org/abs/1708.02002; conventions of torchvision.ops.sigmoid_focal_loss.
 * @example const loss = sigmoidFocal(imageLogits, presentClasses);
 */
export function sigmoidFocal(
  logits: Tensor,
  targets: Tensor,
  options: { alpha?: number; gamma?: number; reduction?: 'mean' | 'sum' | 'none' } = {},
): Tensor {
  args('sigmoidFocal logits targets {alpha:n gamma:n reduction:mean|sum|none}', arguments);
  const { alpha = 0.25, gamma = 2, reduction = 'mean' } = options;
  if (!(alpha <= 1 && gamma >= 0 && Number.isFinite(gamma)))
    throw new ShapeError(
      'sigmoidFocal',
      `alpha is ${alpha}, gamma ${gamma}`,
      'give an alpha up to 1 and a gamma that is not negative',
    );
  return inF32('sigmoidFocal', [logits, targets], (x, t) =>
    composed(x.device, () => {
      const ce = bceWithLogits(x, t, { reduction: 'none' });
      const other = sub(1, t);
      // 1 - p_t without cancelling.
      const wrong = add(mul(t, sigmoid(neg(x))), mul(other, sigmoid(x)));
      const focused = gamma === 0 ? ce : mul(ce, pow(wrong, gamma));
      const y = alpha < 0 ? focused : mul(focused, add(mul(t, alpha), mul(other, 1 - alpha)));
      return reduction === 'none' ? y : reduction === 'sum' ? sum(y) : mean(y);
    }),
  );
}
