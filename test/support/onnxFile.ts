// Writes ONNX files for tests, also ones that the reader refuses, and runs models of one node through such a file.

import { loadOnnx } from '../../runtime/io/onnx/graph.ts';
import type { OnnxAttribute, OnnxDimension, OnnxTensor, OnnxType } from '../../runtime/io/onnx/model.ts';
import { upload } from '../../runtime/io/onnx/operator.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from './device.ts';
import { f64, type F64 } from './op.ts';

export type Bytes = number[];

const varint = (v: bigint): Bytes => (v < 128n ? [Number(v)] : [Number(v & 127n) | 128, ...varint(v >> 7n)]);
const key = (id: number, wire: number): Bytes => varint(BigInt((id << 3) | wire));
/** A whole number. */
export const int = (id: number, v: number | bigint): Bytes => [...key(id, 0), ...varint(BigInt.asUintN(64, BigInt(v)))];
/** A message or bytes. */
export const part = (id: number, ...parts: readonly Bytes[]): Bytes => {
  const body = parts.flat();
  return [...key(id, 2), ...varint(BigInt(body.length)), ...body];
};
/** A text. */
export const str = (id: number, s: string): Bytes => part(id, [...new TextEncoder().encode(s)]);
/** A number of 32 bits. */
export const float = (id: number, v: number): Bytes => [...key(id, 5), ...new Uint8Array(Float32Array.of(v).buffer)];

const CODES: Record<OnnxType, number> = { f32: 1, u8: 2, i32: 6, i64: 7, bool: 9, f16: 10, f64: 11 };

/** The elements of a tensor as they are in a file. */
export function rawBytes({ dtype, data }: OnnxTensor): Bytes {
  const arrays = {
    f32: Float32Array,
    f64: Float64Array,
    i32: Int32Array,
    u8: Uint8Array,
    bool: Uint8Array,
    f16: Uint16Array,
  };
  const array = dtype === 'i64' ? BigInt64Array.from(data, BigInt) : arrays[dtype].from(data);
  return [...new Uint8Array(array.buffer)];
}

/** A TensorProto without its elements. */
export const tensorHead = (name: string, { dtype, shape }: Pick<OnnxTensor, 'dtype' | 'shape'>): Bytes[] => [
  ...shape.map((d) => int(1, d)),
  int(2, CODES[dtype]),
  ...(name ? [str(8, name)] : []),
];

const tensor = (name: string, t: OnnxTensor): Bytes[] => [...tensorHead(name, t), part(9, rawBytes(t))];

/** A tensor whose data is in another file. */
export function externalTensor(
  name: string,
  t: Pick<OnnxTensor, 'dtype' | 'shape'>,
  place: Record<string, string>,
): Bytes[] {
  const entries = Object.entries(place).map(([k, v]) => part(13, str(1, k), str(2, v)));
  return [...tensorHead(name, t), ...entries, int(14, 1)];
}

/** An AttributeProto: a number with a fraction is a float, one without a whole number. */
export function attribute(name: string, v: OnnxAttribute): Bytes[] {
  const head = str(1, name);
  if (typeof v === 'number' && Number.isInteger(v)) return [head, int(3, v), int(20, 2)];
  if (typeof v === 'number') return [head, float(2, v), int(20, 1)];
  if (typeof v === 'string') return [head, str(4, v), int(20, 3)];
  if (!Array.isArray(v)) return [head, part(5, ...tensor('', v as OnnxTensor)), int(20, 4)];
  if (v.every((n) => typeof n === 'string')) return [head, ...v.map((s) => str(9, s)), int(20, 8)];
  const numbers = v as number[];
  const whole = numbers.every(Number.isInteger);
  return [head, ...numbers.map((n) => (whole ? int(8, n) : float(7, n))), int(20, whole ? 7 : 6)];
}

export interface FileNode {
  op: string;
  domain?: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, OnnxAttribute>>;
  /** More attributes, as they are in the file. */
  raw?: readonly Bytes[][];
}

