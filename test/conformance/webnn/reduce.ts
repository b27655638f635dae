// WebNN's reductions, by the engine's. No axes at all are all of them; an empty list reduces each element by itself.

import * as ops from '../../support/ops.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import type { Run } from '../../support/webnnCases.ts';

type Reduction = (x: Tensor, axes: readonly number[] | undefined, options: ops.ReduceOptions) => Tensor;

const reduction =
  (f: Reduction): Run =>
  ({ input }, { axes, keepDimensions = false }) =>
    axes?.length === 0
      ? f(ops.unsqueeze(input, input.rank), [input.rank], {})
      : f(input, axes, { keepdim: keepDimensions });

export const reduce: Record<string, Run> = {
  reduceL1: reduction((x, axes, o) => ops.sum(ops.abs(x), axes, o)),
  reduceL2: reduction((x, axes, o) => ops.norm(x, 2, axes, o)),
  reduceLogSum: reduction((x, axes, o) => ops.log(ops.sum(x, axes, o))),
  reduceLogSumExp: reduction(ops.logsumexp),
  reduceMax: reduction(ops.amax),
  reduceMean: reduction(ops.mean),
  reduceMin: reduction(ops.amin),
  reduceProduct: reduction(ops.prod),
  reduceSum: reduction(ops.sum),
  reduceSumSquare: reduction((x, axes, o) => ops.sum(ops.square(x), axes, o)),
  argMax: ({ input }, { axis, keepDimensions }) => ops.argmax(input, axis, { keepdim: keepDimensions }),
  argMin: ({ input }, { axis, keepDimensions }) => ops.argmin(input, axis, { keepdim: keepDimensions }),
  cumulativeSum: ({ input }, { axis, exclusive, reverse }) =>
    ops.cumsum(input, axis, { exclusive: !!exclusive, reverse: !!reverse }),
};
