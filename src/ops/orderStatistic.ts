// Order statistics over all elements: the k-th largest, percentiles. Without gradient.

import { args } from '../../runtime/args.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { chunks } from '../../runtime/ops/lossReduce.ts';

/** The element of a rank from 0, or of a share (0 to 1) of the way from the first rank to the last. */
function select(
  op: string,
  x: Tensor,
  at: { rank: number } | { share: number } | { percent: Tensor },
  valid?: Tensor,
): Tensor {
  if (x.dtype !== 'f32' || x.size === 0)
    throw new ShapeError(op, `${x} has no order`, 'give f32 with at least one element');
  if (valid && (valid.dtype !== 'f32' || valid.size !== x.size))
    throw new ShapeError(op, `valid is ${valid} for [${x.shape}]`, 'give f32 of the same shape');
  const { device } = x;
  const { groups, items } = chunks(x.size);
  const bins = device.empty([256], 'u32', 'order statistic bins');
  const state = device.empty([6], 'u32', 'order statistic state');
  const y = device.empty([], 'f32', op);
  device.clear(bins);
  device.clear(state);
  const given = { shaders: SEGMENTATION, shader: 'orderStatistic', constants: { VALID: !!valid } };
  const percent = 'percent' in at ? at.percent : undefined;
  const params = { n: x.size, items, shift: 0, rank: 'rank' in at ? at.rank : 0, share: 'share' in at ? at.share : -1 };
  for (const shift of [24, 16, 8, 0]) {
    device.run({
      ...given,
      entry: 'histogram',
      bindings: { x, valid: valid ?? x, bins, state },
      params: { ...params, shift },
      groups: [groups, 1, 1],
    });
    device.run({
      ...given,
      entry: 'walk',
      constants: { PERCENT: !!percent },
      bindings: { bins, state, percent: percent ?? x },
      params: { ...params, shift },
      groups: [1, 1, 1],
    });
  }
  device.run({ ...given, entry: 'above', bindings: { x, valid: valid ?? x, bins, state }, params, threads: x.size });
  device.run({ ...given, entry: 'finish', bindings: { bins, state, y }, groups: [1, 1, 1] });
  bins.dispose();
  state.dispose();
  return y;
}

/**
 * The k-th largest element of x (k from 1; equal elements count as often as they occur; NaN is the largest, as in
 * sorting).
 * @returns a scalar
 * @throws ShapeError when x has no k-th element, or is not f32
 * @example const threshold = kthLargest(scores, 100);
 */
export function kthLargest(x: Tensor, k: number): Tensor {
  args('kthLargest x k:n', arguments);
  if (!Number.isInteger(k) || k < 1 || k > x.size)
    throw new ShapeError('kthLargest', `k = ${k} for ${x.size} elements`, `give 1 to ${x.size}`);
  return select('kthLargest', x, { rank: x.size - k });
}

/**
 * The q-th percentile of the elements of x (linear between neighbours, as in NumPy); 0 if no element is valid,
 * NaN if one of them is NaN.
 * @param q 0 to 100, or a scalar tensor, which a replayed plan can be given again (kept within 0 to 100)
 * @param valid f32, the shape of x: elements where it is 0 are left out
 * @returns a scalar
 * @throws ShapeError when q is outside of 0 to 100, shapes differ or a dtype is not f32
 * @example const threshold = percentile(entropy, 80, valid);
 */
export function percentile(x: Tensor, q: number | Tensor, valid?: Tensor): Tensor {
  args('percentile x q:O valid?', arguments);
  if (typeof q !== 'number') {
    if (q.dtype !== 'f32' || q.size !== 1)
      throw new ShapeError('percentile', `q is ${q}`, 'give a number or a scalar f32 tensor');
    return select('percentile', x, { percent: q }, valid);
  }
  if (!(q >= 0 && q <= 100)) throw new ShapeError('percentile', `q = ${q} is not between 0 and 100`);
  return select('percentile', x, { share: q / 100 }, valid);
}
