// The hyper-parameters that change from step to step live in one small tensor, so that a recorded step replays with new
// values.

import { args } from '../args.ts';
import type { Device } from '../device/device.ts';
import { UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';

/** Elements of the hyper-parameter tensor. */
export const HYPER_SIZE = 8;

/** The hyper-parameters of a step. */
export interface HyperValues {
  /** Learning rate before each group's factor. */
  lr: number;
  /** Number of this update, from 1. */
  step: number;
  /** Adam's betas (default 0.9, 0.999): their bias corrections depend on the step. */
  betas?: readonly [number, number];
  /**
   * A factor for all gradients: one over the loss scale, one over the number of accumulated batches (default 1). 0
   * skips the step: parameters and state stay as they are.
   */
  gradScale?: number;
  /** The EMA's a in a target + (1-a) source (default 0: copy). */
  emaDecay?: number;
}

/** What both take, for the check of their arguments. */
const VALUES = 'lr!:n step!:n betas:S gradScale:n emaDecay:n';

/**
 * The elements of the tensor: lr, step, 1 - beta1^step, 1 - beta2^step, gradient scale, a, 1 - a, 0.
 * @example step.run({ x, hyper: hyperValues({ lr: 0.01, step: 1 }) });
 */
export function hyperValues(h: HyperValues): Float32Array<ArrayBuffer> {
  args(`hyperValues {${VALUES}}`, arguments);
  const [b1, b2] = h.betas ?? [0.9, 0.999];
  const a = h.emaDecay ?? 0;
  return Float32Array.of(h.lr, h.step, 1 - b1 ** h.step, 1 - b2 ** h.step, h.gradScale ?? 1, a, 1 - a, 0);
}

/**
 * A hyper-parameter tensor for eager use; a plan takes the values as an input `{ shape: [HYPER_SIZE] }` instead.
 * @example sgd.step(grads, hyperTensor(device, { lr: 0.01, step: 1 }));
 * @throws OutOfMemoryError beyond the device's budget, UsageError while a plan is being recorded: its replays would all
 * be the same step
 */
export function hyperTensor(device: Device, values: HyperValues): Tensor {
  args(`hyperTensor device:D {${VALUES}}`, arguments);
  if (device.recorder) {
    const hint = 'give the optimiser a learning rate, or make them an input of the plan and give hyperValues to run';
    throw new UsageError('hyperTensor: in a plan they would be those of the same step at each replay', hint);
  }
  return constantHyper(device, values);
}

/** The tensor, where it may be a constant of a plan: of what no step changes. */
export function constantHyper(device: Device, values: HyperValues): Tensor {
  return device.tensor(hyperValues(values), [HYPER_SIZE]);
}
