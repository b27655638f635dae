// Logarithm of a sum of exponentials over any axes.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { reduction, type Axes, type Reduction } from '../kernel/axes.ts';
import { checkReal, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { reduce, spread, type ReduceOptions } from './reduce.ts';

const op: Op<Reduction, 'x'> = defineReal({
  name: 'logsumexp',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, r) {
    // The largest comes off first: exp cannot overflow, and the sum is at least 1.
    const m = reduce('logsumexp', x, r, { combine: 'max', none: -Infinity });
    const y = reduce('logsumexp', x, r, { combine: 'sum', map: 'exp', m, post: 'log', none: -Infinity });
    m.dispose();
    return y;
  },
  backward: {
    x: ({ dy, inputs: { x }, outputs: { y }, attrs: r }) =>
      spread('logsumexp gradient', 'logsumexp', x.shape, r, { x, u: y, dy }),
  },
});

/**
 * log sum exp(x) over axes, without overflow.
 * @param x f32 or f16 of any shape
 * @param axes one or several, negative ones from the back (default, or an empty list: all)
 * @returns dtype of x, the shape without those axes; -Infinity where there are no elements
 * @throws ShapeError for axes that are not there or named twice, or another dtype
 * @example const energy = logsumexp(logits, -1);
 */
export function logsumexp(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  args('logsumexp x axes?:A {keepdim:b}', arguments);
  checkReal('logsumexp', { x });
  return op({ x }, reduction('logsumexp', x.shape, axes, options.keepdim ?? false)).y;
}
