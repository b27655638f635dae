// Sorting along an axis, and the first k.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { SORT_TYPE } from '../kernel/generated.ts';
import { lines, type Lines } from '../kernel/axes.ts';
import type { DType, Shape, Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

/** Dtypes whose bits the shaders order: f16 comes as f32. */
export type Ordered = keyof typeof SORT_TYPE;

/** Elements that the first pass orders by counting: as many reads for each, but no passes. */
const RUN = 64;

interface Attrs {
  l: Lines;
  keep: number;
  descending: boolean;
}

/**
 * dx of what was picked out of lines: dy at the places that `indices` name, 0 elsewhere.
 * @param keep how many of each line were picked
 */
export function pickedGradient(op: string, shape: Shape, l: Lines, keep: number, indices: Tensor, dy: Tensor): Tensor {
  const dx = dy.device.empty(shape, 'f32', op);
  dy.device.clear(dx);
  dy.device.run({
    shader: 'sort',
    entry: 'backward',
    bindings: { indices, dy, dx },
    params: { lines: l.outer * l.inner, n: l.n, inner: l.inner, run: 1, keep },
    threads: dy.size,
  });
  return dx;
}

const op: Op<Attrs, 'x'> = defineReal({
  name: 'sort',
  inputs: ['x'],
  outputs: ['values', 'indices'],
  forward({ x }, { l, keep, descending }) {
    const { device, dtype } = x;
    const constants = { TYPE: SORT_TYPE[dtype as Ordered], DESCENDING: descending };
    let from: { y: Tensor; index: Tensor } | null = null;
    for (let run = RUN; ; run *= 2) {
      const last = run >= l.n;
      const kept = last ? keep : l.n;
      const shape = l.shape(kept);
      const to = { y: device.empty(shape, dtype, 'sort'), index: device.empty(shape, 'i32', 'sort') };
      const params = { lines: l.outer * l.inner, n: l.n, inner: l.inner, run: from ? run / 2 : run, keep: kept };
      const given = from
        ? { entry: 'merge', bindings: { x: from.y, x_index: from.index, ...to } }
        : { entry: 'runs', bindings: { x, ...to } };
      if (kept > 0) device.run({ shader: 'sort', constants, ...given, params, threads: x.size });
      from?.y.dispose();
      from?.index.dispose();
      if (last) return { values: to.y, indices: to.index };
      from = to;
    }
  },
  backward: {
    x: ({ dy, inputs: { x }, outputs: { indices }, attrs: { l, keep } }) =>
      pickedGradient('sort', x.shape, l, keep, indices, dy),
  },
});

/** Elements, and where along the axis they were. */
export interface Picked {
  /** dtype of x */
  values: Tensor;
  /** i32 */
  indices: Tensor<'i32'>;
}

function apply(x: Tensor, l: Lines, keep: number, descending: boolean): Picked {
  const { values, indices } = op({ x }, { l, keep, descending });
  return { values, indices: indices as Tensor<'i32'> };
}

/**
 * Sorts along an axis, stably: equal elements keep their order. NaN counts as the largest. About log2(n / 64) passes
 * over x, for lines of any length.
 * @param x f32, f16, i32 or u32 of any shape
 * @param axis default -1
 * @param options.descending the largest first (default false)
 * @returns values and i32 indices, shape of x; the gradient flows through the values
 * @throws ShapeError for an axis that is not there
 * @example const { values, indices } = sort(scores, -1, { descending: true });
 */
export function sort(x: Tensor, axis = -1, options: { descending?: boolean } = {}): Picked {
  args('sort x axis?:n {descending:b}', arguments);
  const l = lines('sort', x.shape, axis);
  return apply(x, l, l.n, options.descending ?? false);
}

/**
 * The indices of {@link sort} alone.
 * @throws ShapeError for an axis that x does not have
 * @example const order = argsort(scores, -1, { descending: true });
 */
export function argsort<R extends number>(
  x: Tensor<DType, R>,
  axis = -1,
  options: { descending?: boolean } = {},
): Tensor<'i32', R> {
  args('argsort x axis?:n {descending:b}', arguments);
  const l = lines('argsort', x.shape, axis);
  const { values, indices } = apply(x, l, l.n, options.descending ?? false);
  values.dispose();
  return indices as Tensor<'i32', R>;
}

/**
 * The k largest (or smallest) elements along an axis, in order; of equal ones the first. It sorts, so its cost does not
 * depend on k.
 * @param x f32, f16, i32 or u32 of any shape
 * @param k 0 to the size of the axis
 * @param axis default -1
 * @param options.largest default true
 * @returns values and i32 indices, shape of x with k along the axis; the gradient flows through the values
 * @throws ShapeError for another k, or an axis that is not there
 * @example const { indices } = topk(classScores, 5);
 */
export function topk(x: Tensor, k: number, axis = -1, options: { largest?: boolean } = {}): Picked {
  args('topk x k:n axis?:n {largest:b}', arguments);
  const l = lines('topk', x.shape, axis);
  if (!Number.isInteger(k) || k < (x.rank === 0 ? 1 : 0) || k > l.n)
    throw new ShapeError(
      'topk',
      `k = ${k} of ${l.n} elements along axis ${axis} of [${x.shape}]`,
      `give a whole number up to ${l.n}`,
    );
  return apply(x, l, k, options.largest ?? true);
}
