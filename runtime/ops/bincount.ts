// Counts of whole numbers.

import { args } from '../args.ts';
import { ShapeError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { chunks } from './lossReduce.ts';

/**
 * How often each of 0 … bins - 1 occurs; other elements are left out. (PyTorch makes as many bins as the largest
 * element asks for, which the host does not know here.) Without gradient.
 * @param x i32 or u32 of any shape
 * @returns i32 [bins]
 * @throws ShapeError for another dtype, a number of bins that is not whole, or more elements than an i32 counts
 * @example const pixelsOfClass = bincount(labels, classes);
 */
export function bincount(x: Tensor, bins: number): Tensor {
  args('bincount x bins:n', arguments);
  if (x.dtype !== 'i32' && x.dtype !== 'u32')
    throw new ShapeError('bincount', `x [${x.shape}] is ${x.dtype}`, 'give i32 or u32');
  if (!Number.isInteger(bins) || bins < 0 || bins >= 2 ** 31)
    throw new ShapeError('bincount', `${bins} bins`, 'give a whole number');
  if (x.size >= 2 ** 31) {
    throw new ShapeError('bincount', `x [${x.shape}] has more elements than an i32 counts`, 'count parts of it');
  }
  const y = x.device.empty([bins], 'i32', 'bincount');
  x.device.clear(y);
  const { groups, items } = chunks(x.size);
  if (x.size > 0 && bins > 0)
    x.device.run({
      shader: 'bincount',
      entry: 'forward',
      bindings: { x, y },
      params: { n: x.size, bins, items },
      groups: [groups, 1, 1],
    });
  return y;
}
