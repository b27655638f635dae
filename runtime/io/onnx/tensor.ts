// The tensors of an ONNX model: element types by number and name, TensorProto, and data kept in other files.

import { OnnxError, UnsupportedError } from '../../errors.ts';
import { halfToFloat } from '../../half.ts';
import { bytesOf, fields, integer, integers, message, reals, text } from './protobuf.ts';

/** The element types that are read. On the device f16 and f64 are f32; the others i32. */
export type OnnxType = 'f32' | 'f64' | 'f16' | 'i32' | 'i64' | 'u8' | 'bool';

/** A tensor of a model. Numbers of i64 beyond 2^53 are rounded. */
export interface OnnxTensor {
  /** What its elements are. */
  dtype: OnnxType;
  /** Its shape. */
  shape: readonly number[];
  /** The elements, row-major. */
  data: readonly number[];
}

/**
 * Gives the bytes of a file that holds a model's external data, or undefined where there is no such file.
 * @param location as the model states it: a relative path with `/`, without `..`
 */
export type ExternalData = (location: string) => Uint8Array | ArrayBuffer | undefined;

/** ONNX's numbers of the element types. */
const TYPES: Readonly<Record<number, OnnxType>> = {
  1: 'f32',
  2: 'u8',
  6: 'i32',
  7: 'i64',
  9: 'bool',
  10: 'f16',
  11: 'f64',
};
/** The names of all element types in onnx.proto, by number. */
const NAMES = [
  'undefined',
  'float',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'double',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'uint4',
  'int4',
  'float4e2m1',
  'float8e8m0',
  'uint2',
  'int2',
];
const WIDTH: Record<OnnxType, number> = { f32: 4, f64: 8, f16: 2, i32: 4, i64: 8, u8: 1, bool: 1 };
const MOST_DIMENSIONS = 16;
const SUPPORTED = 'float, double, float16, int32, int64, uint8 and bool are supported';

/** @throws UnsupportedError when the engine has nothing for the type */
export function typeOf(code: number, what: string): OnnxType {
  const type = TYPES[code];
  if (type) return type;
  throw new UnsupportedError(what, `the element type ${NAMES[code] ?? code} is not supported`, SUPPORTED);
}

/** The number of an element type from its name in onnx.proto, in any case: how Cast named it before opset 6. */
export const codeOf = (name: string): number => NAMES.indexOf(name.toLowerCase());

function raw(dtype: OnnxType, bytes: Uint8Array): number[] {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const n = bytes.length / WIDTH[dtype];
  if (dtype === 'f16') {
    return Array.from(halfToFloat(Uint16Array.from({ length: n }, (_, i) => v.getUint16(2 * i, true))));
  }
  const at: Record<Exclude<OnnxType, 'f16'>, (i: number) => number> = {
    f32: (i) => v.getFloat32(4 * i, true),
    f64: (i) => v.getFloat64(8 * i, true),
    i32: (i) => v.getInt32(4 * i, true),
    i64: (i) => Number(v.getBigInt64(8 * i, true)),
    u8: (i) => bytes[i],
    bool: (i) => Number(bytes[i] !== 0),
  };
  const element = at[dtype];
  return Array.from({ length: n }, (_, i) => element(i));
}

/** The field of onnx.proto that holds elements of a type one by one. */
const FIELD: Record<OnnxType, number> = { f32: 4, f64: 10, f16: 5, i32: 5, u8: 5, bool: 5, i64: 7 };
/** What the whole numbers in such a field may be; a bool is any of these, a half its bits. */
const RANGE: Partial<Record<OnnxType, readonly [bigint, bigint]>> = {
  i32: [-(2n ** 31n), 2n ** 31n - 1n],
  u8: [0n, 255n],
  f16: [0n, 65535n],
};

/** The fields of a TensorProto. */
interface Proto {
  name: string;
  code: number;
  dims: bigint[];
  floats: number[];
  ints: bigint[];
  raw?: Uint8Array;
  /** Numbers of the fields with elements. */
  used: Set<number>;
  segment: boolean;
  external: boolean;
  /** Where external data is: keys and values as text. */
  place: Map<string, string>;
}

function readProto(bytes: Uint8Array): Proto {
  const p: Proto = {
    name: '',
    code: 0,
    dims: [],
    floats: [],
    ints: [],
    used: new Set(),
    segment: false,
    external: false,
    place: new Map(),
  };
  for (const f of fields(bytes)) {
    if (f.id === 1) integers(f, p.dims);
    else if (f.id === 2) p.code = integer(f);
    else if (f.id === 3) p.segment = true;
    else if (f.id === 4) reals(f, 4, p.floats);
    else if (f.id === 10) reals(f, 8, p.floats);
    else if (f.id === 5 || f.id === 7) integers(f, p.ints);
    else if (f.id === 8) p.name = text(f);
    else if (f.id === 9) p.raw = message(f);
    else if (f.id === 13) {
      const pair = ['', ''];
      for (const e of fields(message(f))) if (e.id === 1 || e.id === 2) pair[e.id - 1] = text(e);
      p.place.set(pair[0], pair[1]);
    } else if (f.id === 14) p.external = f.value !== 0n;
    if (f.id >= 4 && f.id <= 11 && f.id !== 8) p.used.add(f.id);
  }
  if (p.place.size > 0) p.external = true;
  return p;
}

