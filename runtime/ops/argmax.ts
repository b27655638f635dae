// Where the largest and smallest elements are.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { ARGMAX_TYPE } from '../kernel/generated.ts';
import { lines, passOver, type Lines } from '../kernel/axes.ts';
import { folded } from '../kernel/geometry.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import type { ReduceOptions } from './reduce.ts';
import { pickedGradient, type Ordered, type Picked } from './sort.ts';

interface Attrs {
  name: string;
  l: Lines;
  shape: Shape;
  smallest: boolean;
}

const op: Op<Attrs, 'x'> = defineReal({
  name: 'maxDim',
  inputs: ['x'],
  outputs: ['values', 'indices'],
  forward({ x }, { name, l, shape, smallest }) {
    const { device } = x;
    const values = device.empty(shape, x.dtype, name);
    const count = l.outer * l.inner;
    if (values.size === 0) return { values, indices: device.empty(shape, 'i32', name) };
    let candidates: Tensor | null = null;
    for (let n = l.n; ;) {
      const { entry, chunk, chunks } = passOver(n, candidates ? count === 1 : l.inner === 1);
      const last = chunks === 1;
      const index = device.empty(last ? shape : [chunks, count], 'i32', name);
      const y = last ? values : device.empty([1], x.dtype, name);
      device.run({
        shader: 'argmax',
        entry,
        bindings: { x, candidates: candidates ?? x, index, y },
        constants: { TYPE: ARGMAX_TYPE[x.dtype as Ordered], SMALLEST: smallest, CANDIDATES: !!candidates, LAST: last },
        params: { lines: count, n: l.n, inner: l.inner, count: n, chunk, chunks },
        ...(entry === 'rows' ? { groups: folded(count * chunks, 1) } : { threads: count * chunks }),
      });
      candidates?.dispose();
      if (last) return { values, indices: index };
      y.dispose();
      candidates = index;
      n = chunks;
    }
  },
  backward: {
    x: ({ dy, inputs: { x }, outputs: { indices }, attrs: { name, l } }) =>
      pickedGradient(name, x.shape, l, 1, indices, dy),
  },
});

function apply(name: string, smallest: boolean, x: Tensor, axis: number | undefined, keepdim: boolean): Picked {
  const l = lines(name, x.shape, axis);
  if (l.n === 0)
    throw new ShapeError(
      name,
      `[${x.shape}] has no elements along ${axis === undefined ? 'its axes' : `axis ${axis}`}`,
      'give at least one',
    );
  const { values, indices } = op({ x }, { name, l, shape: l.shape(keepdim ? 1 : null), smallest });
  return { values, indices: indices as Tensor<'i32'> };
}

function indicesAlone(
  name: string,
  smallest: boolean,
  x: Tensor,
  axis: number | undefined,
  keepdim: boolean,
): Tensor<'i32'> {
  const { values, indices } = apply(name, smallest, x, axis, keepdim);
  values.dispose();
  return indices;
}

/**
 * Largest element along an axis, and where it is: the first of equal ones, which alone gets the gradient ({@link amax}
 * shares it). NaN counts as the largest.
 * @param x f32, f16, i32 or u32 of any shape
 * @param axis negative ones from the back
 * @returns values in the dtype of x and i32 indices, the shape without the axis (with it, of size 1, for `keepdim`)
 * @throws ShapeError where there are no elements, or for an axis that is not there
 * @example const { values: confidence, indices: label } = maxDim(probabilities, -1);
 */
export function maxDim(x: Tensor, axis: number, options: ReduceOptions = {}): Picked {
  args('maxDim x axis:n {keepdim:b}', arguments);
  return apply('maxDim', false, x, axis, options.keepdim ?? false);
}

/**
 * Smallest element along an axis, and where it is. NaN counts as the largest. See {@link maxDim}.
 * @throws ShapeError for an axis that x does not have, or without elements
 * @example const { values, indices } = minDim(x, -1);
 */
export function minDim(x: Tensor, axis: number, options: ReduceOptions = {}): Picked {
  args('minDim x axis:n {keepdim:b}', arguments);
  return apply('minDim', true, x, axis, options.keepdim ?? false);
}

/**
 * Index of the largest element along an axis, the first of equal ones; without an axis that of all elements in their
 * order. NaN counts as the largest. Without gradient.
 * @param x f32, f16, i32 or u32 of any shape
 * @returns i32, the shape without the axis (with `keepdim` it has size 1)
 * @throws ShapeError where there are no elements, or for an axis that is not there
 * @example const labels = argmax(logits, -1); // [n, h, w, c] -> [n, h, w]
 */
export function argmax(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor<'i32'> {
  args('argmax x axis?:n {keepdim:b}', arguments);
  return indicesAlone('argmax', false, x, axis, options.keepdim ?? false);
}

/**
 * Index of the smallest element. See {@link argmax}.
 * @throws ShapeError for an axis that x does not have, or without elements
 * @example const nearest = argmin(distances, -1);
 */
export function argmin(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor<'i32'> {
  args('argmin x axis?:n {keepdim:b}', arguments);
  return indicesAlone('argmin', true, x, axis, options.keepdim ?? false);
}
