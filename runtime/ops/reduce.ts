// Reductions over any axes: sums, products, extremes; and what the other reductions are made of.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { gatherPartials, passOver, reduction, type Axes, type Reduction } from '../kernel/axes.ts';
import { REDUCE_COMBINE, REDUCE_MAP, REDUCE_POST, SPREAD_KIND } from '../kernel/generated.ts';
import { folded } from '../kernel/geometry.ts';
import { checkReal, type DType, type Shape, type Tensor } from '../tensor.ts';
import { defineReal, inF32 } from './cast.ts';
import { full } from './fill.ts';

/** Settings of the reductions. */
export interface ReduceOptions {
  /** Keep the reduced axes, with size 1 (default: they are left out). */
  keepdim?: boolean;
}

/** What a reduction computes, in the words of shaders/engine/reduce.wgsl. */
export interface Recipe {
  combine: keyof typeof REDUCE_COMBINE;
  map?: keyof typeof REDUCE_MAP;
  post?: keyof typeof REDUCE_POST;
  /** One f32 element for each result, for the maps and finishes that look at it. */
  m?: Tensor;
  scale?: number;
  p?: number;
  /** Default: that of x. */
  dtype?: DType;
  /** The result of no elements; without it they are an error. */
  none?: number;
}

/**
 * Runs a reduction. Makes no record for gradients: operations call it in their forward and backward passes.
 * @throws ShapeError for no elements, where the recipe has no result for them
 */
export function reduce(op: string, x: Tensor, r: Reduction, recipe: Recipe): Tensor {
  const { combine, map = 'x', post = 'none', dtype = x.dtype, scale = 1, p = 1, none } = recipe;
  if (r.n === 0 && r.k > 0) {
    if (none === undefined)
      throw new ShapeError(op, `axes ${r.axes.join(', ')} of [${x.shape}] have no elements`, 'give at least one');
    return full(x.device, r.shape, none, dtype);
  }
  if (r.k === 0) return x.device.empty(r.shape, dtype, op);
  let from = x;
  let n = r.n;
  let gather: Parameters<typeof x.device.run>[0]['params'] = r.gather;
  for (;;) {
    const { entry, chunk, chunks } = passOver(n, (gather.reduced_stride as number[])[3] === 1);
    const y = x.device.empty(chunks === 1 ? r.shape : [chunks, r.k], dtype, op);
    x.device.run({
      shader: 'reduce',
      entry,
      bindings: { x: from, m: recipe.m ?? from, y },
      constants: {
        In: from.dtype,
        Out: dtype,
        COMBINE: REDUCE_COMBINE[combine],
        MAP: from === x ? REDUCE_MAP[map] : 0,
        POST: chunks === 1 ? REDUCE_POST[post] : 0,
      },
      params: { k: r.k, n, chunk, chunks, ...gather, scale, p },
      ...(entry === 'rows' ? { groups: folded(r.k * chunks, 1) } : { threads: r.k * chunks }),
    });
    if (from !== x) from.dispose();
    if (chunks === 1) return y;
    from = y;
    n = chunks;
    gather = gatherPartials(r.k, chunks);
  }
}

/**
 * The way back: an f32 tensor of `shape` from what its elements x and the results u, v, dy of their reduction hold; see
 * shaders/engine/spread.wgsl.
 */
export function spread(
  op: string,
  kind: keyof typeof SPREAD_KIND,
  shape: Shape,
  r: Reduction,
  t: { x?: Tensor; u?: Tensor; v?: Tensor; dy: Tensor },
  scale = 1,
  p = 1,
): Tensor {
  const { dy, x = dy, u = dy, v = dy } = t;
  const dx = dy.device.empty(shape, 'f32', op);
  dy.device.run({
    shader: 'spread',
    entry: 'forward',
    constants: { KIND: SPREAD_KIND[kind] },
    bindings: { x, u, v, dy, dx },
    params: { n: dx.size, scale, p, ...r.spread },
    threads: dx.size,
  });
  return dx;
}

interface SumAttrs {
  name: string;
  r: Reduction;
  shape: Shape;
  scale: number;
}

