// Cross pseudo supervision: networks label images for each other. Labels carry no gradient, so the stop-gradients are
// implicit.

import { add, div } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { ceAll, ceValid } from './crossEntropy.ts';

/**
 * CE(P1, Y2) + CE(P2, Y1), without a threshold; of n networks the sum of CE(Pi, Yj) over i != j, divided by n - 1
 * (n-CPS, Filipiak et al. 2021, https://arxiv.org/abs/2112.07528).
 * @param logits [..., C] of each network
 * @param labels [...] i32 of the same networks, 255 where a pixel is not valid
 * @param options.denominator `all` (default, the published code): every pixel, padding included, which then has a
 *   label;
 * `valid`: pixels with a label
 * @returns a scalar
 * @throws ShapeError when the shapes do not go together
 */
export function cps(
  logits: readonly Tensor[],
  labels: readonly Tensor[],
  options: { denominator?: 'all' | 'valid' } = {},
): Tensor {
  const ce = options.denominator === 'valid' ? ceValid : ceAll;
  const terms = logits.flatMap((z, i) => labels.filter((_, j) => j !== i).map((y) => ce(z, y)));
  const sum = terms.reduce((a, b) => add(a, b));
  return logits.length > 2 ? div(sum, logits.length - 1) : sum;
}
