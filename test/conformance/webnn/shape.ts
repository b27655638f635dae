// WebNN's operations on shapes and indices, by the engine's.

import { broadcastShape } from '../../../runtime/kernel/broadcast.ts';
import * as ops from '../../support/ops.ts';
import { sizeOf, type Shape, type Tensor } from '../../../runtime/tensor.ts';
import type { Run } from '../../support/webnnCases.ts';

/** Indices beyond the ends of an axis stand for its ends. */
const within = (index: Tensor, n: number): Tensor =>
  ops.clamp(index.dtype === 'u32' ? ops.cast(index, 'i32') : index, { min: -n, max: n - 1 });

/** The indices of each of the first axes, which lie along the last one of `indices`: [..., k] -> k of [...]. */
function coordinates(indices: Tensor, shape: Shape): Tensor[] {
  const last = indices.rank - 1;
  const k = indices.shape[last];
  return ops.split(indices, Array(k).fill(1), last).map((i, a) => within(ops.squeeze(i, last), shape[a]));
}

function scatterND(x: Tensor, indices: Tensor, updates: Tensor): Tensor {
  const k = indices.shape[indices.rank - 1];
  const rows = sizeOf(x.shape.slice(0, k));
  const inner = sizeOf(x.shape.slice(k));
  const m = indices.size / k;
  const place = coordinates(indices, x.shape)
    .map((i, a) => ops.mul(ops.where(ops.lt(i, 0), ops.add(i, x.shape[a]), i), sizeOf(x.shape.slice(a + 1, k))))
    .reduce((sum, i) => ops.add(sum, i));
  const y = ops.scatter(
    ops.reshape(x, [rows, inner]),
    0,
    ops.expand(ops.reshape(place, [m, 1]), [m, inner]),
    ops.reshape(updates, [m, inner]),
  );
  return ops.reshape(y, x.shape);
}

/** Mirrored beside the outermost elements, which are repeated. */
function symmetric(x: Tensor, before: Shape, after: Shape): Tensor {
  return x.shape.reduce((y, n, a) => {
    const ends = (first: number, count: number): Tensor =>
      ops.flip(
        ops.slice(
          y,
          y.shape.map((_, i) => (i === a ? first : 0)),
          y.shape.map((s, i) => (i === a ? count : s)),
        ),
        [a],
      );
    return ops.concat([ends(0, before[a]), y, ends(n - after[a], after[a])], a);
  }, x);
}

const MODES: Record<string, ops.Rule> = { constant: 'constant', edge: 'replicate', reflection: 'reflect' };

export const shape: Record<string, Run> = {
  concat: (inputs, { axis }) =>
    ops.concat(
      Object.keys(inputs)
        .sort((a, b) => Number(a.match(/\d+/)) - Number(b.match(/\d+/)))
        .map((k) => inputs[k]),
      axis,
    ),
  expand: ({ input }, { newShape }) => ops.expand(input, broadcastShape('expand', input.shape, newShape)),
  gather: ({ input, indices }, { axis = 0 }) => ops.index(input, [within(indices, input.shape[axis])], axis),
  gatherElements: ({ input, indices }, { axis = 0 }) => ops.gather(input, axis, within(indices, input.shape[axis])),
  gatherND: ({ input, indices }) => ops.index(input, coordinates(indices, input.shape)),
  pad: ({ input }, { beginningPadding: b, endingPadding: e, mode = 'constant', value = 0 }) =>
    mode === 'symmetric'
      ? symmetric(input, b, e)
      : ops.pad(
          input,
          input.shape.map((_, a) => [b[a], e[a]] as const),
          { mode: MODES[mode], value },
        ),
  reshape: ({ input }, { newShape }) => ops.reshape(input, newShape),
  reverse: ({ input }, { axes = input.shape.map((_, a) => a) }) => ops.flip(input, axes),
  scatterElements: ({ input, indices, updates }, { axis = 0 }) =>
    ops.scatter(input, axis, within(indices, input.shape[axis]), updates),
  scatterND: ({ input, indices, updates }) => scatterND(input, indices, updates),
  slice: ({ input }, { starts, sizes, strides }) =>
    ops.slice(
      input,
      input.shape.map((_, a) => [starts[a], starts[a] + sizes[a], strides?.[a]] as const),
    ),
  split: ({ input }, { splits, axis = 0 }) =>
    ops.split(input, typeof splits === 'number' ? Array(splits).fill(input.shape[axis] / splits) : splits, axis),
  tile: ({ input }, { repetitions }) => ops.repeat(input, repetitions),
  transpose: ({ input }, { permutation = input.shape.map((_, a) => input.rank - 1 - a) }) =>
    ops.permute(input, permutation),
  triangular: ({ input }, { upper = true, diagonal = 0 }) => (upper ? ops.triu : ops.tril)(input, diagonal),
};
