// The operations that the walk back through the tape needs itself. They stand on the tape in turn: the two import each other, and call each other only
// when all is loaded. An import is what a bundler follows: a program that uses `grad` and one operation gets these too.

import { add } from '../ops/binary.ts';
import { full, zeros } from '../ops/fill.ts';
import type { Tensor } from '../tensor.ts';

/** The sum of two gradients of one tensor. */
export function addGradients(a: Tensor, b: Tensor): Tensor {
  return add(a, b);
}

/** The gradient of a scalar with respect to itself. */
export function onesLike(x: Tensor): Tensor {
  return full(x.device, x.shape, 1, x.dtype);
}

/** The gradient of what does not depend on `x`. */
export function zerosLike(x: Tensor): Tensor {
  return zeros(x.device, x.shape, x.dtype);
}
