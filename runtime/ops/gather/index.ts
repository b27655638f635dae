// Reading and writing along an axis at indices that are tensors: gather, scatter, index select, index add, embedding,
// advanced indexing. The kernels are in kernels.ts.

import { args } from '../../args.ts';
import { composed } from '../../autograd/compose.ts';
import { ShapeError } from '../../errors.ts';
import { axisOf } from '../../kernel/axes.ts';
import { GATHER_COMBINE } from '../../kernel/generated.ts';
import { type DType, type Shape, sizeOf, type Tensor } from '../../tensor.ts';
import { addOp, combineOp, gatherOp, scatterOp, type Along, type Combined } from './kernels.ts';
import { reshape } from '../reshape.ts';
import { expand } from '../strided/index.ts';
import { pad, slice } from '../window.ts';

/** The axis, with all inputs checked. `index` is one list, or as large as `src` at most, and x along the other axes. */
function checked(op: string, x: Tensor, axis: number, index: Tensor, shared: boolean, src?: Tensor): Along {
  const a = axisOf(op, axis, x.rank);
  if (index.dtype !== 'i32' && index.dtype !== 'u32')
    throw new ShapeError(op, `indices [${index.shape}] are ${index.dtype}`, 'give i32');
  if (shared ? index.rank !== 1 : index.rank !== x.rank || index.shape.some((n, i) => i !== a && n > x.shape[i]))
    throw new ShapeError(op, `indices [${index.shape}] do not fit to [${x.shape}] along axis ${axis}`);
  if (src) {
    const fits = shared
      ? String(src.shape) === String(x.shape.map((n, i) => (i === a ? index.size : n)))
      : src.rank === index.rank && index.shape.every((n, i) => n <= src.shape[i]);
    if (!fits || src.dtype !== x.dtype)
      throw new ShapeError(op, `src ${src} does not fit to ${x} and indices [${index.shape}]`);
  }
  return { axis: a, x: x.shape, shared };
}

/** x cut down to the indices along the other axes, which the kernel wants equal. */
function cut(x: Tensor, shape: Shape): Tensor {
  return String(x.shape) === String(shape)
    ? x
    : slice(
        x,
        shape.map(() => 0),
        shape,
      );
}

/** Indices that leave some of x's other axes alone, and src, filled up with indices of nothing. */
function filled(along: Along, index: Tensor, src: Tensor): { index: Tensor; src: Tensor } {
  const more = index.shape.map((n, a) => [0, a === along.axis ? 0 : along.x[a] - n] as const);
  const used = cut(src, index.shape);
  if (more.every(([, n]) => n === 0)) return { index, src: used };
  const nothing = index.dtype === 'u32' ? 2 ** 31 : -(2 ** 31);
  return { index: pad(index, more, { value: nothing }), src: pad(used, more) };
}

/**
 * Elements of x along an axis by index: for axis 1, y[i, j, k] = x[i, index[i, j, k], k].
 * @param x f32, f16, i32 or u32 of rank 1 or more
 * @param axis negative ones count from the end
 * @param index i32 or u32 of x's rank, along the other axes no larger than x. Indices below 0 count from the end; one
 *   outside of x gives 0
 * @returns the shape of index, dtype of x; the gradient is summed in a fixed order
 * @throws ShapeError when the shapes do not fit, or index does not hold integers
 * @example const picked = gather(logProbabilities, -1, unsqueeze(labels, -1));
 */
export function gather(x: Tensor, axis: number, index: Tensor): Tensor {
  args('gather x axis:n index', arguments);
  const { axis: a } = checked('gather', x, axis, index, false);
  return composed(x.device, () => {
    const whole = cut(
      x,
      index.shape.map((n, i) => (i === a ? x.shape[i] : n)),
    );
    return gatherOp({ x: whole, index }, { axis: a, x: whole.shape, shared: false }).y;
  });
}

/**
 * x with elements overwritten along an axis: for axis 1, y[i, index[i, j, k], k] = src[i, j, k]. Where several go to
 * one place the last wins.
 * @param x f32, f16, i32 or u32 of rank 1 or more
 * @param axis negative ones count from the end
 * @param index i32 or u32 as for {@link gather}; an index outside of x writes nothing
 * @param src dtype of x, at least as large as index; what index does not reach is not used
 * @throws ShapeError when shapes or dtypes do not fit, or index does not hold integers
 * @example const marked = scatter(mask, 1, positions, full(device, positions.shape, 1));
 */
