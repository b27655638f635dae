// Elements on the host: how many there may be, which array holds a dtype, and its bytes on their way to and from the
// GPU.

import { ShapeError } from '../errors.ts';
import { floatToHalf, halfToFloat } from '../half.ts';
import { BYTES, sizeOf, type DType, type Shape, type Tensor, type TensorData } from '../tensor.ts';
import { mib } from './pool.ts';

const ARRAYS = { f32: Float32Array, f16: Uint16Array, i32: Int32Array, u32: Uint32Array } as const;

/**
 * Kernels count elements in 32 bits, in places with a sign: neither a tensor nor one of its axes has as many, empty
 * tensors included.
 */
export const MOST_ELEMENTS = 2 ** 31;

/** @throws ShapeError when there is no such dtype */
function checkDtype(op: string, dtype: DType): void {
  if (Object.hasOwn(BYTES, dtype)) return;
  throw new ShapeError(op, `there is no dtype ${String(dtype)}`, `use ${Object.keys(BYTES).join(', ')}`);
}

/**
 * Bytes of a tensor that is about to be made.
 * @param limit most that the adapter binds
 * @throws ShapeError when there is no such dtype, the shape is none, or too large
 */
export function checkedBytes(shape: Shape, dtype: DType, limit: number, label: string): number {
  checkDtype(label, dtype);
  if (!Array.isArray(shape)) {
    throw new ShapeError(label, `the shape is ${String(shape)}`, 'give a list of sizes, such as [2, 3]');
  }
  for (const d of shape)
    if (!Number.isInteger(d) || d < 0)
      throw new ShapeError(label, `[${shape}] is not a shape`, 'give whole numbers of at least 0');
  const size = sizeOf(shape);
  const bytes = size * BYTES[dtype];
  // A binding is rounded up to 16 bytes.
  if (Math.ceil(bytes / 16) * 16 > limit)
    throw new ShapeError(
      label,
      `a tensor [${shape}] of ${mib(bytes)} is larger than the adapter can bind (${mib(limit)})`,
      'use a smaller batch, crop or width',
    );
  if (!(size < MOST_ELEMENTS) || shape.some((d) => d >= MOST_ELEMENTS))
    throw new ShapeError(
      label,
      `[${shape}] has too many elements`,
      'a tensor has less than 2^31 of them, in all and along an axis',
    );
  return bytes;
}

/** What the dtypes hold, in words. f16 and f32 round what lies between their numbers. */
const HELD: Readonly<Record<DType, string>> = {
  i32: 'a whole number from -2147483648 to 2147483647',
  u32: 'a whole number from 0 to 4294967295',
  f16: 'a number from -65504 to 65504, Infinity or NaN',
  f32: 'a number up to 3.4e38, Infinity or NaN',
};

/** The least magnitude that rounds to infinity. */
const OVERFLOW = { f16: 65520, f32: 2 ** 128 - 2 ** 103 };

/**
 * Checks that a dtype holds a number: integers neither fractions nor NaN nor what is beyond them, f16 and f32 no finite
 * number that would become infinite.
 * @throws ShapeError
 */
export function checkNumber(op: string, value: number, dtype: DType): void {
  const fits =
    dtype === 'i32'
      ? (value | 0) === value
      : dtype === 'u32'
        ? value >>> 0 === value
        : typeof value === 'number' && !(Math.abs(value) >= OVERFLOW[dtype] && Number.isFinite(value));
  if (fits) return;
  const shown = typeof value === 'number' ? value : (JSON.stringify(value) ?? String(value));
  throw new ShapeError(op, `${shown} is not ${dtype === 'u32' ? 'a' : 'an'} ${dtype}`, `give ${HELD[dtype]}, or cast`);
}

/**
 * Elements as the array of a dtype: plain numbers are converted, a typed array must be the dtype's own (f16: a
 * Uint16Array of its bits).
 * @param op who asks, for errors
 * @param dtype default: the one whose array it is; f32 for plain numbers
 * @throws ShapeError when the array is another dtype's, there is no such dtype, or it does not hold a number
 */
export function elementsOf(
  op: string,
  data: TensorData | readonly number[],
  dtype?: DType,
): { values: TensorData; dtype: DType } {
  if (dtype !== undefined) checkDtype(op, dtype);
  if (Array.isArray(data)) {
    const type = dtype ?? 'f32';
    for (const v of data) checkNumber(op, v, type);
    return { values: type === 'f16' ? floatToHalf(data) : ARRAYS[type].from(data), dtype: type };
  }
  const own = (Object.keys(ARRAYS) as DType[]).find((d) => data instanceof ARRAYS[d]);
  if (!own || own !== (dtype ?? own)) {
    const want = dtype
      ? `${dtype} needs a ${ARRAYS[dtype].name}`
      : `give one of ${Object.values(ARRAYS)
          .map((a) => a.name)
          .join(', ')}`;
    throw new ShapeError(
      op,
      `the elements are in a ${data?.constructor?.name ?? typeof data}`,
      `${want}, or an array of numbers`,
    );
  }
  return { values: data as TensorData, dtype: own };
}

/** The bytes of the elements, filled up with zeros to the multiple of four that WebGPU copies. */
export function wholeWords(values: TensorData): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
  if (bytes.length % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}

/** The elements in bytes that were read; f16 as f32. */
export function fromBytes(dtype: DType, bytes: ArrayBuffer): Float32Array | Int32Array | Uint32Array {
  return dtype === 'f16' ? halfToFloat(new Uint16Array(bytes)) : new ARRAYS[dtype](bytes);
}

/**
 * The word that repeats a value of a dtype: its 32 bits, or its 16 twice. Rounded as the dtype has it, exact where it
 * holds the value.
 */
export function wordOf(op: string, value: number, dtype: DType): number {
  const { values } = elementsOf(op, dtype === 'f16' ? [value, value] : [value], dtype);
  return new Uint32Array(values.buffer as ArrayBuffer, 0, 1)[0];
}

/** @throws ShapeError where `from` cannot be copied to element `offset` of `to`: both have elements of four bytes */
export function checkPart(from: Tensor, to: Tensor, offset: number): void {
  const fits =
    from.dtype === to.dtype &&
    BYTES[from.dtype] === 4 &&
    Number.isInteger(offset) &&
    offset >= 0 &&
    from.storage !== to.storage &&
    offset + from.size <= to.size;
  if (!fits) throw new ShapeError('copyInto', `${from} at ${offset} does not fit into ${to}`);
}
