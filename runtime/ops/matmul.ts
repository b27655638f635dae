// Matrix products.

import { defineOp } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { folded } from '../kernel/geometry.ts';
import { checkF32, sizeOf, type Shape, type Tensor } from '../tensor.ts';
import { full } from './fill.ts';
import { reshape } from './reshape.ts';

interface Attrs {
  transposeA: boolean;
  transposeB: boolean;
}

export interface MatmulOptions {
  /** Take the last two axes of a (of b) the other way round. */
  transposeA?: boolean;
  transposeB?: boolean;
}

type Op = (inputs: Record<string, Tensor | undefined>, attrs: Attrs) => Record<string, Tensor>;

/** Rows, columns, inner size, and the batch axes of a product. */
function sizes(a: Tensor, b: Tensor, { transposeA, transposeB }: Attrs): { m: number; n: number; k: number; batch: Shape } {
  if (a.rank < 2 || b.rank < 2) throw new ShapeError('matmul', `[${a.shape}] and [${b.shape}]`, 'both need at least two axes');
  const [ar, ac] = a.shape.slice(-2), [br, bc] = b.shape.slice(-2);
  const m = transposeA ? ac : ar, k = transposeA ? ar : ac, k2 = transposeB ? bc : br, n = transposeB ? br : bc;
  const ba = a.shape.slice(0, -2), bb = b.shape.slice(0, -2);
  if (k !== k2) throw new ShapeError('matmul', `inner sizes ${k} and ${k2} of [${a.shape}]${transposeA ? ' transposed' : ''} and [${b.shape}]${transposeB ? ' transposed' : ''} differ`);
  if (sizeOf(ba) !== 1 && sizeOf(bb) !== 1 && String(ba) !== String(bb)) throw new ShapeError('matmul', `batches [${ba}] and [${bb}] differ`, 'they must be equal, or one of them a single matrix');
  return { m, n, k, batch: sizeOf(bb) === 1 && (sizeOf(ba) !== 1 || ba.length >= bb.length) ? ba : bb };
}

const op: Op = defineOp<Attrs>({
  name: 'matmul',
  inputs: ['a', 'b'],
  outputs: ['y'],
  forward({ a, b }, attrs) {
    const { m, n, k, batch } = sizes(a, b, attrs);
    const batches = sizeOf(batch);
    const y = a.device.empty([...batch, m, n], 'f32', 'matmul');
    if (k === 0) a.device.clear(y);
    else {
      const [strips, columns, folds] = folded(Math.ceil(m / 8) * batches, Math.ceil(n / 256));
      a.device.run({
        shader: 'matmul',
        entry: 'forward',
        constants: { TRANSPOSE_A: attrs.transposeA, TRANSPOSE_B: attrs.transposeB },
        bindings: { a, b, y },
        params: { m, n, k, batches, a_stride: a.size === m * k ? 0 : m * k, b_stride: b.size === k * n ? 0 : k * n },
        groups: [columns, strips, folds],
      });
    }
    return y;
  },
  backward: {
    a: ({ dy, inputs: { a, b }, attrs: { transposeA: ta, transposeB: tb } }) =>
      overBatch(ta ? op({ a: b, b: dy }, { transposeA: tb, transposeB: true }).y : op({ a: dy, b }, { transposeA: false, transposeB: !tb }).y, a),
    b: ({ dy, inputs: { a, b }, attrs: { transposeA: ta, transposeB: tb } }) =>
      overBatch(tb ? op({ a: dy, b: a }, { transposeA: true, transposeB: ta }).y : op({ a, b: dy }, { transposeA: !ta, transposeB: false }).y, b),
  },
  twice: true,
});

/** A gradient in the shape of its input: summed over the matrices of a batch where `like` is a single matrix. */
function overBatch(g: Tensor, like: Tensor): Tensor {
  if (String(g.shape) === String(like.shape)) return g;
  if (g.size === like.size) return reshape(g, like.shape);
  const copies = g.size / like.size;
  const ones = full(g.device, [1, copies], 1);
  return reshape(op({ a: ones, b: reshape(g, [copies, like.size]) }, { transposeA: false, transposeB: false }).y, like.shape);
}

/**
 * Matrix product of the last two axes; equal batch axes in front, or a single matrix on one side.
 * @param a f32 [..., m, k]; with `transposeA` [..., k, m]
 * @param b f32 [..., k, n]; with `transposeB` [..., n, k]
 * @returns f32 [..., m, n] with the batch axes of the factor that has a batch (of the longer shape, if neither has)
 * @throws ShapeError when inner sizes or batches differ, or a dtype is not f32
 * @example const scores = matmul(q, k, { transposeB: true }); // [n, i, d] x [n, j, d] -> [n, i, j]
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  checkF32('matmul', { a, b });
  const attrs = { transposeA: options.transposeA ?? false, transposeB: options.transposeB ?? false };
  sizes(a, b, attrs);
  return op({ a, b }, attrs).y;
}
