// Gradients. Beside the tape, since the walk back needs operations, and they stand on it: who imports `grad` gets them with it, whatever a bundler drops.

import { add } from '../ops/binary.ts';
import { full, zeros } from '../ops/fill.ts';
import type { Tensor } from '../tensor.ts';
import { backpropagate, type GradientOps } from './tape.ts';

const ops: GradientOps = {
  add,
  ones: (x) => full(x.device, x.shape, 1, x.dtype),
  zeros: (x) => zeros(x.device, x.shape, x.dtype),
};

/**
 * Gradients of `y` with respect to each tensor of `wrt`.
 * @param y any tensor; a non-scalar needs `dy`
 * @param options.dy gradient of the result, shape and dtype of `y` (default: ones for a scalar)
 * @param options.createGraph record the backward pass too, for second derivatives
 * @returns one tensor for each of `wrt` in its shape, zeros where `y` does not depend on it
 * @throws ShapeError when `dy` is missing or does not fit
 * @throws GradientError with `createGraph`, when an operation between `y` and `wrt` has no second derivative
 */
export function grad(y: Tensor, wrt: readonly Tensor[], options: { dy?: Tensor; createGraph?: boolean } = {}): Tensor[] {
  return backpropagate(ops, y, wrt, options);
}