export function scatter<D extends DType, R extends number>(
  x: Tensor<D, R>,
  axis: number,
  index: Tensor,
  src: Tensor,
): Tensor<D, R> {
  args('scatter x axis:n index src', arguments);
  const along = checked('scatter', x, axis, index, false, src);
  return composed(x.device, () => scatterOp({ x, ...filled(along, index, src) }, along).y) as Tensor<D, R>;
}

/**
 * x with elements added along an axis: for axis 1, y[i, index[i, j, k], k] += src[i, j, k]. The order of additions is
 * fixed.
 * @param x f32, f16, i32 or u32 of rank 1 or more
 * @param axis negative ones count from the end
 * @param index i32 or u32 as for {@link gather}; an index outside of x adds nothing
 * @param src dtype of x, at least as large as index; what index does not reach is not used
 * @throws ShapeError when shapes or dtypes do not fit, or index does not hold integers
 * @example const votes = scatterAdd(zeros(device, [classes]), 0, labels, full(device, [n], 1));
 */
export function scatterAdd<D extends DType, R extends number>(
  x: Tensor<D, R>,
  axis: number,
  index: Tensor,
  src: Tensor,
): Tensor<D, R> {
  args('scatterAdd x axis:n index src', arguments);
  const along = checked('scatterAdd', x, axis, index, false, src);
  return composed(x.device, () => addOp({ x, ...filled(along, index, src) }, along).y) as Tensor<D, R>;
}

/**
 * x with elements combined along an axis: for axis 1, y[i, index[i, j, k], k] = y[i, index[i, j, k], k] ∘ src[i, j, k],
 * from y = x on, in the order of j. The work of a thread is a whole line of src.
 * @param x f32, f16, i32 or u32 of rank 1 or more
 * @param axis negative ones count from the end
 * @param index i32 or u32 as for {@link gather}; an index outside of x changes nothing
 * @param src dtype of x, at least as large as index; what index does not reach is not used
 * @param how `sum` (as {@link scatterAdd}), `prod`, `amax` or `amin`; equal extremes share the gradient evenly, that of
 *   a product is right where factors are 0
 * @throws ShapeError when shapes or dtypes do not fit, index does not hold integers, or there is no such way
 * Source: torch.scatter_reduce with include_self.
 * @example const highest = scatterReduce(full(device, [classes], -1e9), 0, labels, scores, 'amax');
 */
export function scatterReduce<D extends DType, R extends number>(
  x: Tensor<D, R>,
  axis: number,
  index: Tensor,
  src: Tensor,
  how: 'sum' | Combined['how'],
): Tensor<D, R> {
  args('scatterReduce x axis:n index src how:s', arguments);
  if (how === 'sum') return scatterAdd(x, axis, index, src);
  if (!Object.hasOwn(GATHER_COMBINE, how))
    throw new ShapeError('scatterReduce', `there is no way ${String(how)} to combine`, 'give sum, prod, amax or amin');
  const along = checked('scatterReduce', x, axis, index, false, src);
  return composed(x.device, () => combineOp({ x, ...filled(along, index, src) }, { ...along, how }).y) as Tensor<D, R>;
}

/**
 * Slices of x along an axis in the order of a list of indices.
 * @param x f32, f16, i32 or u32 of rank 1 or more
 * @param index i32 or u32 [m]. Indices below 0 count from the end; one outside of x gives 0
 * @returns x's shape with m along the axis; the gradient is summed in a fixed order
 * @throws ShapeError when the shapes do not fit, or index does not hold integers
 * @example const shuffled = indexSelect(images, 0, order);
 */
export function indexSelect<D extends DType, R extends number>(
  x: Tensor<D, R>,
  axis: number,
  index: Tensor,
): Tensor<D, R> {
  args('indexSelect x axis:n index', arguments);
  return gatherOp({ x, index }, checked('indexSelect', x, axis, index, true)).y as Tensor<D, R>;
}

