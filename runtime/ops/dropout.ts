// Dropout from counter-based random numbers.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { checkReal, type DType, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { checkSeed, uniform } from './random.ts';

interface Attrs {
  p: number;
  channels: boolean;
}

// Linear in x, and its own gradient.
const op: Op<Attrs, 'x' | 'u'> = defineReal({
  name: 'dropout',
  inputs: ['x', 'u'],
  outputs: ['y'],
  forward({ x, u }, { p, channels }) {
    const y = x.device.empty(x.shape, 'f32', 'dropout');
    const c = channels ? x.shape[x.rank - 1] : 1;
    x.device.run({
      shader: 'dropout',
      entry: 'forward',
      constants: channels ? { CHANNELS: true } : {},
      bindings: { x, u, y },
      params: { n: x.size, p, c, sample: channels ? x.size / Math.max(1, x.shape[0]) : 1 },
      threads: x.size,
    });
    return y;
  },
  backward: { x: ({ dy, inputs: { u }, attrs }) => op({ x: dy, u }, attrs).y, u: null },
  twice: true,
});

function drop(name: string, x: Tensor, seed: Tensor, p: number, channels: boolean): Tensor {
  if (!(p >= 0 && p < 1)) throw new ShapeError(name, `the probability is ${p}`, 'give a number from 0 to below 1');
  checkReal(name, { x });
  if (channels && x.rank < 2) throw new ShapeError(name, `x is [${x.shape}], not [n, ..., c]`);
  checkSeed(name, seed);
  const u = uniform(seed, channels ? [x.shape[0], x.shape[x.rank - 1]] : x.shape);
  const { y } = op({ x, u }, { p, channels });
  if (!y.tracked) u.dispose();
  return y;
}

/**
 * Sets elements to 0 with probability p and divides the others by 1 - p.
 * @param x f32 or f16 of any shape
 * @param seed u32 [4]: seed, stream, step, 0. The same seed drops the same elements.
 * @param p from 0 to below 1 (default 0.5)
 * @returns shape and dtype of x
 * @throws ShapeError when p or the seed does not fit, or x is an integer
 * @example const y = dropout(x, randomSeed(device, 42, 0, step), 0.1);
 */
export function dropout<D extends DType, R extends number>(x: Tensor<D, R>, seed: Tensor, p = 0.5): Tensor<D, R> {
  args('dropout x seed p?:n', arguments);
  return drop('dropout', x, seed, p, false) as Tensor<D, R>;
}

/**
 * Sets whole channels of a sample to 0 with probability p and divides the others by 1 - p.
 * @param x f32 or f16 [n, ..., c]
 * @param seed as {@link dropout} takes it
 * @param p from 0 to below 1 (default 0.5)
 * @returns shape and dtype of x
 * @throws ShapeError when p, the seed or x does not fit
 * Source: Tompson et al. 2015; torch.nn.functional.dropout2d.
 * @example const y = dropout2d(x, randomSeed(device, 42, 0, step), 0.1);
 */
export function dropout2d<D extends DType, R extends number>(x: Tensor<D, R>, seed: Tensor, p = 0.5): Tensor<D, R> {
  args('dropout2d x seed p?:n', arguments);
  return drop('dropout2d', x, seed, p, true) as Tensor<D, R>;
}