export interface FileValue {
  name: string;
  dtype?: OnnxType;
  shape?: readonly OnnxDimension[];
}

export interface FileModel {
  opset: number;
  nodes: readonly FileNode[];
  inputs: readonly FileValue[];
  outputs: readonly (string | FileValue)[];
  initializers?: Readonly<Record<string, OnnxTensor>>;
  /** More fields of the graph, as they are in the file. */
  raw?: readonly Bytes[];
}

function nodeBytes({ op, domain, inputs, outputs, attributes = {}, raw = [] }: FileNode): Bytes {
  const all = [...Object.entries(attributes).map(([name, v]) => attribute(name, v)), ...raw];
  return part(
    1,
    ...inputs.map((i) => str(1, i)),
    ...outputs.map((o) => str(2, o)),
    str(4, op),
    ...all.map((a) => part(5, ...a)),
    ...(domain ? [str(7, domain)] : []),
  );
}

function value(id: number, { name, dtype, shape }: FileValue): Bytes {
  const dimension = (d: OnnxDimension): Bytes =>
    part(1, d === null ? [] : typeof d === 'number' ? int(1, d) : str(2, d));
  const type = [...(dtype ? [int(1, CODES[dtype])] : []), ...(shape ? [part(2, ...shape.map(dimension))] : [])];
  return part(id, str(1, name), ...(dtype ? [part(2, part(1, ...type))] : []));
}

/** The bytes of a model. */
export function onnxFile({
  opset,
  nodes,
  inputs,
  outputs,
  initializers = {},
  raw = [],
}: FileModel): Uint8Array<ArrayBuffer> {
  const weights = Object.entries(initializers).map(([name, t]) => part(5, ...tensor(name, t)));
  const results = outputs.map((o) => value(12, typeof o === 'string' ? { name: o } : o));
  const graph = part(7, ...nodes.map(nodeBytes), ...weights, ...inputs.map((i) => value(11, i)), ...results, ...raw);
  return Uint8Array.from([...int(1, 8), ...part(8, int(2, opset)), ...graph]);
}

/** A node with one result and no attributes. */
export const node = (op: string, inputs: string[], output: string): FileNode => ({ op, inputs, outputs: [output] });

/** A tensor of f32. */
export const reals = (shape: Shape, data: readonly number[]): OnnxTensor => ({ dtype: 'f32', shape, data });
/** A list of whole numbers. */
export const list = (...data: number[]): OnnxTensor => ({ dtype: 'i64', shape: [data.length], data });

export interface NodeOptions {
  opset: number;
  /** How many results (default: one). */
  outputs?: number;
}

/** The results of one node, which goes through a file. What is left out is null. */
export async function runNode(
  op: string,
  inputs: readonly (OnnxTensor | null)[],
  attributes: Readonly<Record<string, OnnxAttribute>>,
  { opset, outputs = 1 }: NodeOptions,
): Promise<F64[]> {
  const device = await testDevice();
  const made = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const given = inputs.flatMap((t, i) => (t ? [{ name: `x${i}`, t }] : []));
  const bytes = onnxFile({
    opset,
    nodes: [{ op, inputs: inputs.map((t, i) => (t ? `x${i}` : '')), outputs: made, attributes }],
    inputs: given.map(({ name, t }) => ({ name, dtype: t.dtype, shape: [...t.shape] })),
    outputs: made,
  });
  const graph = loadOnnx(bytes, device);
  const x = Object.fromEntries(given.map(({ name, t }) => [name, upload(device, t).tensor]));
  try {
    const y = await graph.run(x);
    const results = await Promise.all(made.map(async (name) => f64(y[name].shape, await y[name].read())));
    for (const t of Object.values(y)) t.dispose();
    return results;
  } finally {
    for (const t of Object.values(x)) t.dispose();
    graph.dispose();
  }
}
