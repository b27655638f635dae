// Dropout from counter-based random numbers.

import { defineOp } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { checkF32, type Tensor } from '../tensor.ts';
import { uniform } from './random.ts';

function apply(x: Tensor, u: Tensor, p: number): Tensor {
  const y = x.device.empty(x.shape, 'f32', 'dropout');
  x.device.run({ shader: 'dropout', entry: 'forward', bindings: { x, u, y }, params: { n: x.size, p }, threads: x.size });
  return y;
}

const op = defineOp<{ p: number }>({
  name: 'dropout',
  inputs: ['x', 'u'],
  outputs: ['y'],
  forward: ({ x, u }, { p }) => apply(x, u, p),
  backward: { x: ({ dy, inputs: { u }, attrs: { p } }) => apply(dy, u, p), u: null },
});

/**
 * Sets elements to 0 with probability p and divides the others by 1 - p.
 * @param x f32 of any shape
 * @param seed u32 [4]: seed, stream, step, 0. The same seed drops the same elements.
 * @param p from 0 to below 1 (default 0.5)
 * @returns f32, shape of x
 * @throws ShapeError when p or the seed does not fit, or x is not f32
 */
export function dropout(x: Tensor, seed: Tensor, p = 0.5): Tensor {
  if (!(p >= 0 && p < 1)) throw new ShapeError('dropout', `the probability is ${p}`, 'give a number from 0 to below 1');
  checkF32('dropout', { x });
  const u = uniform(seed, x.shape), { y } = op({ x, u }, { p });
  if (!y.tracked) u.dispose();
  return y;
}
