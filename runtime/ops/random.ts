// Random numbers on the GPU.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import { checkAdvances } from '../autograd/replay.ts';
import { checkNumber } from '../device/elements.ts';
import { ShapeError } from '../errors.ts';
import type { Operand } from '../kernel/pairwise.ts';
import { Tensor, type DType, type Shape } from '../tensor.ts';
import { add, mul } from './binary.ts';
import { cast } from './cast.ts';
import { lt } from './compare.ts';

/** @throws ShapeError when it is none, UsageError for one that a plan would repeat */
export function checkSeed(op: string, seed: Tensor): void {
  if (seed.dtype !== 'u32' || seed.size !== 4)
    throw new ShapeError(op, `the seed is ${seed}`, 'give u32 [4]: seed, stream, step, 0');
  checkAdvances(op, seed);
}

function drawn(op: string, entry: string, seed: Tensor, shape: Shape, each: number): Tensor {
  checkSeed(op, seed);
  const y = seed.device.empty(shape, 'f32', op);
  seed.device.run({
    shader: 'random',
    entry,
    bindings: { seed, y },
    params: { n: y.size },
    threads: Math.ceil(y.size / each),
  });
  return y;
}

/** y scale + shift in a dtype. */
function placed(op: string, y: Tensor, scale: number, shift: number, dtype: DType): Tensor {
  if (!Number.isFinite(scale) || !Number.isFinite(shift))
    throw new ShapeError(op, `the limits are ${shift} and ${shift + scale}`, 'give finite numbers');
  const moved = scale === 1 ? y : mul(y, scale);
  const at = shift === 0 ? moved : add(moved, shift);
  return dtype === 'f32' ? at : cast(at, dtype);
}

/**
 * Uniform in [0, 1): the numbers that `new Rng(seed, stream, step).uniform()` gives on the host, one after the other.
 * No gradient.
 * @param seed u32 [4]: seed, stream, step, 0
 * @param options.low the least (default 0)
 * @param options.high what is never reached (default 1), but where the dtype rounds up to it
 * @param options.dtype default f32; integers drop the fraction
 * @throws ShapeError when the seed does not fit, or a limit is not finite; UsageError for a seed that is a constant of
 * a plan
 * @example const noise = uniform(ctx.randomSeed('noise'), [n, h, w, 3]);
 */
export function uniform<D extends DType = 'f32', const S extends Shape = Shape>(
  seed: Tensor,
  shape: S,
  options: { low?: number; high?: number; dtype?: D } = {},
): Tensor<D, S['length']> {
  args('uniform seed shape:S {low:n high:n dtype:t}', arguments);
  const { low = 0, high = 1, dtype = 'f32' } = options;
  if (low > high) throw new ShapeError('uniform', `low is ${low}, high ${high}`, 'low must not be above high');
  // The ends may be fractions; the last number below high is the largest that is drawn.
  const whole = dtype === 'i32' || dtype === 'u32';
  checkNumber('uniform', whole ? Math.trunc(low) : low, dtype);
  checkNumber('uniform', whole ? Math.max(Math.trunc(low), Math.ceil(high) - 1) : high, dtype);
  return composed(seed.device, () =>
    placed('uniform', drawn('uniform', 'forward', seed, shape, 4), high - low, low, dtype),
  ) as Tensor<D, S['length']>;
}

/**
 * Normally distributed: the numbers that `new Rng(seed, stream, step).normal()` gives on the host, to rounding. No
 * gradient.
 * @param seed as {@link uniform} takes it; the same seed gives numbers that depend on its uniform ones
 * @param options.mean default 0
 * @param options.std standard deviation (default 1)
 * @param options.dtype default f32
 * @throws ShapeError when the seed does not fit, or mean or std is not finite
 * Source: Box & Muller 1958.
 * @example const w = normal(seed, [3, 3, 64, 64], { std: Math.sqrt(2 / 576) });
 */
export function normal<D extends DType = 'f32', const S extends Shape = Shape>(
  seed: Tensor,
  shape: S,
  options: { mean?: number; std?: number; dtype?: D } = {},
): Tensor<D, S['length']> {
  args('normal seed shape:S {mean:n std:n dtype:t}', arguments);
  const { mean = 0, std = 1, dtype = 'f32' } = options;
  return composed(seed.device, () =>
    placed('normal', drawn('normal', 'normal', seed, shape, 2), std, mean, dtype),
  ) as Tensor<D, S['length']>;
}

/**
 * 1 with probability p, else 0: where {@link uniform} of the same seed is below p. No gradient.
 * @param seed as {@link uniform} takes it
 * @param p a number from 0 to 1, or f32 that broadcasts to the shape
 * @param options.dtype default f32
 * @returns of the shape
 * @throws ShapeError when the seed or the shape of p does not fit, or the number p is not a probability
 * @example const keep = bernoulli(seed, [n, 1, 1, c], 0.9);
 */
export function bernoulli<D extends DType = 'f32', const S extends Shape = Shape>(
  seed: Tensor,
  shape: S,
  p: Operand,
  options: { dtype?: D } = {},
): Tensor<D, S['length']> {
  args('bernoulli seed shape:S p:O {dtype:t}', arguments);
  if (typeof p === 'number' && !(p >= 0 && p <= 1))
    throw new ShapeError('bernoulli', `the probability is ${p}`, 'give a number from 0 to 1');
  return composed(seed.device, () => {
    const hit = lt(drawn('bernoulli', 'forward', seed, shape, 4), p);
    if (String(hit.shape) !== String(shape))
      throw new ShapeError(
        'bernoulli',
        `probabilities [${p instanceof Tensor ? p.shape : ''}] do not broadcast to [${shape}]`,
      );
    return options.dtype === 'i32' ? hit : cast(hit, options.dtype ?? 'f32');
  }) as Tensor<D, S['length']>;
}
