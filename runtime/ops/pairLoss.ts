// Losses of two tensors, element by element: squared and absolute error, smooth L1, binary cross-entropy, KL divergence.

import { defineOp, type BackwardContext } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import { chunks, lossReduce } from './lossReduce.ts';
import { weightedSum } from './weightedSum.ts';

const KINDS = { mse: 0, l1: 1, smoothL1: 2, bceWithLogits: 3, klDiv: 4 } as const;
type Kind = keyof typeof KINDS;

export interface PairLossOptions {
  /**
   * What the sum is divided by. `meanC` (default) or `mean`: the number of elements. `sumC`: the number of pixels, that is, a sum over channels and a
   * mean over pixels, C times `meanC`. `none-sum` or `sum`: 1. Or a number. `none`: nothing is summed, the result has the shape of the inputs.
   * `mean`, `sum` and `none` are PyTorch's names.
   */
  reduction?: 'meanC' | 'mean' | 'sumC' | 'none-sum' | 'sum' | 'none' | number;
  /** f32, one element for each pixel (row of the last dimension): a factor. No gradient flows into it. */
  pixelWeight?: Tensor;
  /** `all` (default): `meanC` and `sumC` count all pixels. `kept`: they count the sum of the pixel weights. Where that is 0, the loss is 0. */
  over?: 'all' | 'kept';
  /** A scalar factor on the GPU, such as the share of confident pixels. No gradient flows into it. */
  scalar?: Tensor;
}

interface Attrs {
  kind: Kind;
  share: number;
  fixed: number;
  map: boolean;
  beta: number;
}

type Tensors = Record<string, Tensor>;

function common(t: Tensors, { kind, share, map, beta }: Attrs, items = 1) {
  const { a, b, pixelWeight = a, scalar = a, classWeights = a } = t;
  return {
    shader: 'pairLoss',
    constants: { KIND: KINDS[kind], PIXEL_WEIGHT: !!t.pixelWeight, SCALAR: !!t.scalar, CLASS_WEIGHT: !!t.classWeights, MAP: map },
    bindings: { a, b, pixelWeight, scalar, classWeights } as Tensors,
    params: { n: a.size, c: a.shape.at(-1) || 1, items, share, beta },
  };
}

function backward(entry: 'backwardA' | 'backwardB') {
  return ({ dy, inputs, outputs, attrs }: BackwardContext<Attrs>): Tensor => {
    const { a } = inputs;
    const dx = a.device.empty(a.shape, 'f32', `${attrs.kind} gradient`);
    const launch = common(inputs, attrs);
    a.device.run({ ...launch, entry, bindings: { ...launch.bindings, dy, inverse: outputs.inverse ?? dy, dx }, threads: a.size });
    return dx;
  };
}

const op = defineOp<Attrs>({
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
    const partials = device.empty([groups, 2], 'f32', `${attrs.kind} partial sums`);
    const launch = common(inputs, attrs, items);
    device.run({ ...launch, entry: 'forward', bindings: { ...launch.bindings, partials }, groups: [groups, 1, 1] });
    const sums = lossReduce(partials, attrs.fixed);
    partials.dispose();
    return sums;
  },
  backward: { a: backward('backwardA'), b: backward('backwardB'), pixelWeight: null, scalar: null, classWeights: null },
  saved: ['inverse'],
});

