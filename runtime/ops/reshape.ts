// Another shape for the same elements.

import { defineOp } from '../autograd/tape.ts';
import type { Shape, Tensor } from '../tensor.ts';

type Op = (inputs: Record<string, Tensor | undefined>, attrs: { shape: Shape }) => Record<string, Tensor>;

const op: Op = defineOp<{ shape: Shape }>({
  name: 'reshape',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }, { shape }) => x.view(shape),
  backward: { x: ({ dy, inputs: { x } }) => op({ x: dy }, { shape: x.shape }).y },
  twice: true,
});

/**
 * The elements of x in their order, in another shape. Costs nothing: the memory is the same. Unlike `Tensor.view` it lets gradients through.
 * @param x of any shape and dtype
 * @param shape of as many elements
 * @throws ShapeError for another number of elements
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  return op({ x }, { shape }).y;
}
