// An ONNX model as plain data: read from the bytes of a file (onnx.proto), checked, not yet on a device.

import { OnnxError, UnsupportedError } from '../../errors.ts';
import { halfToFloat } from '../../half.ts';
import { fields, integer, integers, message, reals, text } from './protobuf.ts';

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

/** A setting of a node. */
export type OnnxAttribute = number | string | readonly number[] | readonly string[] | OnnxTensor;

/** One operation of a graph. */
export interface OnnxNode {
  /** Name of the operator. */
  op: string;
  /** '' is ONNX's own. */
  domain?: string;
  /** '' is an input that is left out. */
  inputs: readonly string[];
  /** Names of its results; empty for those that are not wanted. */
  outputs: readonly string[];
  /** Its settings by name. */
  attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** An input or output of a graph. */
export interface OnnxValueInfo {
  /** Its name. */
  name: string;
  /** What its elements are. */
  dtype: OnnxType;
}

/** A graph, with its nodes in any order. */
export interface OnnxModel {
  /** Version of the operators. */
  opset: number;
  /** The nodes, in the order of the file. */
  nodes: readonly OnnxNode[];
  /** What the graph is given, without the initializers. */
  inputs: readonly OnnxValueInfo[];
  /** What it gives. */
  outputs: readonly { name: string }[];
  /** The weights by name. */
  initializers: ReadonlyMap<string, OnnxTensor>;
}

/** ONNX's numbers of the element types. */
export const TYPES: Readonly<Record<number, OnnxType>> = { 1: 'f32', 2: 'u8', 6: 'i32', 7: 'i64', 9: 'bool', 10: 'f16', 11: 'f64' };
const WIDTH: Record<OnnxType, number> = { f32: 4, f64: 8, f16: 2, i32: 4, i64: 8, u8: 1, bool: 1 };
const MOST_DIMENSIONS = 16;

/** @throws UnsupportedError when the engine has nothing for the type */
export function typeOf(code: number, what: string): OnnxType {
  return TYPES[code] ?? raise(new UnsupportedError(what, `element type ${code} is not supported`, 'f32, f64, f16, i32, i64, u8 and bool are'));
}

function raise(error: Error): never {
  throw error;
}

function raw(dtype: OnnxType, bytes: Uint8Array): number[] {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), n = bytes.length / WIDTH[dtype];
  if (dtype === 'f16') return Array.from(halfToFloat(Uint16Array.from({ length: n }, (_, i) => v.getUint16(2 * i, true))));
  const at = { f32: (i: number) => v.getFloat32(4 * i, true), f64: (i: number) => v.getFloat64(8 * i, true), i32: (i: number) => v.getInt32(4 * i, true), i64: (i: number) => Number(v.getBigInt64(8 * i, true)), u8: (i: number) => bytes[i], bool: (i: number) => Number(bytes[i] !== 0) }[dtype];
  return Array.from({ length: n }, (_, i) => at(i));
}

/** The field of onnx.proto that holds elements of a type one by one. */
const FIELD: Record<OnnxType, number> = { f32: 4, f64: 10, f16: 5, i32: 5, u8: 5, bool: 5, i64: 7 };
/** What the whole numbers in such a field may be; a bool is any of these, a half its bits. */
const RANGE: Partial<Record<OnnxType, readonly [bigint, bigint]>> = { i32: [-(2n ** 31n), 2n ** 31n - 1n], u8: [0n, 255n], f16: [0n, 65535n] };

/** Reads a TensorProto. @throws OnnxError when its elements do not make its shape or its type, UnsupportedError for other element types or data in other files */
export function readTensor(bytes: Uint8Array): OnnxTensor & { name: string } {
  const dims: bigint[] = [], floats: number[] = [], ints: bigint[] = [], used = new Set<number>();
  let code = 0, name = '', rawBytes: Uint8Array | undefined;
  for (const f of fields(bytes)) {
    if (f.id === 1) integers(f, dims);
    else if (f.id === 2) code = integer(f);
    else if (f.id === 4) reals(f, 4, floats);
    else if (f.id === 10) reals(f, 8, floats);
    else if (f.id === 5 || f.id === 7) integers(f, ints);
    else if (f.id === 8) name = text(f);
    else if (f.id === 9) rawBytes = message(f);
    else if (f.id === 3) throw new UnsupportedError('initializer', 'a tensor comes in segments', 'save the model as one file');
    else if (f.id === 13 || (f.id === 14 && f.value !== 0n)) throw new UnsupportedError('initializer', 'a tensor lies in another file', 'save the model as one file');
    if (f.id >= 4 && f.id <= 11 && f.id !== 8) used.add(f.id);
  }
  const dtype = typeOf(code, name || 'tensor'), shape = dims.map(Number), n = shape.reduce((a, b) => a * b, 1);
  const lie = (have: number): never => raise(new OnnxError(`the tensor ${name} [${shape.slice(0, MOST_DIMENSIONS)}] ${dtype} has ${have} elements`, 'the file is damaged or truncated'));
  if (shape.length > MOST_DIMENSIONS || shape.some((d) => d < 0 || !Number.isSafeInteger(d)) || !Number.isSafeInteger(n)) lie(0);
  if ([...used].some((id) => id !== (rawBytes ? 9 : FIELD[dtype]))) throw new OnnxError(`the tensor ${name} ${dtype} has elements of another type`, 'the file is damaged');
  if (rawBytes) return { name, dtype, shape, data: rawBytes.length === n * WIDTH[dtype] ? raw(dtype, rawBytes) : lie(rawBytes.length / WIDTH[dtype]) };
  const [least, most] = RANGE[dtype] ?? [], wild = least === undefined ? undefined : ints.find((v) => v < least || v > most!);
  if (wild !== undefined) throw new OnnxError(`the tensor ${name} ${dtype} holds ${wild}`, 'the file is damaged');
  const numbers = dtype === 'f16' ? Array.from(halfToFloat(Uint16Array.from(ints, Number))) : dtype === 'f32' || dtype === 'f64' ? floats : ints.map(dtype === 'bool' ? (v) => Number(v !== 0n) : Number);
  return { name, dtype, shape, data: numbers.length === n ? numbers : lie(numbers.length) };
}

