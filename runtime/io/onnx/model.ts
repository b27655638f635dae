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
  if (dtype === 'f16') return [...halfToFloat(Uint16Array.from({ length: n }, (_, i) => v.getUint16(2 * i, true)))];
  const at = { f32: (i: number) => v.getFloat32(4 * i, true), f64: (i: number) => v.getFloat64(8 * i, true), i32: (i: number) => v.getInt32(4 * i, true), i64: (i: number) => Number(v.getBigInt64(8 * i, true)), u8: (i: number) => bytes[i], bool: (i: number) => bytes[i] }[dtype];
  return Array.from({ length: n }, (_, i) => at(i));
}

/** Reads a TensorProto. @throws OnnxError when its elements do not make its shape, UnsupportedError for other element types or data in other files */
export function readTensor(bytes: Uint8Array): OnnxTensor & { name: string } {
  const dims: bigint[] = [], floats: number[] = [], ints: bigint[] = [];
  let code = 0, name = '', rawBytes: Uint8Array | undefined;
  for (const f of fields(bytes)) {
    if (f.id === 1) integers(f, dims);
    else if (f.id === 2) code = integer(f);
    else if (f.id === 4) reals(f, 4, floats);
    else if (f.id === 10) reals(f, 8, floats);
    else if (f.id === 5 || f.id === 7) integers(f, ints);
    else if (f.id === 8) name = text(f);
    else if (f.id === 9) rawBytes = message(f);
    else if (f.id === 13 || (f.id === 14 && f.value === 1n)) throw new UnsupportedError('initializer', 'a tensor lies in another file', 'save the model as one file');
  }
  const dtype = typeOf(code, name || 'tensor'), shape = dims.map(Number), n = shape.reduce((a, b) => a * b, 1);
  const lie = (have: number): never => raise(new OnnxError(`the tensor ${name} [${shape}] ${dtype} has ${have} elements`, 'the file is damaged or truncated'));
  if (shape.length > MOST_DIMENSIONS || shape.some((d) => d < 0 || !Number.isSafeInteger(d)) || !Number.isSafeInteger(n)) lie(0);
  if (rawBytes) return { name, dtype, shape, data: rawBytes.length === n * WIDTH[dtype] ? raw(dtype, rawBytes) : lie(rawBytes.length / WIDTH[dtype]) };
  const numbers = dtype === 'f16' ? [...halfToFloat(Uint16Array.from(ints, Number))] : dtype === 'f32' || dtype === 'f64' ? floats : ints.map(Number);
  return { name, dtype, shape, data: numbers.length === n ? numbers : lie(numbers.length) };
}

function readAttribute(bytes: Uint8Array): [string, OnnxAttribute] {
  const floats: number[] = [], ints: bigint[] = [], strings: string[] = [];
  let name = '', type = 0, f32: number[] = [0], i = 0n, s = '', t: OnnxTensor | undefined;
  for (const f of fields(bytes)) {
    if (f.id === 1) name = text(f);
    else if (f.id === 2) reals(f, 4, (f32 = []));
    else if (f.id === 3) i = f.value;
    else if (f.id === 4) s = text(f);
    else if (f.id === 5) {
      const { dtype, shape, data } = readTensor(message(f));
      t = { dtype, shape, data };
    } else if (f.id === 7) reals(f, 4, floats);
    else if (f.id === 8) integers(f, ints);
    else if (f.id === 9) strings.push(text(f));
    else if (f.id === 20) type = integer(f);
  }
  const value = { 1: f32[0], 2: Number(i), 3: s, 4: t, 6: floats, 7: ints.map(Number), 8: strings }[type];
  return [name, value ?? raise(new UnsupportedError(`attribute ${name}`, `is of kind ${type}`, 'numbers, strings, tensors and lists of them are supported'))];
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
  return { op, ...(domain ? { domain } : {}), inputs, outputs, attributes: Object.fromEntries(attributes) };
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
    if (f.id === 7) graph = message(f);
    else if (f.id === 8) {
      let domain = '', version = 0;
      for (const o of fields(message(f))) {
        if (o.id === 1) domain = text(o);
        else if (o.id === 2) version = integer(o);
      }
      if (domain === '' || domain === 'ai.onnx' || opset === 0) opset = version;
    }
  }
  if (!graph) throw new OnnxError('there is no graph in the model', 'this is no ONNX model, or a truncated one');
  const nodes: OnnxNode[] = [], inputs: { name: string; code: number }[] = [], outputs: { name: string }[] = [], initializers = new Map<string, OnnxTensor>();
  for (const f of fields(graph)) {
    if (f.id === 1) nodes.push(readNode(message(f)));
    else if (f.id === 5) {
      const { name, ...t } = readTensor(message(f));
      initializers.set(name, t);
    } else if (f.id === 11) inputs.push(readValue(message(f)));
    else if (f.id === 12) outputs.push({ name: readValue(message(f)).name });
  }
  // Before version 4 of the format initializers were listed among the inputs.
  const given = inputs.filter((i) => !initializers.has(i.name)).map(({ name, code }) => ({ name, dtype: typeOf(code, `input ${name}`) }));
  return { opset, nodes, inputs: given, outputs, initializers };
}
