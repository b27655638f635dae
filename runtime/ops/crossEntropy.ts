// Cross-entropy and negative log-likelihood with integer labels.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { checkNumber } from '../device/elements.ts';
import { ShapeError } from '../errors.ts';
import { isReal, sizeOf, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { chunks, counting, DENOMINATOR, lossReduce, UNCOUNTED, type Denominator } from './lossReduce.ts';

/** Settings of {@link crossEntropyMap}. */
export interface CrossEntropyMapOptions {
  /**
   * Pixels with this label count nowhere (default 255). Labels that are not a class, PyTorch's -100 for one, never count.
   */
  ignoreIndex?: number;
  /** [C] f32 or f16: a factor for each class. */
  classWeights?: Tensor;
  /** Share of the target that is spread evenly over all classes (default 0). */
  labelSmoothing?: number;
  /**
   * Exponent g of the focal loss (1 - p_y)^g * CE (default 0: plain cross-entropy); at least 1, and not together with
   * label smoothing.
   */
  focalGamma?: number;
  /** f32 or f16, shape of the labels: a factor (a gate) for each pixel. No gradient flows into it. */
  pixelWeight?: Tensor;
}

/** Settings of {@link crossEntropy}. */
export interface CrossEntropyOptions extends CrossEntropyMapOptions {
  /** See {@link Denominator} (default `valid`). */
  denominator?: Denominator;
  /** The loss where nothing is counted (default 0; PyTorch's mean: NaN). Its gradient is 0 in any case. */
  empty?: number;
}

/** What the losses take, for the check of their arguments. */
const NLL = 'ignoreIndex:n classWeights pixelWeight';
const MAP = `${NLL} labelSmoothing:n focalGamma:n`;

interface Attrs {
  ignore: number;
  smoothing: number;
  focal: number;
  count: number;
  fixed: number;
  map: boolean;
  /** The logits are log-probabilities. */
  logProbs: boolean;
  /** The loss where nothing is counted. */
  empty: number;
}

const op: Op<Attrs, 'logits' | 'labels' | 'classWeights' | 'pixelWeight'> = defineReal({
  name: 'crossEntropy',
  inputs: ['logits', 'labels', 'classWeights', 'pixelWeight'],
  outputs: ['y', 'inverse'],
  forward(inputs, attrs) {
    const { logits, labels } = inputs;
    const { device } = logits;
    if (attrs.map) {
      const y = device.empty(labels.shape, 'f32', 'crossEntropy');
      device.run({
        shader: 'crossEntropy',
        entry: 'forwardMap',
        ...common(inputs, attrs),
        bindings: { ...reads(inputs), y },
        threads: labels.size,
      });
      return { y };
    }
    const { groups, items } = chunks(labels.size);
    const partials = device.empty([groups, 2], 'f32', 'crossEntropy');
    device.run({
      shader: 'crossEntropy',
      entry: 'forward',
      ...common(inputs, attrs, items),
      bindings: { ...reads(inputs), partials },
      groups: [groups, 1, 1],
    });
    const sums = lossReduce(partials, attrs.fixed, { empty: attrs.empty });
    partials.dispose();
    return sums;
  },
  backward: {
    logits: ({ dy, inputs, outputs, attrs }) => {
      const { logits, labels } = inputs;
      const dlogits = logits.device.empty(logits.shape, 'f32', 'crossEntropy');
      logits.device.run({
        shader: 'crossEntropy',
        entry: 'backward',
        ...common(inputs, attrs),
        bindings: { ...reads(inputs), dy, inverse: outputs.inverse ?? dy, dlogits },
        threads: labels.size,
      });
      return dlogits;
    },
    labels: null,
    classWeights: null,
    pixelWeight: null,
  },
  saved: ['inverse'],
});

/** The tensors that every entry reads; an absent weight is bound to the logits and never looked at. */
function reads({ logits, labels, classWeights, pixelWeight }: Record<string, Tensor>): Record<string, Tensor> {
  return { logits, labels, classWeights: classWeights ?? logits, pixelWeight: pixelWeight ?? logits };
}

function common({ logits, labels, classWeights, pixelWeight }: Record<string, Tensor>, a: Attrs, items = 1) {
  return {
    constants: { CLASS_WEIGHT: !!classWeights, PIXEL_WEIGHT: !!pixelWeight, MAP: a.map, LOG_PROBS: a.logProbs },
    params: {
      n: labels.size,
      c: logits.shape.at(-1)!,
      ignore: a.ignore,
      smoothing: a.smoothing,
      focal: a.focal,
      items,
      count: a.count,
    },
  };
}

function check(name: string, logits: Tensor, labels: Tensor, o: CrossEntropyMapOptions): void {
  const pixels = logits.shape.slice(0, -1);
  const c = logits.shape.at(-1) ?? 0;
  if (logits.rank < 1 || c < 1 || !isReal(logits))
    throw new ShapeError(name, `logits ${logits} are not [..., classes] f32 or f16`);
  if (labels.dtype !== 'i32' || String(labels.shape) !== String(pixels)) {
    throw new ShapeError(name, `labels ${labels} for logits [${logits.shape}]`, `give i32 labels of shape [${pixels}]`);
  }
  if (o.classWeights && (!isReal(o.classWeights) || o.classWeights.size !== c))
    throw new ShapeError(name, `class weights ${o.classWeights} for ${c} classes`);
  if (o.pixelWeight && (!isReal(o.pixelWeight) || o.pixelWeight.size !== sizeOf(pixels))) {
    throw new ShapeError(
      name,
      `pixel weights ${o.pixelWeight} for labels [${labels.shape}]`,
      `give f32 weights of shape [${pixels}]`,
    );
  }
  if (o.ignoreIndex !== undefined) checkNumber(name, o.ignoreIndex, 'i32');
  const s = o.labelSmoothing ?? 0;
  if (!(s >= 0 && s <= 1)) throw new ShapeError(name, `label smoothing ${s} is not between 0 and 1`);
  const g = o.focalGamma ?? 0;
  if (g !== 0 && !(g >= 1 && s === 0))
    throw new ShapeError(
      name,
      `focal exponent ${g} with label smoothing ${s}`,
      'give an exponent of at least 1, without smoothing',
    );
}

function apply(
  name: string,
  logits: Tensor,
  labels: Tensor,
  o: CrossEntropyMapOptions & { empty?: number },
  counts: { count: number; fixed: number },
  map: boolean,
  logProbs = false,
): Tensor {
  check(name, logits, labels, o);
  const attrs = {
    ignore: o.ignoreIndex ?? 255,
    smoothing: o.labelSmoothing ?? 0,
    focal: o.focalGamma ?? 0,
    ...counts,
    map,
    logProbs,
    empty: o.empty ?? 0,
  };
  return op({ logits, labels, classWeights: o.classWeights, pixelWeight: o.pixelWeight }, attrs).y;
}

/**
 * Cross-entropy of `logits` [..., C] f32 or f16 with class ids `labels` [...] i32, summed and divided by a denominator.
 * Pixels whose label is `ignoreIndex`, negative or not below C are left out. Gradient for the logits only.
 * @returns a scalar of the dtype of the logits
 * @throws ShapeError when shapes or dtypes do not fit, or a setting is out of its range
 * @example const loss = crossEntropy(logits, labels, { pixelWeight: gate, denominator: 'valid' });
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  args(`crossEntropy logits labels {${MAP} ${DENOMINATOR} empty:N}`, arguments);
  return apply(
    'crossEntropy',
    logits,
    labels,
    options,
    counting('crossEntropy', options.denominator ?? 'valid', labels.size),
    false,
  );
}

/**
 * The cross-entropy of each pixel, shape of the labels; 0 at ignored pixels. See {@link crossEntropy}.
 * @example const hard = crossEntropyMap(logits, labels); // [n, h, w]
 */
export function crossEntropyMap(logits: Tensor, labels: Tensor, options: CrossEntropyMapOptions = {}): Tensor {
  args(`crossEntropyMap logits labels {${MAP}}`, arguments);
  return apply('crossEntropyMap', logits, labels, options, UNCOUNTED, true);
}

/** Options of the negative log-likelihood: those of the cross-entropy that are about classes and pixels. */
export type NllMapOptions = Pick<CrossEntropyMapOptions, 'ignoreIndex' | 'classWeights' | 'pixelWeight'>;

/**
 * Negative log-likelihood: -logP of the label, summed and divided by a denominator; {@link crossEntropy} of what is
 * already log-probabilities.
 * @param logP [..., C] f32 or f16
 * @param labels [...] i32
 * @param options.denominator default `valid`; PyTorch's mean is `weight`
 * @param options.empty the loss where nothing is counted (default 0; PyTorch's mean: NaN)
 * @returns a scalar
 * @throws ShapeError when shapes or dtypes do not fit
 * @example const loss = nll(logSoftmax(logits), labels);
 */
export function nll(
  logP: Tensor,
  labels: Tensor,
  options: NllMapOptions & Pick<CrossEntropyOptions, 'denominator' | 'empty'> = {},
): Tensor {
  args(`nll logP labels {${NLL} ${DENOMINATOR} empty:N}`, arguments);
  return apply('nll', logP, labels, options, counting('nll', options.denominator ?? 'valid', labels.size), false, true);
}

/**
 * The negative log-likelihood of each pixel, shape of the labels; 0 at ignored pixels. See {@link nll}.
 * @example const each = nllMap(logSoftmax(logits), labels);
 */
export function nllMap(logP: Tensor, labels: Tensor, options: NllMapOptions = {}): Tensor {
  args(`nllMap logP labels {${NLL}}`, arguments);
  return apply('nllMap', logP, labels, options, UNCOUNTED, true, true);
}
