// The kernels behind gather and scatter (index.ts): reading and writing along an axis at indices that are tensors.
//
// Sums (scatterAdd, and the gradients of all that reads) are made without atomics and in a fixed order: a thread owns a
// column of the result and goes through the indexed elements in order, so the work is the number of elements. Where
// there are fewer columns than a GPU has lanes the axis is cut into chunks with partial sums, added up in order by a
// second pass; the partial sums take at most four times the memory of what is added, and 128 MiB.

import { composed } from '../../autograd/compose.ts';
import type { BackwardContext, Op } from '../../autograd/tape.ts';
import { GATHER_COMBINE } from '../../kernel/generated.ts';
import type { ParamValue } from '../../kernel/kernel.ts';
import { type Shape, sizeOf, type Tensor } from '../../tensor.ts';
import { div, mul } from '../binary.ts';
import { cast, defineReal } from '../cast.ts';
import { eq, logicalAnd } from '../compare.ts';
import { full, zeros } from '../fill.ts';
import { where } from '../where.ts';

/** Which axis of x is indexed. */
export interface Along {
  axis: number;
  /** The shape of x. */
  x: Shape;
  /** One list of indices for the whole of the other axes. */
  shared: boolean;
}

/**
 * The params for indices of `index`'s shape: along the axis alone where they are shared, else in the shape of the
 * indexed side.
 */
function launch(
  index: Tensor,
  { axis, x, shared }: Along,
): { params: Record<string, ParamValue>; outer: number; limit: number; taken: number; inner: number } {
  const outer = sizeOf(x.slice(0, axis));
  const inner = sizeOf(x.slice(axis + 1));
  const limit = x[axis];
  const taken = shared ? index.size : index.shape[axis];
  return {
    params: { outer, limit, taken, inner, step: shared ? [0, 1, 0] : [taken * inner, inner, 1], chunk: 0, chunks: 0 },
    outer,
    limit,
    taken,
    inner,
  };
}

/** The shape of the indexed side. */
const takenShape = (index: Tensor, { axis, x, shared }: Along): Shape =>
  shared ? [...x.slice(0, axis), index.size, ...x.slice(axis + 1)] : index.shape;

// y[o, m, i] = x[o, index, i]; with a winner (see scatterOp) only the m that won.
export const gatherOp: Op<Along, 'x' | 'index' | 'winner'> = defineReal(
  {
    name: 'gather',
    inputs: ['x', 'index', 'winner'],
    outputs: ['y'],
    forward({ x, index, winner }, attrs) {
      const { params, inner } = launch(index, attrs);
      const y = x.device.empty(takenShape(index, attrs), x.dtype, 'gather');
      const lanes = attrs.shared && inner % 4 === 0 ? 4 : 1;
      const n = y.size / lanes;
      const half = x.dtype === 'f16';
      x.device.run({
        shader: 'gather',
        entry: 'forward',
        constants: {
          WON: !!winner,
          ...(half ? { Element: lanes === 4 ? 'vec4<f16>' : 'f16' } : lanes === 4 ? { Element: 'vec4<u32>' } : {}),
        },
        bindings: { x, index, y, winner: winner ?? index },
        params: { ...params, n, inner: inner / lanes },
        threads: n,
      });
      return y;
    },
    backward: {
      x: ({ dy, inputs: { x, index, winner }, attrs }) =>
        winner
          ? composed(x.device, () => scatterOp({ x: zeros(x.device, x.shape, x.dtype), index, src: dy }, attrs).y)
          : addOp({ index, src: dy }, attrs).y,
      index: null,
      winner: null,
    },
    twice: true,
  },
  { halves: ['x'] },
);

// y = x, or zeros without one, and y[o, index, i] += src[o, m, i].
export const addOp: Op<Along, 'x' | 'index' | 'src'> = defineReal({
  name: 'scatterAdd',
  inputs: ['x', 'index', 'src'],
  outputs: ['y'],
  forward({ x, index, src }, attrs) {
    const { device, dtype } = src;
    const { params, outer, taken, inner } = launch(index, attrs);
    const y = device.empty(attrs.x, dtype, 'scatterAdd');
    if (y.size === 0) return y;
    const columns = outer * inner;
    const chunks = Math.max(
      1,
      Math.min(
        Math.ceil(Math.sqrt(taken)),
        Math.ceil(16384 / columns),
        Math.floor(Math.min(4 * src.size, 2 ** 25) / y.size),
      ),
    );
    const chunk = Math.ceil(taken / chunks);
    const constants = { Number: dtype };
    const add = (sums: Tensor): void =>
      device.run({
        shader: 'gather',
        entry: 'add',
        constants,
        bindings: { index, src, sums },
        params: { ...params, n: columns * chunks, chunk, chunks },
        threads: columns * chunks,
      });
    if (chunks === 1) {
      if (x) device.copy(x, y);
      else device.clear(y);
      add(y);
    } else {
      const parts = device.empty([chunks, y.size], dtype, 'scatterAdd');
      device.clear(parts);
      add(parts);
      device.run({
        shader: 'gather',
        entry: 'combine',
        constants: { ...constants, BASE: !!x },
        bindings: { parts, base: x ?? parts, sums: y },
        params: { ...params, n: y.size, chunk, chunks },
        threads: y.size,
      });
      parts.dispose();
    }
    return y;
  },
  backward: {
    x: ({ dy }) => dy,
    index: null,
    src: ({ dy, inputs: { index }, attrs }) => gatherOp({ x: dy, index }, attrs).y,
  },
  twice: true,
});