/** The path of a file with external data. @throws OnnxError when it leads out of the folder of the model */
function locationOf(p: Proto): string {
  const location = (p.place.get('location') ?? '').replaceAll('\\', '/');
  const out = location === '' || location.startsWith('/') || /^[a-z][a-z0-9+.-]*:/i.test(location);
  if (!out && !location.split('/').includes('..')) return location;
  throw new OnnxError(
    `the tensor ${p.name} has its data in the file '${location}'`,
    'it must lie beside the model or in a folder below it: the path may not be absolute or contain ..',
  );
}

/** A whole number among the entries of external data. */
function placed(p: Proto, key: 'offset' | 'length', otherwise: number): number {
  const given = p.place.get(key);
  if (given === undefined) return otherwise;
  const n = Number(given);
  if (/^\d+$/.test(given) && Number.isSafeInteger(n)) return n;
  throw new OnnxError(`the ${key} of the external data of ${p.name} is '${given}'`, 'the file is damaged');
}

/** The bytes of a tensor whose data is in another file. */
function externalBytes(p: Proto, size: number, external: ExternalData | undefined): Uint8Array {
  const location = locationOf(p);
  const from = placed(p, 'offset', 0);
  const length = placed(p, 'length', size);
  if (p.used.size > 0) {
    throw new OnnxError(`the tensor ${p.name} has data both here and in ${location}`, 'the file is damaged');
  }
  if (length !== size) {
    const what = `the tensor ${p.name} needs ${size} bytes, its external data has ${length}`;
    throw new OnnxError(what, 'the file is damaged');
  }
  if (!external) {
    const hint = 'pass { external } to loadOnnx, a function that gives the bytes of that file';
    throw new UnsupportedError(p.name, `its data is external, in the file ${location}`, hint);
  }
  const found = external(location);
  if (!found) {
    throw new OnnxError(`there is no file ${location} with the data of ${p.name}`, 'give all files of the model');
  }
  const bytes = bytesOf(found, `the file ${location}`);
  if (from + length > bytes.length) {
    const where = `bytes ${from} to ${from + length} of ${location}`;
    const what = `the data of ${p.name} is in ${where}, which has ${bytes.length}`;
    throw new OnnxError(what, 'the file is truncated, or not the one of this model');
  }
  return bytes.subarray(from, from + length);
}

/**
 * Reads a TensorProto.
 * @throws OnnxError when its elements do not make its shape or its type, UnsupportedError for other element types, data
 *   in segments, or data in other files without a resolver
 * @param what stands for its name where it has none
 */
export function readTensor(bytes: Uint8Array, external?: ExternalData, what = 'tensor'): OnnxTensor & { name: string } {
  const proto = readProto(bytes);
  const p = { ...proto, name: proto.name || what };
  const { name } = p;
  const dtype = typeOf(p.code, name);
  if (p.segment) throw new UnsupportedError(name, 'its data is in segments', 'save the model with whole tensors');
  const shape = p.dims.map(Number);
  const n = shape.reduce((a, b) => a * b, 1);
  const lie = (have: number): never => {
    const message = `the tensor ${name} [${shape.slice(0, MOST_DIMENSIONS)}] ${dtype} has ${have} elements`;
    throw new OnnxError(message, 'the file is damaged or truncated');
  };
  const sane = shape.length <= MOST_DIMENSIONS && shape.every((d) => d >= 0 && Number.isSafeInteger(d));
  if (!sane || !Number.isSafeInteger(n)) lie(0);
  if (p.external) {
    return { name: proto.name, dtype, shape, data: raw(dtype, externalBytes(p, n * WIDTH[dtype], external)) };
  }
  if ([...p.used].some((id) => id !== (p.raw ? 9 : FIELD[dtype]))) {
    throw new OnnxError(`the tensor ${name} ${dtype} has elements of another type`, 'the file is damaged');
  }
  if (p.raw) {
    const whole = p.raw.length === n * WIDTH[dtype];
    return { name: proto.name, dtype, shape, data: whole ? raw(dtype, p.raw) : lie(p.raw.length / WIDTH[dtype]) };
  }
  const data = elementsOf(p, dtype);
  return { name: proto.name, dtype, shape, data: data.length === n ? data : lie(data.length) };
}

/** Elements that are listed one by one. */
function elementsOf({ name, floats, ints }: Proto, dtype: OnnxType): number[] {
  const range = RANGE[dtype];
  const wild = range && ints.find((v) => v < range[0] || v > range[1]);
  if (wild !== undefined) throw new OnnxError(`the tensor ${name} ${dtype} holds ${wild}`, 'the file is damaged');
  if (dtype === 'f16') return Array.from(halfToFloat(Uint16Array.from(ints, Number)));
  if (dtype === 'f32' || dtype === 'f64') return floats;
  return ints.map(dtype === 'bool' ? (v) => Number(v !== 0n) : Number);
}

/** The file that a TensorProto has its data in; undefined where it holds it itself. */
export function externalFile(bytes: Uint8Array): string | undefined {
  const p = readProto(bytes);
  return p.external ? locationOf(p) : undefined;
}
