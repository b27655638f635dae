// Norms over any axes, and what is divided by them.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { reduction, type Axes, type Reduction } from '../kernel/axes.ts';
import { checkReal, type DType, type Tensor } from '../tensor.ts';
import { mul } from './binary.ts';
import { defineReal, inF32 } from './cast.ts';
import { full } from './fill.ts';
import { reduce, spread, sum, type Recipe, type ReduceOptions } from './reduce.ts';

interface Attrs {
  p: number;
  r: Reduction;
}

function recipe(p: number): Recipe {
  if (p === 0) return { combine: 'sum', map: 'nonzero', none: 0 };
  if (p === 1) return { combine: 'sum', map: 'abs', none: 0 };
  if (p === 2) return { combine: 'sum', map: 'square', post: 'sqrt', none: 0 };
  if (Number.isFinite(p)) return { combine: 'sum', map: 'power', post: 'root', p, none: 0 };
  return { combine: p > 0 ? 'max' : 'min', map: 'abs' };
}

const normOp: Op<Attrs, 'x'> = defineReal({
  name: 'norm',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }, { p, r }) => reduce('norm', x, r, recipe(p)),
  backward: {
    x: ({ dy, inputs: { x }, outputs: { y }, attrs: { p, r } }) => {
      if (p === 0) return full(x.device, x.shape, 0);
      if (Number.isFinite(p)) return spread('norm gradient', 'norm', x.shape, r, { x, u: y, dy }, 1, p);
      const v = reduce('norm gradient', x, r, { combine: 'sum', map: 'absEqual', m: y });
      const dx = spread('norm gradient', 'infNorm', x.shape, r, { x, u: y, v, dy });
      v.dispose();
      return dx;
    },
  },
});

/**
 * The p-norm over axes: (sum |x|^p)^(1/p); the largest magnitude for p = Infinity, the smallest for -Infinity, the
 * number of elements that are not 0 for 0. The gradient is 0 where the norm is 0, and shared evenly by equal magnitudes
 * for infinite p.
 * @param x f32 or f16 of any shape
 * @param p not negative, or -Infinity (default 2)
 * @param axes one or several, negative ones from the back (default, or an empty list: all)
 * @returns dtype of x, the shape without those axes; 0 where there are no elements
 * @throws ShapeError for axes that are not there or named twice, no elements with infinite p, another dtype, or another
 *   p
 * @example const lengths = norm(x, 2, -1, { keepdim: true });
 */
export function norm(x: Tensor, p = 2, axes?: Axes, options: ReduceOptions = {}): Tensor {
  args('norm x p?:n axes?:A {keepdim:b}', arguments);
  checkReal('norm', { x });
  if (!(p >= 0 || p === -Infinity))
    throw new ShapeError('norm', `p is ${p}`, 'give a number that is not negative, or -Infinity');
  const r = reduction('norm', x.shape, axes, options.keepdim ?? false);
  if (r.n === 0 && !Number.isFinite(p))
    throw new ShapeError('norm', `axes ${r.axes.join(', ')} of [${x.shape}] have no elements`, 'give at least one');
  return normOp({ x }, { p, r }).y;
}

interface OverAttrs {
  r: Reduction;
  eps: number;
}

/** y = x / max(n, eps), with an n for each result of the reduction. */
const overOp: Op<OverAttrs, 'x' | 'n'> = defineReal({
  name: 'normalize',
  inputs: ['x', 'n'],
  outputs: ['y'],
  forward: ({ x, n }, { r, eps }) => spread('normalize', 'divide', x.shape, r, { x, u: n, dy: n }, eps),
  backward: {
    x: ({ dy, inputs: { n }, attrs }) => overOp({ x: dy, n }, attrs).y,
    n: ({ dy, inputs: { n }, outputs: { y }, attrs: { r, eps } }) => {
      const product = mul(dy, y);
      const s = reduce('normalize gradient', product, r, { combine: 'sum', none: 0 });
      const dn = spread(
        'normalize gradient',
        'byNorm',
        n.shape,
        reduction('normalize', [n.size, 1], 1, true),
        { x: s, u: n, dy: n },
        eps,
      );
      product.dispose();
      s.dispose();
      return dn;
    },
  },
});

/**
 * x divided by its norm along axes: x / max(norm, eps).
 * @param x f32 or f16 of any shape
 * @param options.p see {@link norm} (default 2)
 * @param options.axes default -1: the channels, which lie last here (PyTorch: 1)
 * @param options.eps the least divisor (default 1e-12)
 * @returns shape and dtype of x
 * @throws ShapeError for axes that are not there, another dtype, or an eps that is not positive
 * @example const directions = normalize(features); // the vector of each pixel at length 1
 */
export function normalize<D extends DType, R extends number>(
  x: Tensor<D, R>,
  options: { p?: number; axes?: Axes; eps?: number } = {},
): Tensor<D, R> {
  args('normalize x {p:n axes:A eps:n}', arguments);
  const { p = 2, axes = -1, eps = 1e-12 } = options;
  checkReal('normalize', { x });
  if (!(eps > 0)) throw new ShapeError('normalize', `eps is ${eps}`, 'give a positive number');
  return inF32(
    'normalize',
    [x],
    (v) =>
      overOp({ x: v, n: norm(v, p, axes, { keepdim: true }) }, { r: reduction('normalize', x.shape, axes, true), eps })
        .y,
  ) as Tensor<D, R>;
}

/**
 * Cosine of the angle between a and b along axes: sum a b / (max(|a|, eps) max(|b|, eps)). Gradients for both.
 * @param a f32 or f16 of any shape
 * @param b f32 or f16 of the same shape
 * @param options.axes default -1: the channels, which lie last here (PyTorch: 1)
 * @param options.eps the least length (default 1e-8)
 * @returns dtype of the operands, the shape without those axes
 * @throws ShapeError when shapes differ, for axes that are not there, another dtype, or an eps that is not positive
 * @example const likeness = cosineSimilarity(student, teacher); // [n, h, w, c] twice -> [n, h, w]
 */
export function cosineSimilarity(a: Tensor, b: Tensor, options: { axes?: Axes; eps?: number } = {}): Tensor {
  args('cosineSimilarity a b {axes:A eps:n}', arguments);
  checkReal('cosineSimilarity', { a, b });
  if (String(a.shape) !== String(b.shape))
    throw new ShapeError('cosineSimilarity', `[${a.shape}] and [${b.shape}] differ`);
  const { axes = -1, eps = 1e-8 } = options;
  return inF32('cosineSimilarity', [a, b], (u, v) =>
    sum(mul(normalize(u, { axes, eps }), normalize(v, { axes, eps })), axes),
  );
}
