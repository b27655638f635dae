// Squared error of softmax probabilities: the consistency loss of Mean Teacher, the Pi-model and CutMix-Seg.

import { args } from '../../runtime/args.ts';
import type { BackwardContext, OpRecord } from '../../runtime/autograd/tape.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import { isReal, sizeOf, type Tensor } from '../../runtime/tensor.ts';
import { defineReal } from '../../runtime/ops/cast.ts';
import { chunks, lossReduce } from '../../runtime/ops/lossReduce.ts';
import type { PairLossOptions } from '../../runtime/ops/pairLoss.ts';

export interface SoftmaxMseOptions extends Omit<PairLossOptions, 'reduction'> {
  /**
   * `meanC` (default): mean over classes and pixels. `sumC`: sum over classes, mean over pixels, C times as large.
   * `none-sum`: 1. Or a number.
   */
  reduction?: 'meanC' | 'sumC' | 'none-sum' | number;
  /** The target holds logits, whose softmax is meant (default: probabilities). */
  targetLogits?: boolean;
  /** Should a gradient flow into the target logits too (the Pi-model)? Default no: the teacher is a constant. */
  targetGradient?: boolean;
}

interface Attrs {
  share: number;
  fixed: number;
  targetLogits: boolean;
}

type Tensors = Record<string, Tensor>;

/** What the entries share. The forward pass does not read the scalar: the last pass multiplies by it. */
function common(
  { logits, targets, pixelWeight, scalar }: Tensors,
  { share, targetLogits }: Attrs,
  items = 1,
  readsScalar = true,
) {
  const c = logits.shape.at(-1)!;
  return {
    shaders: SEGMENTATION,
    shader: 'softmaxMse',
    constants: { LOGITS: targetLogits, PIXEL_WEIGHT: !!pixelWeight, SCALAR: readsScalar && !!scalar },
    bindings: {
      logits,
      targets,
      pixelWeight: pixelWeight ?? logits,
      ...(readsScalar && { scalar: scalar ?? logits }),
    } as Tensors,
    params: { n: logits.size / c, c, items, share },
  };
}

function backward(exchanged: boolean) {
  return ({ dy, inputs, outputs, attrs }: BackwardContext<Attrs>): Tensor => {
    const { logits, targets } = inputs;
    const dlogits = logits.device.empty(logits.shape, 'f32', 'softmaxMse');
    const launch = common(exchanged ? { ...inputs, logits: targets, targets: logits } : inputs, attrs);
    logits.device.run({
      ...launch,
      entry: 'backward',
      bindings: { ...launch.bindings, dy, inverse: outputs.inverse, dlogits },
      threads: launch.params.n,
    });
    return dlogits;
  };
}

const record: OpRecord<Attrs, 'logits' | 'targets' | 'pixelWeight' | 'scalar'> = {
  name: 'softmaxMse',
  inputs: ['logits', 'targets', 'pixelWeight', 'scalar'],
  outputs: ['y', 'inverse'],
  forward(inputs, attrs) {
    const { device, size, shape } = inputs.logits;
    const { groups, items } = chunks(size / shape.at(-1)!);
    const partials = device.empty([groups, 2], 'f32', 'softmaxMse');
    const launch = common(inputs, attrs, items, false);
    device.run({ ...launch, entry: 'forward', bindings: { ...launch.bindings, partials }, groups: [groups, 1, 1] });
    const sums = lossReduce(partials, attrs.fixed, { scalar: inputs.scalar });
    partials.dispose();
    return sums;
  },
  backward: { logits: backward(false), targets: backward(true), pixelWeight: null, scalar: null },
  saved: ['inverse'],
};

const op = defineReal(record);
const constantTargets = defineReal({ ...record, backward: { ...record.backward, targets: null } });

/**
 * sum_c (softmax(z)_c - q_c)^2, summed over the pixels and divided by a denominator. The gradient flows into the
 * logits; into target logits on request.
 * @param logits z [..., C] f32 or f16
 * @param targets q [..., C] f32 or f16: probabilities, or with `targetLogits` logits
 * @returns a scalar
 * @example const loss = softmaxMse(student, teacher, { targetLogits: true });
 */
export function softmaxMse(logits: Tensor, targets: Tensor, options: SoftmaxMseOptions = {}): Tensor {
  args(
    'softmaxMse logits targets ' +
      '{reduction:meanC|sumC|none-sum|# pixelWeight over:all|kept scalar targetLogits:b targetGradient:b}',
    arguments,
  );
  const { pixelWeight, scalar, reduction = 'meanC', targetLogits = false, targetGradient = false } = options;
  const c = logits.shape.at(-1) ?? 0;
  const pixels = sizeOf(logits.shape.slice(0, -1));
  if (
    logits.rank < 1 ||
    c < 1 ||
    !isReal(logits) ||
    !isReal(targets) ||
    String(logits.shape) !== String(targets.shape)
  ) {
    throw new ShapeError(
      'softmaxMse',
      `logits ${logits}, targets ${targets}`,
      'give two tensors [..., classes] of one shape, f32 or f16',
    );
  }
  if (pixelWeight && (!isReal(pixelWeight) || pixelWeight.size !== pixels))
    throw new ShapeError('softmaxMse', `pixel weights ${pixelWeight} for logits [${logits.shape}]`);
  if (scalar && (!isReal(scalar) || scalar.size !== 1)) throw new ShapeError('softmaxMse', `the scalar is ${scalar}`);
  if (targetGradient && !targetLogits)
    throw new ShapeError(
      'softmaxMse',
      'target probabilities have no gradient here',
      'use targetLogits, or mse of two softmaxes',
    );
  if (typeof reduction === 'number' && !(reduction > 0 && Number.isFinite(reduction)))
    throw new ShapeError('softmaxMse', `the denominator is ${reduction}`, 'give a positive number');
  const share = reduction === 'meanC' ? c : 1;
  const counted = reduction === 'meanC' || reduction === 'sumC';
  const fixed =
    typeof reduction === 'number'
      ? reduction
      : !counted
        ? 1
        : options.over === 'kept'
          ? 0
          : Math.max(1, share * pixels);
  return (targetGradient ? op : constantTargets)(
    { logits, targets, pixelWeight, scalar },
    { share, fixed, targetLogits },
  ).y;
}
