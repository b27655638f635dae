// Elementwise functions of one tensor.

import { defineOp } from '../autograd/tape.ts';
import { checkF32, type Tensor } from '../tensor.ts';

const CODES = { relu: 0, leakyRelu: 1 } as const;

interface Attrs {
  op: keyof typeof CODES;
  a: number;
}

const unary = defineOp<Attrs>({
  name: 'unary',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, { op, a }) {
    checkF32(op, { x });
    const y = x.device.empty(x.shape, 'f32', op);
    x.device.run({ shader: 'unary', entry: 'forward', constants: { OP: CODES[op] }, bindings: { x, y }, params: { n: x.size, a }, threads: x.size });
    return y;
  },
  backward: {
    x: ({ dy, inputs: { x }, attrs: { op, a } }) => {
      const dx = x.device.empty(x.shape, 'f32', `${op} gradient`);
      x.device.run({ shader: 'unary', entry: 'backward', constants: { OP: CODES[op] }, bindings: { x, dy, dx }, params: { n: x.size, a }, threads: x.size });
      return dx;
    },
  },
});

/**
 * max(x, 0); the gradient at 0 is 0, as in PyTorch.
 * @param x f32 of any shape
 * @throws ShapeError when x is not f32
 */
export function relu(x: Tensor): Tensor {
  return unary({ x }, { op: 'relu', a: 0 }).y;
}

/**
 * x where x >= 0, else slope * x; the gradient at 0 is the slope, as in PyTorch.
 * @param x f32 of any shape
 * @throws ShapeError when x is not f32
 */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return unary({ x }, { op: 'leakyRelu', a: slope }).y;
}
