// Gradients. Beside the tape, since the walk back needs operations, and they stand on it: who imports `grad` gets them
// with it, whatever a bundler drops.

import { args } from '../args.ts';
import { add } from '../ops/binary.ts';
import { full, zeros } from '../ops/fill.ts';
import type { Tensor } from '../tensor.ts';
import { backpropagate, type GradientOps, type GradOptions } from './tape.ts';

const ops: GradientOps = {
  add,
  ones: (x) => full(x.device, x.shape, 1, x.dtype),
  zeros: (x) => zeros(x.device, x.shape, x.dtype),
};

/**
 * Gradients of `y` with respect to each tensor of `wrt`: leaves whose `requiresGrad` is set, or anything made from
 * them.
 * @param y any tensor; a non-scalar needs `dy`
 * @param wrt a list, or tensors by name as modules have them
 * @returns one tensor for each of `wrt` in its shape, zeros where `y` does not depend on it; in a list, or by name
 * @throws ShapeError when `dy` is missing or does not fit
 * @throws GradientError for a tensor of `wrt` that is neither a leaf with `requiresGrad` nor made from one; with
 *   `createGraph`, when an operation between `y` and `wrt` has no second derivative
 * @throws DisposedError when a tensor between them, whose elements a gradient needs, has been disposed
 * @example
 * const [dw, db] = grad(loss, [w, b]);
 * sgd.step(grad(loss, net.params));
 */
export function grad(y: Tensor, wrt: readonly Tensor[], options?: GradOptions): Tensor[];
export function grad(y: Tensor, wrt: ReadonlyMap<string, Tensor>, options?: GradOptions): Map<string, Tensor>;
export function grad(
  y: Tensor,
  wrt: readonly Tensor[] | ReadonlyMap<string, Tensor>,
  options: GradOptions = {},
): Tensor[] | Map<string, Tensor> {
  args('grad y wrt:G {dy createGraph:b}', arguments);
  const gradients = backpropagate(ops, y, new Map<string | number, Tensor>(wrt.entries()), options);
  return wrt instanceof Map ? new Map([...wrt.keys()].map((name: string, i) => [name, gradients[i]])) : gradients;
}
