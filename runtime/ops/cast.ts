// Elements of another type.

import { defineOp, type OpRecord } from '../autograd/tape.ts';
import type { Device } from '../device/device.ts';
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
export function cast(x: Tensor, dtype: DType): Tensor {
  if (!(dtype in CODES)) throw new ShapeError('cast', `there is no dtype ${dtype}`, `give one of ${Object.keys(CODES).join(', ')}`);
  return x.dtype === dtype ? reshape(x, x.shape) : op({ x }, { dtype }).y;
}

/** What functions of real numbers see of integers: f32, as in PyTorch. */
export const real = (x: Tensor): Tensor => (x.dtype === 'i32' || x.dtype === 'u32' ? cast(x, 'f32') : x);

type Results = Tensor | Record<string, Tensor>;

const isTensor = (v: unknown): v is Tensor => typeof v === 'object' && v !== null && 'storage' in v;
const half = (v: unknown): boolean => isTensor(v) && v.dtype === 'f16';

/** Frees what `body` made on the way to its results, unless a gradient may flow back through it. */
function lean<R extends Results>(device: Device, body: () => R): R {
  const { result, made } = device.collect(body);
  const kept = new Set(isTensor(result) ? [result] : Object.values(result)), tracked = [...kept].some((t) => t.tracked);
  for (const t of made) {
    if (tracked || kept.has(t)) device.track(t);
    else t.dispose();
  }
  return result;
}

const narrowed = (y: Tensor): Tensor => (y.dtype === 'f32' ? cast(y, 'f16') : y);

/**
 * Runs an operation of f32 on operands that may be f16: those are widened, and the real numbers that it makes come back as f16. Gradients pass through both
 * casts, so they are f16 where the operand is. Needs no feature of the adapter.
 * @param operands tensors, and whatever else the operation takes
 * @throws ShapeError where f16 meets f32
 */
export function inF32<T extends readonly unknown[], R extends Results>(op: string, operands: T, compute: (...operands: T) => R): R {
  if (!operands.some(half)) return compute(...operands);
  const tensors = operands.filter(isTensor), wide = tensors.find((t) => t.dtype === 'f32');
  if (wide) throw new ShapeError(op, `[${wide.shape}] is f32, another operand f16`, 'cast one of them');
  return lean(tensors[0].device, () => {
    const y = compute(...(operands.map((v) => (half(v) ? cast(v as Tensor, 'f32') : v)) as unknown as T));
    return (isTensor(y) ? narrowed(y) : Object.fromEntries(Object.entries(y).map(([name, t]) => [name, narrowed(t)]))) as R;
  });
}

/**
 * {@link defineOp} for an operation whose kernels know f32 (and integers): inputs of f16 are widened, and where the first real one
 * is f16 the results are narrowed, as {@link inF32} does it. Others may be f32 beside it: the operation says which.
 */
export function defineReal<A>(record: OpRecord<A>): (inputs: Record<string, Tensor | undefined>, attrs: A) => Record<string, Tensor> {
  const op = defineOp(record);
  return (inputs, attrs) => {
    if (!Object.values(inputs).some(half)) return op(inputs, attrs);
    const device = Object.values(inputs).find(half)!.device;
    return lean(device, () => {
      const made = op(Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, t && half(t) ? cast(t, 'f32') : t])), attrs);
      if (!half(record.inputs.map((name) => inputs[name]).find((t) => t?.dtype === 'f16' || t?.dtype === 'f32'))) return made;
      return Object.fromEntries(Object.entries(made).map(([name, t]) => [name, record.saved?.includes(name) ? t : narrowed(t)]));
    });
  };
}
