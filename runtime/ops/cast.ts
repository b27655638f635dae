// Elements of another type.

import { defineOp } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { BYTES, type DType, type Tensor } from '../tensor.ts';
import { reshape } from './reshape.ts';

const CODES: Record<DType, number> = { f32: 0, f16: 1, i32: 2, u32: 3 };

type Op = (inputs: Record<string, Tensor | undefined>, attrs: { dtype: DType }) => Record<string, Tensor>;

const op: Op = defineOp<{ dtype: DType }>({
  name: 'cast',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, { dtype }) {
    const y = x.device.empty(x.shape, dtype, 'cast');
    const words = Math.ceil((y.size * BYTES[dtype]) / 4);
    x.device.run({ shader: 'cast', entry: 'forward', constants: { FROM: CODES[x.dtype], TO: CODES[dtype] }, bindings: { x, y }, params: { words }, threads: words });
    return y;
  },
  backward: { x: ({ dy, inputs: { x } }) => op({ x: dy }, { dtype: x.dtype }).y },
  twice: true,
});

/**
 * The elements as another type. f32 becomes the nearest f16 (halves to even, infinite beyond 65520); floating-point numbers lose their fraction on the
 * way to integers and stop at the largest and the smallest (what is no number becomes any of them); i32 and u32 keep their bits.
 * The gradient passes between f32 and f16 and ends at integers.
 * @param x of any shape; f16 needs no feature of the adapter
 * @param dtype x itself is seen through another tensor where it has this type
 * @returns shape of x
 * @throws ShapeError for an unknown dtype
 * @example const y = cast(labels, 'f32');
 */
export function cast<D extends DType>(x: Tensor, dtype: D): Tensor<D> {
  if (!(dtype in CODES)) throw new ShapeError('cast', `there is no dtype ${dtype}`, `give one of ${Object.keys(CODES).join(', ')}`);
  return (x.dtype === dtype ? reshape(x, x.shape) : op({ x }, { dtype }).y) as Tensor<D>;
}

/** What functions of real numbers see of integers: f32, as in PyTorch. */
export const real = (x: Tensor): Tensor => (x.dtype === 'i32' || x.dtype === 'u32' ? cast(x, 'f32') : x);

/** Runs an operation of f32 on tensors that may be f16, and brings its result back to f16 where one was. */
export function inF32<T>(operands: readonly T[], compute: (...operands: T[]) => Tensor): Tensor {
  const half = (t: T): boolean => typeof t === 'object' && (t as Tensor).dtype === 'f16';
  if (!operands.some(half)) return compute(...operands);
  const y = compute(...operands.map((t) => (half(t) ? (cast(t as Tensor, 'f32') as T) : t)));
  return y.dtype === 'f32' ? cast(y, 'f16') : y;
}
