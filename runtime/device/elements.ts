// Elements on the host: how many there may be, which array holds a dtype, and its bytes on their way to and from the GPU.

import { ShapeError } from '../errors.ts';
import { floatToHalf, halfToFloat } from '../half.ts';
import { BYTES, sizeOf, type DType, type Shape, type Storage, type TensorData } from '../tensor.ts';
import { mib } from './pool.ts';

const ARRAYS = { f32: Float32Array, f16: Uint16Array, i32: Int32Array, u32: Uint32Array } as const;

/** Kernels count elements in 32 bits, in places with a sign: neither a tensor nor one of its axes has as many, empty tensors included. */
export const MOST_ELEMENTS = 2 ** 31;

/** Bytes of a tensor that is about to be made. @param limit most that the adapter binds @throws ShapeError when there is no such dtype, the shape is none, or too large */
export function checkedBytes(shape: Shape, dtype: DType, limit: number, label: string): number {
  if (!Object.hasOwn(BYTES, dtype)) throw new ShapeError(label, `there is no dtype ${String(dtype)}`, `use ${Object.keys(BYTES).join(', ')}`);
  for (const d of shape) if (!Number.isInteger(d) || d < 0) throw new ShapeError(label, `[${shape}] is not a shape`, 'give whole numbers of at least 0');
  const size = sizeOf(shape), bytes = size * BYTES[dtype];
  // A binding is rounded up to 16 bytes.
  if (Math.ceil(bytes / 16) * 16 > limit) throw new ShapeError(label, `a tensor [${shape}] of ${mib(bytes)} is larger than the adapter can bind (${mib(limit)})`, 'use a smaller batch, crop or width');
  if (!(size < MOST_ELEMENTS) || shape.some((d) => d >= MOST_ELEMENTS)) throw new ShapeError(label, `[${shape}] has too many elements`, 'a tensor has less than 2^31 of them, in all and along an axis');
  return bytes;
}

/**
 * Elements as the array of a dtype: plain numbers are converted, a typed array must be the dtype's own (f16: a Uint16Array of its bits).
 * @param op who asks, for errors
 * @param dtype default: the one whose array it is; f32 for plain numbers
 * @throws ShapeError when the array is another dtype's
 */
export function elementsOf(op: string, data: TensorData | readonly number[], dtype?: DType): { values: TensorData; dtype: DType } {
  if (Array.isArray(data)) {
    const type = dtype ?? 'f32';
    return { values: type === 'f16' ? floatToHalf(data) : ARRAYS[type].from(data), dtype: type };
  }
  const own = (Object.keys(ARRAYS) as DType[]).find((d) => data instanceof ARRAYS[d]);
  if (!own || own !== (dtype ?? own)) {
    const want = dtype ? `${dtype} needs a ${ARRAYS[dtype].name}` : `give one of ${Object.values(ARRAYS).map((a) => a.name).join(', ')}`;
    throw new ShapeError(op, `the elements are in a ${data?.constructor?.name ?? typeof data}`, `${want}, or an array of numbers`);
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

/** The word that repeats a value of a dtype: its 32 bits, or its 16 twice. Rounded as the dtype has it, exact where it holds the value. */
export function wordOf(op: string, value: number, dtype: DType): number {
  const { values } = elementsOf(op, dtype === 'f16' ? [value, value] : [value], dtype);
  return new Uint32Array(values.buffer as ArrayBuffer, 0, 1)[0];
}

/** A bind group entry over the used part of a storage. */
export function bindingEntry(binding: number, storage: Storage): GPUBindGroupEntry {
  const size = Math.max(4, Math.ceil(storage.bytes / 4) * 4);
  return { binding, resource: { buffer: storage.buffer!, offset: 0, size: Math.min(storage.buffer!.size, Math.ceil(size / 16) * 16) } };
}