function readAttribute(bytes: Uint8Array): [string, OnnxAttribute] {
  const floats: number[] = [], ints: bigint[] = [], strings: string[] = [], f32: number[] = [];
  let name = '', type = 0, i = 0n, s = '', t: OnnxTensor | undefined;
  for (const f of fields(bytes)) {
    if (f.id === 1) name = text(f);
    else if (f.id === 2) reals(f, 4, f32);
    else if (f.id === 3) {
      if (f.wire !== 0) throw new OnnxError(`the attribute ${name} is no whole number`, 'the file is damaged');
      i = f.value;
    } else if (f.id === 4) s = text(f);
    else if (f.id === 5) {
      if (t) throw new OnnxError(`the attribute ${name} has two tensors`, 'the file is damaged');
      const { dtype, shape, data } = readTensor(message(f));
      t = { dtype, shape, data };
    } else if (f.id === 7) reals(f, 4, floats);
    else if (f.id === 8) integers(f, ints);
    else if (f.id === 9) strings.push(text(f));
    else if (f.id === 20) type = integer(f);
  }
  const value = { 1: f32.at(-1) ?? 0, 2: Number(i), 3: s, 4: t, 6: floats, 7: ints.map(Number), 8: strings }[type];
  return [name, value ?? raise(new UnsupportedError(`attribute ${name}`, `is of kind ${type}`, 'numbers, strings, tensors and lists of them are supported'))];
}

/** Entries by name. @throws OnnxError when a name comes twice */
function named<T>(what: string, entries: readonly (readonly [string, T])[]): Map<string, T> {
  const found = new Map<string, T>();
  for (const [name, value] of entries) {
    if (found.has(name)) throw new OnnxError(`there are two ${what} called ${name}`, 'the model contradicts itself');
    found.set(name, value);
  }
  return found;
}

function readNode(bytes: Uint8Array): OnnxNode {
  const inputs: string[] = [], outputs: string[] = [], attributes: [string, OnnxAttribute][] = [];
  let op = '', domain = '';
  for (const f of fields(bytes)) {
    if (f.id === 1) inputs.push(text(f));
    else if (f.id === 2) outputs.push(text(f));
    else if (f.id === 4) op = text(f);
    else if (f.id === 5) attributes.push(readAttribute(message(f)));
    else if (f.id === 7) domain = text(f);
  }
  return { op, ...(domain ? { domain } : {}), inputs, outputs, attributes: Object.fromEntries(named('attributes', attributes)) };
}

/** The name and the element type of a ValueInfoProto: type (2), tensor_type (1), elem_type (1). */
function readValue(bytes: Uint8Array): { name: string; code: number } {
  let name = '', code = 0;
  for (const f of fields(bytes)) {
    if (f.id === 1) name = text(f);
    else if (f.id === 2) for (const t of fields(message(f))) if (t.id === 1) for (const e of fields(message(t))) if (e.id === 1) code = integer(e);
  }
  return { name, code };
}

/**
 * Reads an ONNX file. Only what the engine needs is kept; functions, subgraphs and data in other files are not supported.
 * @throws OnnxError when the bytes are damaged, truncated or no ONNX model, UnsupportedError for what the engine lacks
 * @example const model = readOnnx(new Uint8Array(await file.arrayBuffer()));
 */
export function readOnnx(bytes: Uint8Array): OnnxModel {
  let graph: Uint8Array | undefined, opset = 0;
  for (const f of fields(bytes)) {
    if (f.id === 7) {
      if (graph) throw new OnnxError('there are two graphs in the model', 'the file is damaged');
      graph = message(f);
    } else if (f.id === 8) {
      let domain = '', version = 0;
      for (const o of fields(message(f))) {
        if (o.id === 1) domain = text(o);
        else if (o.id === 2) version = integer(o);
      }
      if (domain === '' || domain === 'ai.onnx' || opset === 0) opset = version;
    }
  }
  if (!graph) throw new OnnxError('there is no graph in the model', 'this is no ONNX model, or a truncated one');
  const nodes: OnnxNode[] = [], inputs: { name: string; code: number }[] = [], outputs: { name: string }[] = [], weights: [string, OnnxTensor][] = [];
  for (const f of fields(graph)) {
    if (f.id === 1) nodes.push(readNode(message(f)));
    else if (f.id === 5) {
      const { name, ...t } = readTensor(message(f));
      weights.push([name, t]);
    } else if (f.id === 15) throw new UnsupportedError('initializer', 'a tensor is sparse');
    else if (f.id === 11) inputs.push(readValue(message(f)));
    else if (f.id === 12) outputs.push({ name: readValue(message(f)).name });
  }
  const initializers = named('initializers', weights);
  named('inputs', inputs.map((i) => [i.name, i] as const));
  named('outputs', outputs.map((o) => [o.name, o] as const));
  // Before version 4 of the format initializers were listed among the inputs.
  const given = inputs.filter((i) => !initializers.has(i.name)).map(({ name, code }) => ({ name, dtype: typeOf(code, `input ${name}`) }));
  return { opset, nodes, inputs: given, outputs, initializers };
}