const sumOp: Op<SumAttrs, 'x'> = defineReal({
  name: 'sum',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }, { name, r, scale }) =>
    reduce(name, x, r, {
      combine: 'sum',
      post: scale === 1 ? 'none' : 'scale',
      scale,
      none: name === 'mean' ? NaN : 0,
    }),
  backward: { x: ({ dy, attrs }) => expandOp({ y: dy }, attrs).x },
  twice: true,
});

/** x[i] = scale y[k]: the gradient of a sum. */
const expandOp: Op<SumAttrs, 'y'> = defineReal({
  name: 'expand',
  inputs: ['y'],
  outputs: ['x'],
  forward: ({ y }, { name, r, shape, scale }) => spread(`${name} gradient`, 'expand', shape, r, { dy: y }, scale),
  backward: { y: ({ dy, attrs }) => sumOp({ x: dy }, attrs).y },
  twice: true,
});

const prodOp: Op<Reduction, 'x'> = defineReal({
  name: 'prod',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }, r) => reduce('prod', x, r, { combine: 'prod', none: 1 }),
  backward: {
    x: ({ dy, inputs: { x }, attrs: r }) => {
      const u = reduce('prod gradient', x, r, { combine: 'prod', map: 'factor', none: 1 });
      const v = reduce('prod gradient', x, r, { combine: 'sum', map: 'zero', none: 0 });
      const dx = spread('prod gradient', 'prod', x.shape, r, { x, u, v, dy });
      u.dispose();
      v.dispose();
      return dx;
    },
  },
});

const extremeOp: Op<{ name: string; combine: 'max' | 'min'; r: Reduction }, 'x'> = defineReal({
  name: 'amax',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }, { name, combine, r }) => reduce(name, x, r, { combine }),
  backward: {
    x: ({ dy, inputs: { x }, outputs: { y }, attrs: { name, r } }) => {
      const v = reduce(`${name} gradient`, x, r, { combine: 'sum', map: 'equal', m: y });
      const dx = spread(`${name} gradient`, 'share', x.shape, r, { x, u: y, v, dy });
      v.dispose();
      return dx;
    },
  },
});

function sums(
  name: string,
  x: Tensor,
  axes: Axes | undefined,
  keepdim: boolean,
  scaleOf: (n: number) => number,
): Tensor {
  const r = reduction(name, x.shape, axes, keepdim);
  return sumOp({ x }, { name, r, shape: x.shape, scale: scaleOf(r.n) }).y;
}

/**
 * The sum of all elements. See the form with axes.
 * @example const y = sum(x); // a scalar
 */
export function sum<D extends DType>(x: Tensor<D>): Tensor<D, 0>;
/**
 * Sum over axes, in a fixed order: the same bits every time. Has second derivatives.
 * @param x f32, f16, i32 or u32 of any shape; integers wrap around
 * @param axes one or several, negative ones from the back (default, or an empty list: all)
 * @returns dtype of x, the shape without those axes; 0 where there are no elements
 * @throws ShapeError for axes that are not there or named twice
 * @example const perImage = sum(losses, [1, 2]); // [n, h, w] -> [n]
 */
export function sum<D extends DType>(x: Tensor<D>, axes?: Axes, options?: ReduceOptions): Tensor<D>;
export function sum(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  args('sum x axes?:A {keepdim:b}', arguments);
  return sums('sum', x, axes, options.keepdim ?? false, () => 1);
}

/**
 * The mean of all elements. See the form with axes.
 * @example const y = mean(x); // a scalar
 */
export function mean<D extends DType>(x: Tensor<D>): Tensor<D, 0>;
/**
 * Mean over axes. Has second derivatives.
 * @param x f32 or f16 of any shape
 * @param axes as in {@link sum}
 * @returns dtype of x, the shape without those axes; NaN where there are no elements, as in PyTorch
 * @throws ShapeError for axes that are not there or named twice, or another dtype
 * @example const pooled = mean(x, [1, 2]); // [n, h, w, c] -> [n, c]
 */
export function mean<D extends DType>(x: Tensor<D>, axes?: Axes, options?: ReduceOptions): Tensor<D>;
export function mean(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  args('mean x axes?:A {keepdim:b}', arguments);
  checkReal('mean', { x });
  return sums('mean', x, axes, options.keepdim ?? false, (n) => 1 / n);
}

