// Another shape for the same elements.

import { defineOp } from '../autograd/tape.ts';
import type { Shape, Tensor } from '../tensor.ts';

const op = defineOp<{ shape: Shape }>({
  name: 'reshape',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }, { shape }) => x.view(shape),
  backward: { x: ({ dy, inputs: { x } }) => dy.view(x.shape) },
});

/** The elements of x in their order, in another shape. Costs nothing: the memory is the same. Unlike `Tensor.view` it lets gradients through. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  return op({ x }, { shape }).y;
}
