// A choice between two tensors, element by element, and what is made of it: filling under a mask, limits.

import { args } from '../args.ts';
import type { BackwardContext, Op } from '../autograd/tape.ts';
import { checkNumber, wordOf } from '../device/elements.ts';
import { ShapeError } from '../errors.ts';
import { broadcasting, broadcastShape } from '../kernel/broadcast.ts';
import type { Operand } from '../kernel/pairwise.ts';
import { type DType, type Shape, sizeOf, Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { gt, isNan, logicalOr, lt, ne } from './compare.ts';
import { sumTo } from './sumTo.ts';

interface Attrs {
  /** What is a number, and the dtype of two numbers. */
  a?: number;
  b?: number;
  dtype: DType;
}

const op: Op<Attrs, 'cond' | 'a' | 'b'> = defineReal({
  name: 'where',
  inputs: ['cond', 'a', 'b'],
  outputs: ['y'],
  forward({ cond, a, b }, attrs) {
    const dtype = (a ?? b)?.dtype ?? attrs.dtype;
    const given = [cond, a, b].filter((t) => t !== undefined);
    const shape = given.reduce<Shape>(
      (s, t) => (String(s) === String(t.shape) ? s : broadcastShape('where', s, t.shape)),
      cond.shape,
    );
    const { constants, params } = broadcasting('where', shape, {
      cond: cond.shape,
      a: a?.shape ?? shape,
      b: b?.shape ?? shape,
    });
    const y = cond.device.empty(shape, dtype, 'where');
    cond.device.run({
      shader: 'where',
      entry: 'forward',
      constants: { ...(a ? {} : { A_NUMBER: true }), ...(b ? {} : { B_NUMBER: true }), ...constants },
      bindings: { cond, a: a ?? cond, b: b ?? cond, y },
      params: {
        n: sizeOf(shape),
        a_number: wordOf('where', attrs.a ?? 0, dtype),
        b_number: wordOf('where', attrs.b ?? 0, dtype),
        ...params,
      },
      threads: sizeOf(shape),
    });
    return y;
  },
  backward: {
    cond: null,
    a: ({ dy, inputs: { cond, a } }: BackwardContext<Attrs>) => sumTo(where(cond, dy, 0), a.shape),
    b: ({ dy, inputs: { cond, b } }: BackwardContext<Attrs>) => sumTo(where(cond, 0, dy), b.shape),
  },
  twice: true,
});

/**
 * a where the condition holds, else b, by broadcasting. What is not chosen gets the gradient 0, whatever it is.
 * @param cond i32 or u32; it holds where it is not 0
 * @param a f32, f16, i32, u32 of any shape, or a number
 * @param b of the dtype of a, or a number that stands for a scalar of it; two numbers make f32
 * @returns of the same dtype in the common shape
 * @throws ShapeError when the shapes do not meet, dtypes differ, the condition does not hold integers, or a number is none of
 *   the dtype
 * @example const y = where(gt(x, 0), x, mul(x, 0.1));
 */
export function where(cond: Tensor, a: Operand, b: Operand): Tensor {
  args('where cond a:O b:O', arguments);
  return choose('where', cond, a, b);
}

function choose(name: string, cond: Tensor, a: Operand, b: Operand): Tensor {
  if (cond.dtype !== 'i32' && cond.dtype !== 'u32')
    throw new ShapeError(name, `the condition [${cond.shape}] is ${cond.dtype}`, 'give i32 or u32, as comparisons do');
  const tensors = [a, b].filter((t): t is Tensor => t instanceof Tensor);
  const dtype = tensors[0]?.dtype ?? 'f32';
  if (tensors[1] && tensors[1].dtype !== dtype)
    throw new ShapeError(
      name,
      `b [${tensors[1].shape}] is ${tensors[1].dtype}, a [${tensors[0].shape}] ${dtype}`,
      'cast one of them',
    );
  for (const k of [a, b]) if (!(k instanceof Tensor)) checkNumber(name, k, dtype);
  const part = (k: Operand): { tensor?: Tensor; number?: number } =>
    k instanceof Tensor ? { tensor: k } : { number: k };
  return op({ cond, a: part(a).tensor, b: part(b).tensor }, { a: part(a).number, b: part(b).number, dtype }).y;
}

/**
 * x with `value` where the mask is not 0.
 * @param x f32, f16, i32, u32 of any shape
 * @param mask i32 or u32 that broadcasts with x
 * @param value a number, or a tensor of the dtype of x that broadcasts with it
 * @returns of the dtype of x in the common shape
 * @throws ShapeError as {@link where}
 * @example const scores = maskedFill(logits, mask, -1e9);
 */
export function maskedFill<D extends DType>(x: Tensor<D>, mask: Tensor, value: Operand): Tensor<D> {
  args('maskedFill x mask value:O', arguments);
  return choose('maskedFill', mask, value, x) as Tensor<D>;
}

/** The condition, which holds where a limit of x is NaN, too: NaN differs from everything. */
function orNan(cond: Tensor, x: Tensor, limit: Operand): Tensor {
  if (x.dtype === 'i32' || x.dtype === 'u32') return cond;
  if (limit instanceof Tensor) return logicalOr(cond, isNan(limit));
  return Number.isNaN(limit) ? ne(x, limit) : cond;
}

/**
 * x kept within limits: first raised to `min`, then lowered to `max`. The gradient passes where x lies within, ends
 * included; elsewhere to the limit that stands, as in PyTorch. NaN stays NaN, and so is what a limit of NaN makes.
 * @param x f32, f16, i32, u32 of any shape
 * @param limits numbers, or tensors of the dtype of x that broadcast with it; at least one of them
 * @returns of the dtype of x
 * @throws ShapeError when shapes do not meet, dtypes differ, or there is no limit
 * @example const y = clamp(x, { min: 0, max: 1 });
 */
export function clamp<D extends DType>(x: Tensor<D>, limits: { min?: Operand; max?: Operand }): Tensor<D> {
  args('clamp x {!min:O max:O}', arguments);
  const { min, max } = limits;
  if (min === undefined && max === undefined)
    throw new ShapeError('clamp', 'there is neither min nor max', 'give at least one');
  for (const v of [min, max]) if (typeof v === 'number') checkNumber('clamp', v, x.dtype);
  const raised = min === undefined ? x : where(orNan(lt(x, min), x, min), min, x);
  return (max === undefined ? raised : where(orNan(gt(raised, max), x, max), max, raised)) as Tensor<D>;
}
