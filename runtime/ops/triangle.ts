// Triangles of matrices.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import type { DType, Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

interface Attrs {
  op: 'tril' | 'triu';
  diagonal: number;
}

const triangle: Op<Attrs, 'x'> = defineReal({
  name: 'triangle',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, { op, diagonal }) {
    const y = x.device.empty(x.shape, x.dtype, op);
    const [rows, columns] = x.shape.slice(-2);
    x.device.run({
      shader: 'triangle',
      entry: 'forward',
      constants: { LOWER: op === 'tril' },
      bindings: { x, y },
      params: { n: x.size, rows, columns, diagonal },
      threads: x.size,
    });
    return y;
  },
  backward: { x: ({ dy, attrs }) => triangle({ x: dy }, attrs).y },
  twice: true,
});

function make(op: 'tril' | 'triu', x: Tensor, diagonal: number): Tensor {
  if (x.rank < 2) throw new ShapeError(op, `x is [${x.shape}]`, 'give matrices');
  if (!Number.isInteger(diagonal) || Math.abs(diagonal) >= 2 ** 30)
    throw new ShapeError(op, `there is no diagonal ${diagonal}`, 'give a whole number');
  return triangle({ x }, { op, diagonal }).y;
}

/**
 * The lower triangle: elements with column - row <= diagonal, zeros elsewhere.
 * @param x f32, f16, i32 or u32 [..., rows, columns]
 * @param diagonal 0 the main one (default), positive ones above it
 * @throws ShapeError when x has fewer than two axes, or the diagonal is not a whole number
 * @example const causal = tril(full(device, [t, t], 1));
 */
export function tril<D extends DType, R extends number>(x: Tensor<D, R>, diagonal = 0): Tensor<D, R> {
  args('tril x diagonal?:n', arguments);
  return make('tril', x, diagonal) as Tensor<D, R>;
}

/**
 * The upper triangle: elements with column - row >= diagonal, zeros elsewhere. See {@link tril}.
 * @throws ShapeError as there
 * @example const future = triu(full(device, [t, t], 1), 1);
 */
export function triu<D extends DType, R extends number>(x: Tensor<D, R>, diagonal = 0): Tensor<D, R> {
  args('triu x diagonal?:n', arguments);
  return make('triu', x, diagonal) as Tensor<D, R>;
}