/**
 * x with the slices of src added along an axis at a list of indices. The order of additions is fixed.
 * @param x f32, f16, i32 or u32 of rank 1 or more
 * @param index i32 or u32 [m] as for {@link indexSelect}; an index outside of x adds nothing
 * @param src x's shape with m along the axis, dtype of x
 * @throws ShapeError when shapes or dtypes do not fit, or index does not hold integers
 * @example const sums = indexAdd(zeros(device, [groups, d]), 0, groupOf, rows);
 */
export function indexAdd<D extends DType, R extends number>(
  x: Tensor<D, R>,
  axis: number,
  index: Tensor,
  src: Tensor,
): Tensor<D, R> {
  args('indexAdd x axis:n index src', arguments);
  return addOp({ x, index, src }, checked('indexAdd', x, axis, index, true, src)).y as Tensor<D, R>;
}

/**
 * Rows of a table.
 * @param index i32 or u32 of any rank; an index outside of the table gives zeros
 * @param w f32, f16, i32 or u32 [rows, ...]
 * @returns index's shape followed by the shape of a row
 * @throws ShapeError when w has no axis, or index does not hold integers
 * @example const tokens = embedding(ids, table);   // [n, t], [vocabulary, d] -> [n, t, d]
 */
export function embedding(index: Tensor, w: Tensor): Tensor {
  args('embedding index w', arguments);
  return composed(w.device, () => at('embedding', w, [index], 0));
}

/**
 * Advanced indexing: x[i0, i1, …], for axes that follow each other.
 * @param x f32, f16, i32 or u32
 * @param indices i32 or u32, one for each of the axes, broadcast against each other. Indices below 0 count from the
 *   end; where one is outside of x the result is 0
 * @param axis the first of the axes (default 0); negative ones count from the end
 * @returns the broadcast shape of the indices in place of the axes; the gradient is summed in a fixed order
 * @throws ShapeError when there are more indices than axes, or they do not broadcast or do not hold integers
 * @example const corners = index(image, [ys, xs]);   // [h, w, c] at [k] points -> [k, c]
 */
export function index(x: Tensor, indices: readonly Tensor[], axis = 0): Tensor {
  args('index x indices:L axis?:n', arguments);
  return composed(x.device, () => at('index', x, indices, axis));
}

function at(op: string, x: Tensor, indices: readonly Tensor[], axis: number): Tensor {
  const a = axisOf(op, axis, x.rank);
  const last = a + indices.length;
  if (indices.length === 0 || last > x.rank)
    throw new ShapeError(
      op,
      `${indices.length} indices from axis ${axis} of [${x.shape}]`,
      'give one for each axis, from one on',
    );
  for (const i of indices)
    if (i.dtype !== 'i32' && i.dtype !== 'u32')
      throw new ShapeError(op, `indices [${i.shape}] are ${i.dtype}`, 'give i32');
  const rank = Math.max(...indices.map((i) => i.rank));
  const fromEnd = (i: Tensor, k: number): number => i.shape[k - rank + i.rank] ?? 1;
  const shape = Array.from({ length: rank }, (_, k) => indices.map((i) => fromEnd(i, k)).find((s) => s !== 1) ?? 1);
  const all = indices.map((i) => (String(i.shape) === String(shape) && i.rank === rank ? i : expand(i, shape)));
  const n = sizeOf(shape);
  let flat = all[0];
  if (all.length > 1) {
    all.forEach((i, k) => {
      const next = x.device.empty(shape, 'i32', op);
      const params = { n, outer: 1, limit: x.shape[a + k], taken: n, inner: 1, step: [0, 0, 0], chunk: 0, chunks: 0 };
      x.device.run({
        shader: 'gather',
        entry: 'linear',
        constants: { FIRST: k === 0 },
        bindings: { index: i, previous: k === 0 ? i : flat, flat: next },
        params,
        threads: n,
      });
      flat = next;
    });
  }
  const before = x.shape.slice(0, a);
  const after = x.shape.slice(last);
  const merged = reshape(x, [...before, sizeOf(x.shape.slice(a, last)), ...after]);
  const list = reshape(flat, [n]);
  return reshape(gatherOp({ x: merged, index: list }, checked(op, merged, a, list, true)).y, [
    ...before,
    ...shape,
    ...after,
  ]);
}