// y = x and y[o, index, i] = src[o, m, i]; winner holds m + 1 (in elements of src) of the last one for each element of
// y, 0 where there is none.
export const scatterOp: Op<Along, 'x' | 'index' | 'src'> = defineReal({
  name: 'scatter',
  inputs: ['x', 'index', 'src'],
  outputs: ['y', 'winner'],
  saved: ['winner'],
  forward({ x, index, src }, attrs) {
    const { device, dtype } = x;
    const { params } = launch(index, attrs);
    const winner = device.empty(x.shape, 'u32', 'scatter');
    const y = device.empty(x.shape, dtype, 'scatter');
    device.clear(winner);
    device.run({
      shader: 'gather',
      entry: 'claim',
      bindings: { index, claims: winner },
      params: { ...params, n: src.size },
      threads: src.size,
    });
    device.run({
      shader: 'gather',
      entry: 'overwrite',
      constants: { Number: dtype },
      bindings: { src, sums: y, base: x, winner },
      params: { ...params, n: y.size },
      threads: y.size,
    });
    return { y, winner };
  },
  backward: {
    x: ({ dy, inputs: { index, src }, attrs }) =>
      composed(dy.device, () => scatterOp({ x: dy, index, src: zeros(src.device, src.shape) }, attrs).y),
    index: null,
    src: ({ dy, inputs: { index }, outputs: { winner }, attrs }) => gatherOp({ x: dy, index, winner }, attrs).y,
  },
  twice: true,
});

/** And how what meets in an element is combined. */
export interface Combined extends Along {
  how: 'prod' | 'amax' | 'amin';
}

type CombinedContext = BackwardContext<Combined>;

/** 1 and 0 as f32. */
const counted = (truth: Tensor): Tensor => cast(truth, 'f32');

/** dy of an extreme, shared evenly by all that equal it. */
const shared = (ctx: CombinedContext): Tensor =>
  ctx.once('share', () => {
    const {
      dy,
      inputs: { x, index, src },
      outputs: { y },
      attrs,
    } = ctx;
    return div(
      dy,
      addOp({ x: counted(eq(x, y)), index, src: counted(eq(src, gatherOp({ x: y, index }, attrs).y)) }, attrs).y,
    );
  });

/** dsrc of a product: that of the other factors, without a division by 0. */
function factorGradient({ dy, inputs: { x, index, src }, attrs }: CombinedContext): Tensor {
  const zerosOf = (t: Tensor): Tensor => eq(t, 0);
  const without = (t: Tensor): Tensor => where(zerosOf(t), 1, t);
  const at = (t: Tensor): Tensor => gatherOp({ x: t, index }, attrs).y;
  const rest = at(mul(dy, combineOp({ x: without(x), index, src: without(src) }, attrs).y));
  const none = at(addOp({ x: counted(zerosOf(x)), index, src: counted(zerosOf(src)) }, attrs).y);
  return where(eq(none, 0), div(rest, without(src)), where(logicalAnd(eq(none, 1), zerosOf(src)), rest, 0));
}

// y = x and y[o, index, i] = y[o, index, i] ∘ src[o, m, i] for each m in turn.
export const combineOp: Op<Combined, 'x' | 'index' | 'src'> = defineReal({
  name: 'scatterReduce',
  inputs: ['x', 'index', 'src'],
  outputs: ['y'],
  forward({ x, index, src }, attrs) {
    const { device, dtype } = x;
    const { params, outer, taken, inner } = launch(index, attrs);
    const y = device.empty(x.shape, dtype, 'scatterReduce');
    const n = outer * inner;
    device.copy(x, y);
    if (y.size > 0)
      device.run({
        shader: 'gather',
        entry: 'add',
        constants: { Number: dtype, COMBINE: GATHER_COMBINE[attrs.how] },
        bindings: { index, src, sums: y },
        params: { ...params, n, chunk: taken, chunks: 1 },
        threads: n,
      });
    return y;
  },
  backward: {
    x: (ctx) => {
      const {
        dy,
        inputs: { x, index, src },
        outputs: { y },
        attrs,
      } = ctx;
      if (attrs.how === 'prod')
        return composed(dy.device, () => mul(dy, combineOp({ x: full(dy.device, x.shape, 1), index, src }, attrs).y));
      return where(eq(x, y), shared(ctx), 0);
    },
    index: null,
    src: (ctx) => {
      const {
        inputs: { index, src },
        outputs: { y },
        attrs,
      } = ctx;
      if (attrs.how === 'prod') return composed(src.device, () => factorGradient(ctx));
      return where(eq(src, gatherOp({ x: y, index }, attrs).y), gatherOp({ x: shared(ctx), index }, attrs).y, 0);
    },
  },
});
