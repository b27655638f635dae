// Random numbers on the GPU.

import { ShapeError } from '../errors.ts';
import type { Shape, Tensor } from '../tensor.ts';

/**
 * Uniform in [0, 1): the numbers that `new Rng(seed, stream, step).uniform()` gives on the host, one after the other. No gradient.
 * @param seed u32 [4]: seed, stream, step, 0
 * @throws ShapeError when the seed is no u32 [4], or the shape is none
 * @example const noise = uniform(ctx.randomSeed('noise'), [n, h, w, 3]);
 */
export function uniform(seed: Tensor, shape: Shape): Tensor {
  if (seed.dtype !== 'u32' || seed.size !== 4) throw new ShapeError('uniform', `the seed is [${seed.shape}] ${seed.dtype}`, 'give u32 [4]: seed, stream, step, 0');
  const y = seed.device.empty(shape, 'f32', 'uniform');
  seed.device.run({ shader: 'random', entry: 'forward', bindings: { seed, y }, params: { n: y.size }, threads: Math.ceil(y.size / 4) });
  return y;
}