/**
 * The product of all elements. See the form with axes.
 * @example const y = prod(x); // a scalar
 */
export function prod<D extends DType>(x: Tensor<D>): Tensor<D, 0>;
/**
 * Product over axes. The gradient is right where factors are 0.
 * @param x f32, f16, i32 or u32 of any shape; integers wrap around
 * @param axes as in {@link sum}
 * @returns dtype of x, the shape without those axes; 1 where there are no elements
 * @throws ShapeError for axes that are not there or named twice
 * @example const volume = prod(sizes, -1);
 */
export function prod<D extends DType>(x: Tensor<D>, axes?: Axes, options?: ReduceOptions): Tensor<D>;
export function prod(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  args('prod x axes?:A {keepdim:b}', arguments);
  return prodOp({ x }, reduction('prod', x.shape, axes, options.keepdim ?? false)).y;
}

function extreme(name: string, combine: 'max' | 'min', x: Tensor, axes: Axes | undefined, keepdim: boolean): Tensor {
  const r = reduction(name, x.shape, axes, keepdim);
  if (r.n === 0)
    throw new ShapeError(name, `axes ${r.axes.join(', ')} of [${x.shape}] have no elements`, 'give at least one');
  return extremeOp({ x }, { name, combine, r }).y;
}

/**
 * The largest of all elements. See the form with axes.
 * @example const y = amax(x); // a scalar
 */
export function amax<D extends DType>(x: Tensor<D>): Tensor<D, 0>;
/**
 * Largest element over axes. Equal largest elements share the gradient evenly; {@link maxDim} gives it to the first,
 * and says where it is.
 * @param x f32, f16, i32 or u32 of any shape; NaN where an element is NaN, as in PyTorch
 * @param axes as in {@link sum}
 * @returns dtype of x, the shape without those axes
 * @throws ShapeError where there are no elements, or for axes that are not there or named twice
 * @example const peak = amax(x, [1, 2]); // [n, h, w, c] -> [n, c]
 */
export function amax<D extends DType>(x: Tensor<D>, axes?: Axes, options?: ReduceOptions): Tensor<D>;
export function amax(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  args('amax x axes?:A {keepdim:b}', arguments);
  return extreme('amax', 'max', x, axes, options.keepdim ?? false);
}

/**
 * The smallest of all elements. See the form with axes.
 * @example const y = amin(x); // a scalar
 */
export function amin<D extends DType>(x: Tensor<D>): Tensor<D, 0>;
/**
 * Smallest element over axes. See {@link amax}.
 * @throws ShapeError for an axis that x does not have, or without elements
 * @example const low = amin(x, -1, { keepdim: true });
 */
export function amin<D extends DType>(x: Tensor<D>, axes?: Axes, options?: ReduceOptions): Tensor<D>;
export function amin(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  args('amin x axes?:A {keepdim:b}', arguments);
  return extreme('amin', 'min', x, axes, options.keepdim ?? false);
}

function truth(name: string, combine: 'max' | 'min', x: Tensor, axes: Axes | undefined, keepdim: boolean): Tensor {
  return inF32(name, [x], (v) =>
    reduce(name, v, reduction(name, x.shape, axes, keepdim), {
      combine,
      map: 'nonzero',
      dtype: 'i32',
      none: combine === 'min' ? 1 : 0,
    }),
  );
}

/**
 * Is any element not 0? Without gradient.
 * @param x f32, f16, i32 or u32 of any shape
 * @param axes as in {@link sum}
 * @returns i32 0 or 1, the shape without those axes; 0 where there are no elements
 * @throws ShapeError for axes that are not there or named twice
 * @example const found = any(eq(labels, 3), [1, 2]);
 */
export function any(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  args('any x axes?:A {keepdim:b}', arguments);
  return truth('any', 'max', x, axes, options.keepdim ?? false);
}

/**
 * Are all elements not 0? 1 where there are none. See {@link any}.
 * @throws ShapeError for an axis that x does not have
 * @example const sound = all(isFinite(x));
 */
export function all(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  args('all x axes?:A {keepdim:b}', arguments);
  return truth('all', 'min', x, axes, options.keepdim ?? false);
}
