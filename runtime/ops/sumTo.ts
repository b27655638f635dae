// Sums over the axes along which a smaller shape repeats: the gradient of broadcasting.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { broadcasting, broadcastShape, layout } from '../kernel/broadcast.ts';
import { checkReal, type DType, type Shape, sizeOf, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

const AXES = { size: [0, 0, 0, 0], outer_size: [0, 0, 0, 0], x_stride: [0, 0, 0, 0], x_outer: [0, 0, 0, 0] };

/** One axis less: x as [outer, rows, columns] summed over its rows, in rounds of some 64 at a time. */
function overRows(x: Tensor, outer: number, rows: number, columns: number): Tensor {
  let t = x;
  for (let left = rows; left > 1;) {
    const parts = left <= 64 ? 1 : Math.ceil(left / 64);
    const y = x.device.empty([outer, parts, columns], 'f32', 'sumTo');
    x.device.run({
      shader: 'sumTo',
      entry: 'forward',
      bindings: { x: t, y },
      params: { n: y.size, rows: left, columns, parts, ...AXES },
      threads: y.size,
    });
    if (t !== x) t.dispose();
    t = y;
    left = parts;
  }
  return t;
}

const sumOp: Op<{ shape: Shape }, 'x'> = defineReal({
  name: 'sumTo',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, { shape }) {
    if (x.size === 0) {
      const none = x.device.empty(shape, 'f32', 'sumTo');
      x.device.clear(none);
      return none;
    }
    // The last axis that repeats goes first: it leaves least to the next.
    const {
      size,
      strides: [strides],
    } = layout('sumTo', x.shape, [shape]);
    let t = x;
    for (let axis = size.length - 1; axis >= 0; axis--) {
      if (strides[axis] !== 0) continue;
      const next = overRows(t, sizeOf(size.slice(0, axis)), size[axis], sizeOf(size.slice(axis + 1)));
      size[axis] = 1;
      if (t !== x && t !== next) t.dispose();
      t = next;
    }
    const y = t.view(shape);
    if (t !== x) t.dispose();
    return y;
  },
  backward: { x: ({ dy, inputs: { x } }) => spreadOp({ x: dy }, { shape: x.shape }).y },
  twice: true,
});

const spreadOp: Op<{ shape: Shape }, 'x'> = defineReal({
  name: 'spread',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, { shape }) {
    const y = x.device.empty(shape, 'f32', 'spread');
    const { constants, params } = broadcasting('spread', shape, { x: x.shape });
    x.device.run({
      shader: 'sumTo',
      entry: 'spread',
      constants,
      bindings: { x, y },
      params: { n: y.size, rows: 0, columns: 0, parts: 0, ...params },
      threads: y.size,
    });
    return y;
  },
  backward: { x: ({ dy, inputs: { x } }) => sumOp({ x: dy }, { shape: x.shape }).y },
  twice: true,
});

/**
 * Sums x over the axes along which `shape` would repeat to become that of x, in a fixed order.
 * @param x f32 or f16
 * @param shape that broadcasts to the shape of x: aligned at the last axis, each length that of x or 1
 * @returns dtype of x, in `shape` (x itself where it has it); zeros where there is nothing to sum
 * @throws ShapeError when `shape` does not broadcast to that of x, or x is an integer
 * @example const db = sumTo(dy, [1, 3, 1, 1]); // dy [8, 3, 32, 32]
 */
export function sumTo<D extends DType, const S extends Shape>(x: Tensor<D>, shape: S): Tensor<D, S['length']> {
  args('sumTo x shape:S', arguments);
  checkReal('sumTo', { x });
  if (String(broadcastShape('sumTo', x.shape, shape)) !== String(x.shape) || shape.length > x.rank)
    throw new ShapeError('sumTo', `[${shape}] does not broadcast to [${x.shape}]`);
  return (String(shape) === String(x.shape) ? x : sumOp({ x }, { shape }).y) as Tensor<D, S['length']>;
}
