// Cross-entropy with target distributions.

import { args } from '../args.ts';
import type { BackwardContext, OpRecord } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { isReal, sizeOf, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { chunks, counting, DENOMINATOR, lossReduce, UNCOUNTED, type Denominator } from './lossReduce.ts';

/** Settings of {@link softCrossEntropyMap}. */
export interface SoftCrossEntropyMapOptions {
  /** [C] f32 or f16: a factor for each class. */
  classWeights?: Tensor;
  /** Share of the target that is spread evenly over all classes (default 0). */
  labelSmoothing?: number;
  /** f32 or f16, one element a pixel: the validity (0 or 1) or a factor. No gradient flows into it. */
  pixelWeight?: Tensor;
  /** Should a gradient flow into the targets? Default no: a pseudo-label is a constant. */
  targetGradient?: boolean;
}

/** Settings of {@link softCrossEntropy}. */
export interface SoftCrossEntropyOptions extends SoftCrossEntropyMapOptions {
  /** `valid` (default): pixels whose weight is not 0; `kept`: the sum of the weights; see {@link Denominator}. */
  denominator?: Exclude<Denominator, 'weight'>;
}

/** What the losses take, for the check of their arguments. */
const MAP = 'classWeights labelSmoothing:n pixelWeight targetGradient:b';

interface Attrs {
  smoothing: number;
  count: number;
  fixed: number;
  map: boolean;
}

type Tensors = Record<string, Tensor>;

/**
 * The tensors that the entries read (the targets' gradient not the targets); an absent weight is bound to the logits
 * and never looked at.
 */
function reads({ logits, targets, classWeights, pixelWeight }: Tensors, withTargets = true): Tensors {
  return {
    logits,
    ...(withTargets && { targets }),
    classWeights: classWeights ?? logits,
    pixelWeight: pixelWeight ?? logits,
  };
}

function common({ logits, classWeights, pixelWeight }: Tensors, a: Attrs, items = 1) {
  const c = logits.shape.at(-1)!;
  return {
    constants: { CLASS_WEIGHT: !!classWeights, PIXEL_WEIGHT: !!pixelWeight, MAP: a.map },
    params: { n: logits.size / c, c, smoothing: a.smoothing, items, count: a.count },
  };
}

function backward(name: 'logits' | 'targets') {
  return ({ dy, inputs, outputs, attrs }: BackwardContext<Attrs>): Tensor => {
    const { logits } = inputs;
    const dx = logits.device.empty(logits.shape, 'f32', 'softCrossEntropy');
    logits.device.run({
      shader: 'softCrossEntropy',
      entry: name === 'logits' ? 'backward' : 'backwardTargets',
      ...common(inputs, attrs),
      bindings: { ...reads(inputs, name === 'logits'), dy, inverse: outputs.inverse ?? dy, [`d${name}`]: dx },
      threads: logits.size / logits.shape.at(-1)!,
    });
    return dx;
  };
}

const record: OpRecord<Attrs, 'logits' | 'targets' | 'classWeights' | 'pixelWeight'> = {
  name: 'softCrossEntropy',
  inputs: ['logits', 'targets', 'classWeights', 'pixelWeight'],
  outputs: ['y', 'inverse'],
  forward(inputs, attrs) {
    const { logits } = inputs;
    const { device } = logits;
    const pixels = logits.shape.slice(0, -1);
    if (attrs.map) {
      const y = device.empty(pixels, 'f32', 'softCrossEntropy');
      device.run({
        shader: 'softCrossEntropy',
        entry: 'forwardMap',
        ...common(inputs, attrs),
        bindings: { ...reads(inputs), y },
        threads: y.size,
      });
      return { y };
    }
    const { groups, items } = chunks(sizeOf(pixels));
    const partials = device.empty([groups, 2], 'f32', 'softCrossEntropy');
    device.run({
      shader: 'softCrossEntropy',
      entry: 'forward',
      ...common(inputs, attrs, items),
      bindings: { ...reads(inputs), partials },
      groups: [groups, 1, 1],
    });
    const sums = lossReduce(partials, attrs.fixed);
    partials.dispose();
    return sums;
  },
  backward: { logits: backward('logits'), targets: backward('targets'), classWeights: null, pixelWeight: null },
  saved: ['inverse'],
};

const op = defineReal(record);
const constantTargets = defineReal({ ...record, backward: { ...record.backward, targets: null } });

function apply(
  logits: Tensor,
  targets: Tensor,
  o: SoftCrossEntropyMapOptions,
  counts: { count: number; fixed: number },
  map: boolean,
): Tensor {
  const c = logits.shape.at(-1) ?? 0;
  if (logits.rank < 1 || c < 1 || !isReal(logits))
    throw new ShapeError('softCrossEntropy', `logits ${logits} are not [..., classes] f32 or f16`);
  if (!isReal(targets) || String(targets.shape) !== String(logits.shape))
    throw new ShapeError(
      'softCrossEntropy',
      `targets ${targets} for logits [${logits.shape}]`,
      'give f32 or f16 targets of the same shape',
    );
  const { classWeights, pixelWeight, labelSmoothing: smoothing = 0 } = o;
  if (classWeights && (!isReal(classWeights) || classWeights.size !== c))
    throw new ShapeError('softCrossEntropy', `class weights ${classWeights} for ${c} classes`);
  if (pixelWeight && (!isReal(pixelWeight) || pixelWeight.size !== logits.size / c))
    throw new ShapeError('softCrossEntropy', `pixel weights ${pixelWeight} for logits [${logits.shape}]`);
  if (!(smoothing >= 0 && smoothing <= 1))
    throw new ShapeError('softCrossEntropy', `label smoothing ${smoothing} is not between 0 and 1`);
  const apply = o.targetGradient ? op : constantTargets;
  return apply({ logits, targets, classWeights, pixelWeight }, { smoothing, ...counts, map }).y;
}

/**
 * - sum_c q_c log softmax(z)_c of `logits` z [..., C] with `targets` q [..., C], f32 or f16 each, summed over the
 *   pixels and divided by a denominator.
 * The gradient flows into the logits, into the targets only on request. Where nothing is counted, 0.
 * @returns a scalar of the dtype of the logits
 * @throws ShapeError when shapes or dtypes do not fit, or a setting is out of its range
 * @example const loss = softCrossEntropy(strong, q, { pixelWeight: valid });
 */
export function softCrossEntropy(logits: Tensor, targets: Tensor, options: SoftCrossEntropyOptions = {}): Tensor {
  args(`softCrossEntropy logits targets {${MAP} ${DENOMINATOR}}`, arguments);
  const denominator = options.denominator ?? 'valid';
  if ((denominator as Denominator) === 'weight')
    throw new ShapeError(
      'softCrossEntropy',
      'soft targets have no class whose weight could be summed',
      "use 'valid', 'kept', 'all', 'none-sum' or a number",
    );
  return apply(
    logits,
    targets,
    options,
    counting('softCrossEntropy', denominator, logits.size / (logits.shape.at(-1) ?? 1)),
    false,
  );
}

/**
 * The soft cross-entropy of each pixel, shape [...]. See {@link softCrossEntropy}.
 * @example const each = softCrossEntropyMap(logits, softmax(teacher));
 */
export function softCrossEntropyMap(logits: Tensor, targets: Tensor, options: SoftCrossEntropyMapOptions = {}): Tensor {
  args(`softCrossEntropyMap logits targets {${MAP}}`, arguments);
  return apply(logits, targets, options, UNCOUNTED, true);
}
