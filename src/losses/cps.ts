// Cross pseudo supervision: two networks label images for each other. Labels carry no gradient, so the stop-gradients
// are implicit.

import { add } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { ceAll, ceValid } from './crossEntropy.ts';

type Pair = readonly [Tensor, Tensor];

/**
 * CE(P1, Y2) + CE(P2, Y1), without a threshold.
 * @param logits [..., C] of network 1 and of network 2
 * @param labels [...] i32 of the same networks, 255 where a pixel is not valid
 * @param options.denominator `all` (default, the published code): every pixel, padding included, which then has a
 *   label;
 * `valid`: pixels with a label
 * @returns a scalar
 * @throws ShapeError when the shapes do not go together
 */
export function cps([z1, z2]: Pair, [y1, y2]: Pair, options: { denominator?: 'all' | 'valid' } = {}): Tensor {
  const ce = options.denominator === 'valid' ? ceValid : ceAll;
  return add(ce(z1, y2), ce(z2, y1));
}
