// The wire format of protocol buffers: a message is a list of numbered fields. Nothing is copied; every length is
// checked before it is used.

import { OnnxError, UsageError } from '../../errors.ts';

/** One field: a number (varint or fixed) or the bytes of a string, a packed list or a message within. */
export interface Field {
  id: number;
  wire: 0 | 1 | 2 | 5;
  /** Of wire type 0: a 64-bit number, signed. */
  value: bigint;
  /** Of wire types 1, 2 and 5. */
  bytes: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** The bytes of a file, whatever holds them. @throws UsageError for anything but bytes */
export function bytesOf(file: Uint8Array | ArrayBuffer, what: string): Uint8Array {
  if (file instanceof Uint8Array) return file;
  if (ArrayBuffer.isView(file)) {
    const view = file as ArrayBufferView;
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }
  // By its name: an ArrayBuffer of another realm (a frame, a test runner) is not an instance of this one's.
  const kind = Object.prototype.toString.call(file).slice(8, -1);
  if (kind === 'ArrayBuffer' || kind === 'SharedArrayBuffer') return new Uint8Array(file);
  const hint = 'give a Uint8Array or an ArrayBuffer';
  throw new UsageError(`${what} is read from its bytes, not from a value of type ${kind}`, hint);
}

/**
 * Reads a varint at `at`.
 * @returns the signed 64-bit number and where it ends
 * @throws OnnxError when it is cut off or too long
 */
export function varint(bytes: Uint8Array, at: number): [value: bigint, end: number] {
  let low = 0;
  let shift = 0;
  let value = 0n;
  for (let i = at; i < bytes.length; i++) {
    const b = bytes[i];
    if (shift < 28) low |= (b & 127) << shift;
    else value |= BigInt(b & 127) << BigInt(shift);
    if (b < 128) return [BigInt.asIntN(64, value | BigInt(low)), i + 1];
    shift += 7;
    if (shift > 63) break;
  }
  throw new OnnxError(`a number at byte ${at} is cut off or too long`, 'the file is damaged or truncated');
}

/**
 * The fields of a message, in order.
 * @throws OnnxError when a field is cut off, claims more bytes than there are, or is of an unknown kind
 */
export function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  while (at < bytes.length) {
    const [key, start] = varint(bytes, at);
    const id = Number(BigInt.asUintN(64, key) >> 3n);
    const wire = Number(key & 7n);
    if (id < 1 || id >= 2 ** 29)
      throw new OnnxError(`there is no field ${id}`, 'this is not an ONNX model, or a damaged one');
    if (wire === 0) {
      const [value, end] = varint(bytes, start);
      yield { id, wire, value, bytes: NOTHING };
      at = end;
      continue;
    }
    if (wire !== 1 && wire !== 2 && wire !== 5)
      throw new OnnxError(`field ${id} is of unknown kind ${wire}`, 'this is not an ONNX model, or a damaged one');
    const [length, from] = wire === 2 ? varint(bytes, start) : [BigInt(wire === 1 ? 8 : 4), start];
    if (length < 0n || length > BigInt(bytes.length - from))
      throw new OnnxError(
        `field ${id} claims ${length} bytes, ${bytes.length - from} are left`,
        'the file is damaged or truncated',
      );
    at = from + Number(length);
    yield { id, wire, value: 0n, bytes: bytes.subarray(from, at) };
  }
}

/**
 * The numbers of a repeated field of integers, packed or a single one.
 * @throws OnnxError when it holds something else
 */
export function integers(f: Field, into: bigint[]): void {
  if (f.wire === 0) into.push(f.value);
  else
    for (let at = 0, bytes = message(f); at < bytes.length;) {
      const [value, end] = varint(bytes, at);
      into.push(value);
      at = end;
    }
}

/**
 * The numbers of a repeated field of floats (4 bytes) or doubles (8), packed or a single one.
 * @throws OnnxError when it holds something else
 */
export function reals(f: Field, width: 4 | 8, into: number[]): void {
  if ((f.wire !== 2 && f.wire !== (width === 4 ? 5 : 1)) || f.bytes.length % width !== 0)
    throw new OnnxError(`field ${f.id} does not hold a whole number of ${8 * width}-bit floats`, 'the file is damaged');
  const view = new DataView(f.bytes.buffer, f.bytes.byteOffset, f.bytes.byteLength);
  for (let at = 0; at < f.bytes.length; at += width)
    into.push(width === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true));
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The string of a field.
 * @throws OnnxError when it is a number, or no UTF-8: two names that are none would look alike
 */
export function text(f: Field): string {
  const bytes = message(f);
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new OnnxError(`field ${f.id} is text, but not UTF-8`, 'the file is damaged');
  }
}

/** The bytes of a message within. @throws OnnxError when the field is a number */
export function message(f: Field): Uint8Array {
  if (f.wire !== 2)
    throw new OnnxError(
      `field ${f.id} is a number where text or a message belongs`,
      'this is not an ONNX model, or a damaged one',
    );
  return f.bytes;
}

/** The integer of a field. @throws OnnxError when it is none, or beyond 2^53 */
export function integer(f: Field): number {
  const v = Number(f.value);
  if (f.wire !== 0 || !Number.isSafeInteger(v))
    throw new OnnxError(`field ${f.id} is not a whole number that fits`, 'this is not an ONNX model, or a damaged one');
  return v;
}
