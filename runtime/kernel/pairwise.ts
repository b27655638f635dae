// Launches the shader of elementwise functions of two operands (shaders/engine/binary.wgsl): which shapes, dtypes and numbers
// meet, and how.

import { wordOf } from '../device/elements.ts';
import { ShapeError } from '../errors.ts';
import { sizeOf, type DType, type Real, Tensor } from '../tensor.ts';
import { BINARY_NUMBER, BINARY_OP } from './generated.ts';
import { broadcasting, broadcastShape } from './broadcast.ts';

/** A tensor, or a number that stands for a scalar tensor of the other operand's dtype. */
export type Operand = Tensor | number;
/** The rank of a tensor, as far as the compiler knows; of a number none. */
export type RankOf<V> = V extends Tensor<DType, infer R> ? R : never;
/** The common dtype of operands, and the ranks that their common shape may have. */
export type Paired<V extends Operand> = Tensor<V extends Tensor<infer D> ? D : never, RankOf<V>>;
/** As {@link Paired}, of operations that make real numbers of integers. */
export type PairedReal<V extends Operand> = Tensor<Real<Paired<V>['dtype']>, RankOf<V>>;

/** Functions whose results are truths. */
const TRUTHS: readonly string[] = [
  'eq',
  'ne',
  'lt',
  'le',
  'gt',
  'ge',
  'logicalAnd',
  'logicalOr',
  'logicalXor',
  'isNan',
  'isInf',
  'isFinite',
] satisfies Pairwise[];

/** Functions that plans join to chains, where they go by the elements of f32 tensors of one shape. */
const CHAINED = ['add', 'mul', 'sub', 'div'] as const;

export type Pairwise = keyof typeof BINARY_OP;

/**
 * y = f(a, b), by broadcasting.
 * @param a f32, i32 or u32, or where the adapter has it f16, like b; or a number
 * @param b at least one of both is a tensor
 * @returns of the dtype of the operands, i32 of 0 and 1 for truths
 * @throws ShapeError when shapes do not meet, dtypes differ, a number does not fit the dtype, or there is no tensor
 */
export function pairwise(op: Pairwise, a: Operand, b: Operand): Tensor {
  const tensors = [a, b].filter((t): t is Tensor => t instanceof Tensor);
  const [like, other] = tensors;
  if (!like) throw new ShapeError(op, `${a} and ${b} are not tensors`, 'give at least one');
  const { device, dtype } = like;
  if (other && other.dtype !== dtype)
    throw new ShapeError(op, `b [${other.shape}] is ${other.dtype}, a [${like.shape}] ${dtype}`, 'cast one of them');
  if (dtype === 'f16' && !device.f16)
    throw new ShapeError(op, `[${like.shape}] is f16, which the adapter lacks`, 'cast it');
  let number = 0;
  for (const v of [a, b]) {
    if (v instanceof Tensor) continue;
    // Numbers meet f16 in f32, in which it is computed.
    number = wordOf(op, v, dtype === 'f16' ? 'f32' : dtype);
  }
  const [ta, tb] = [a instanceof Tensor ? a : like, b instanceof Tensor ? b : like];
  const shape = String(ta.shape) === String(tb.shape) ? ta.shape : broadcastShape(op, ta.shape, tb.shape);
  const { constants, params } = broadcasting(op, shape, { a: ta.shape, b: tb.shape });
  const result = TRUTHS.includes(op) ? 'i32' : dtype;
  const scalar = other ? undefined : a instanceof Tensor ? 'b' : 'a';
  const chained = CHAINED.find((name) => name === op);
  const y = device.empty(shape, result, op);
  device.run({
    shader: 'binary',
    entry: 'forward',
    constants: {
      OP: BINARY_OP[op],
      ...(dtype === 'f32' ? {} : dtype === 'f16' ? { Stored: dtype } : { Element: dtype, Stored: dtype, FLOAT: false }),
      ...(result === 'f32' ? {} : { Result: result }),
      ...(scalar && { NUMBER: BINARY_NUMBER[scalar] }),
      ...constants,
    },
    bindings: { a: ta, b: tb, y },
    params: { n: sizeOf(shape), number, ...params },
    threads: sizeOf(shape),
    ...(chained && dtype === 'f32' && !constants.BROADCAST && { chain: { op: chained, number: scalar } }),
  });
  return y;
}
