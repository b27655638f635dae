// Another shape for the same elements.

import { args } from '../args.ts';
import { defineOp, type Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { axisOf } from '../kernel/axes.ts';
import { type DType, type Shape, sizeOf, type Tensor } from '../tensor.ts';

const op: Op<{ shape: Shape }, 'x'> = defineOp({
  name: 'reshape',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }, { shape }) => x.view(shape),
  backward: { x: ({ dy, inputs: { x } }) => op({ x: dy }, { shape: x.shape }).y },
  twice: true,
});

/**
 * The elements of x in their order, in another shape. Costs nothing: the memory is the same. Unlike `Tensor.view` it
 * lets gradients through.
 * @param x of any shape and dtype
 * @param shape of as many elements; one size may be -1, which is then what the others leave
 * @throws ShapeError for another number of elements
 * @example const rows = reshape(x, [-1, x.shape[x.rank - 1]]);
 */
export function reshape<D extends DType, const S extends Shape>(x: Tensor<D>, shape: S): Tensor<D, S['length']> {
  args('reshape x shape:S', arguments);
  const open = shape.indexOf(-1);
  if (open < 0) return op({ x }, { shape }).y as Tensor<D, S['length']>;
  const rest = sizeOf(shape.filter((_, i) => i !== open));
  if (rest < 1 || x.size % rest !== 0)
    throw new ShapeError(
      'reshape',
      `cannot see [${x.shape}] as [${shape}]`,
      'the sizes must leave a whole number for -1',
    );
  return op({ x }, { shape: shape.map((s, i) => (i === open ? x.size / rest : s)) }).y as Tensor<D, S['length']>;
}

/**
 * Neighbouring axes as one, in the memory of x.
 * @param start the first of them (default 0); negative ones count from the end
 * @param end the last of them (default the last axis)
 * @returns x with the axes merged; a scalar becomes [1]
 * @throws ShapeError when there are no such axes
 * @example const pixels = flatten(images, 1, 2);   // [n, h, w, c] becomes [n, h w, c]
 */
export function flatten(x: Tensor, start = 0, end = -1): Tensor {
  args('flatten x start?:n end?:n', arguments);
  const rank = Math.max(1, x.rank);
  const a = axisOf('flatten', start, rank);
  const b = axisOf('flatten', end, rank);
  if (a > b) throw new ShapeError('flatten', `axis ${start} of [${x.shape}] comes after axis ${end}`);
  return reshape(x, [...x.shape.slice(0, a), sizeOf(x.shape.slice(a, b + 1)), ...x.shape.slice(b + 1)]);
}

/**
 * Without an axis of size 1, or without all of them; in the memory of x.
 * @param axis negative ones count from the end; an axis of another size stays, as in PyTorch
 * @throws ShapeError when there is no such axis
 * @example const labels = squeeze(picked, -1);
 */
export function squeeze(x: Tensor, axis?: number): Tensor {
  args('squeeze x axis?:n', arguments);
  const only = axis === undefined ? undefined : axisOf('squeeze', axis, x.rank);
  return reshape(
    x,
    x.shape.filter((s, i) => s !== 1 || (only !== undefined && i !== only)),
  );
}

/**
 * With a new axis of size 1, in the memory of x.
 * @param axis where it is in the result; negative ones count from the end
 * @throws ShapeError when there is no such place
 * @example const column = unsqueeze(weights, 1);   // [n] becomes [n, 1]
 */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  args('unsqueeze x axis:n', arguments);
  const a = axisOf('unsqueeze', axis, x.rank + 1);
  return reshape(x, [...x.shape.slice(0, a), 1, ...x.shape.slice(a)]);
}

/**
 * The same values, in the same memory, for which no gradient flows back (sg in the formulas).
 * @returns x's shape and dtype
 * @throws DisposedError
 * @example const consistency = mse(student, detach(teacher));
 */
export function detach<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  args('detach x', arguments);
  return x.view(x.shape) as Tensor<D, R>;
}