function apply(kind: Kind, a: Tensor, b: Tensor, o: PairLossOptions, extra: { beta?: number; classWeights?: Tensor } = {}): Tensor {
  if (a.dtype !== 'f32' || b.dtype !== 'f32' || String(a.shape) !== String(b.shape)) throw new ShapeError(kind, `[${a.shape}] ${a.dtype} and [${b.shape}] ${b.dtype}`, 'give two f32 tensors of one shape');
  const c = a.shape.at(-1) || 1;
  const { pixelWeight, scalar } = o;
  const reduction = o.reduction === 'mean' || o.reduction === undefined ? 'meanC' : o.reduction === 'sum' ? 'none-sum' : o.reduction;
  if (pixelWeight && (pixelWeight.dtype !== 'f32' || pixelWeight.size !== sizeOf(a.shape.slice(0, -1)))) throw new ShapeError(kind, `pixel weights [${pixelWeight.shape}] ${pixelWeight.dtype} for [${a.shape}]`, `give f32 [${a.shape.slice(0, -1)}]`);
  if (scalar && (scalar.dtype !== 'f32' || scalar.size !== 1)) throw new ShapeError(kind, `the scalar is [${scalar.shape}] ${scalar.dtype}`);
  if (extra.classWeights && (extra.classWeights.dtype !== 'f32' || extra.classWeights.size !== c)) throw new ShapeError(kind, `weights [${extra.classWeights.shape}] ${extra.classWeights.dtype} for ${c} classes`);
  if (typeof reduction === 'number' && !(reduction > 0 && Number.isFinite(reduction))) throw new ShapeError(kind, `the denominator is ${reduction}`, 'give a positive number');
  const kept = o.over === 'kept' && (reduction === 'meanC' || reduction === 'sumC');
  const count = reduction === 'sumC' ? a.size / c : a.size;
  const fixed = typeof reduction === 'number' ? reduction : kept ? 0 : reduction === 'meanC' || reduction === 'sumC' ? Math.max(1, count) : 1;
  const attrs = { kind, share: reduction === 'sumC' ? 1 / c : 1, fixed, map: reduction === 'none', beta: extra.beta ?? 1 };
  return op({ a, b, pixelWeight, scalar, classWeights: extra.classWeights }, attrs).y;
}

/**
 * Squared error (a - b)^2. Gradients for both.
 * @param a [..., C] f32
 * @param b the same shape
 * @example const loss = mse(softmax(student), teacher, { reduction: 'sumC', scalar: confidentShare });
 */
export function mse(a: Tensor, b: Tensor, options: PairLossOptions = {}): Tensor {
  return apply('mse', a, b, options);
}

/** Absolute error |a - b|; the gradient at 0 is 0. See {@link mse}. */
export function l1(a: Tensor, b: Tensor, options: PairLossOptions = {}): Tensor {
  return apply('l1', a, b, options);
}

/** Smooth L1 (Huber's loss divided by beta): (a-b)^2 / (2 beta) below `beta` (default 1), |a-b| - beta/2 above. See {@link mse}. */
export function smoothL1(a: Tensor, b: Tensor, options: PairLossOptions & { beta?: number } = {}): Tensor {
  if (options.beta !== undefined && !(options.beta > 0)) throw new ShapeError('smoothL1', `beta is ${options.beta}`, 'give a positive number, or use l1');
  return apply('smoothL1', a, b, options, { beta: options.beta });
}

/** Huber's loss: (a-b)^2 / 2 below `delta` (default 1), delta (|a-b| - delta/2) above; delta times {@link smoothL1}. See {@link mse}. */
export function huber(a: Tensor, b: Tensor, options: PairLossOptions & { delta?: number } = {}): Tensor {
  const { delta = 1 } = options;
  if (!(delta > 0 && Number.isFinite(delta))) throw new ShapeError('huber', `delta is ${delta}`, 'give a positive number');
  return weightedSum([[smoothL1(a, b, { ...options, beta: delta }), delta]]);
}

/**
 * Binary cross-entropy of logits with targets between 0 and 1, in the stable form. Gradients for both.
 * @param options.posWeight [C] f32: a factor for the positive part of each class
 * @example const loss = bceWithLogits(imageLogits, presentClasses);
 */
export function bceWithLogits(logits: Tensor, targets: Tensor, options: PairLossOptions & { posWeight?: Tensor } = {}): Tensor {
  return apply('bceWithLogits', logits, targets, options, { classWeights: options.posWeight });
}

/** Kullback-Leibler divergence q (log q - log p) of log-probabilities `logP` and probabilities `q`; 0 where q is 0. `sumC` is the usual mean over distributions. See {@link mse}. */
export function klDiv(logP: Tensor, q: Tensor, options: PairLossOptions = {}): Tensor {
  return apply('klDiv', logP, q, options);
}
