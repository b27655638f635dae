// Variance and standard deviation over any axes.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { reduction, type Axes, type Reduction } from '../kernel/axes.ts';
import { checkReal, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { full } from './fill.ts';
import { reduce, spread, type ReduceOptions } from './reduce.ts';

interface Attrs {
  root: boolean;
  r: Reduction;
  /** What the sum of squares is divided by. */
  d: number;
}

const op: Op<Attrs, 'x'> = defineReal({
  name: 'variance',
  inputs: ['x'],
  outputs: ['y', 'mean'],
  forward({ x }, { root, r, d }) {
    const mean = reduce('variance mean', x, r, { combine: 'sum', post: 'scale', scale: 1 / r.n, none: NaN });
    // Two passes over x: squares of the deviations do not cancel as a mean of squares less a square of the mean does.
    const y =
      d > 0
        ? reduce(root ? 'std' : 'variance', x, r, {
            combine: 'sum',
            map: 'deviation',
            m: mean,
            post: root ? 'sqrt' : 'scale',
            scale: 1 / d,
          })
        : full(x.device, r.shape, NaN);
    return { y, mean };
  },
  backward: {
    x: ({ dy, inputs: { x }, outputs: { y, mean }, attrs: { root, r, d } }) =>
      d > 0
        ? spread(
            'variance gradient',
            root ? 'std' : 'variance',
            x.shape,
            r,
            { x, u: mean, v: y, dy },
            (root ? 1 : 2) / d,
          )
        : full(x.device, x.shape, NaN),
  },
  saved: ['mean'],
});

/** Settings of {@link variance} and {@link std}. */
export interface VarianceOptions extends ReduceOptions {
  /**
   * Taken off the number of elements in the denominator: 1 (default) for the unbiased variance, 0 for the mean of
   * squares.
   */
  correction?: number;
}

function apply(
  name: string,
  root: boolean,
  x: Tensor,
  axes: Axes | undefined,
  { keepdim = false, correction = 1 }: VarianceOptions,
): Tensor {
  checkReal(name, { x });
  if (!(correction >= 0 && Number.isFinite(correction)))
    throw new ShapeError(name, `the correction is ${correction}`, 'give a number that is not negative');
  const r = reduction(name, x.shape, axes, keepdim);
  return op({ x }, { root, r, d: r.n - correction }).y;
}

/**
 * Variance over axes: the sum of squared deviations from the mean, divided by n - correction.
 * @param x f32 or f16 of any shape
 * @param axes one or several, negative ones from the back (default, or an empty list: all)
 * @returns dtype of x, the shape without those axes; NaN where n is not above the correction
 * @throws ShapeError for axes that are not there or named twice, another dtype, or a negative correction
 * @example const biased = variance(x, -1, { correction: 0, keepdim: true });
 */
export function variance(x: Tensor, axes?: Axes, options: VarianceOptions = {}): Tensor {
  args('variance x axes?:A {keepdim:b correction:n}', arguments);
  return apply('variance', false, x, axes, options);
}

/**
 * Standard deviation over axes: the root of {@link variance}; its gradient is 0 where it is 0, as in PyTorch.
 * @throws ShapeError for an axis that x does not have
 * @example const spread = std(x, [0]);
 */
export function std(x: Tensor, axes?: Axes, options: VarianceOptions = {}): Tensor {
  args('std x axes?:A {keepdim:b correction:n}', arguments);
  return apply('std', true, x, axes, options);
}
