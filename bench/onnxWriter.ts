// Writes the ONNX models that onnxruntime-web runs: only what the benchmark's graphs need. Source: onnx.proto3.

import type { Data } from './data.ts';

type Attribute = number | string | readonly number[];

export interface Node {
  op: string;
  inputs: readonly string[];
  outputs: readonly string[];
  /** Whole numbers, texts and lists of whole numbers. */
  attributes?: Readonly<Record<string, Attribute>>;
}

export interface Graph {
  nodes: readonly Node[];
  inputs: Readonly<Record<string, readonly number[]>>;
  outputs: readonly string[];
  weights?: Readonly<Record<string, Data>>;
}

const text = new TextEncoder();

function varint(n: number): number[] {
  const out: number[] = [];
  let v = BigInt.asUintN(64, BigInt(n));
  do {
    out.push(Number(v & 127n) | (v > 127n ? 128 : 0));
    v >>= 7n;
  } while (v > 0n);
  return out;
}

/** Fields of a message: whole numbers as varints, texts, bytes and messages with their length. */
function message(...fields: (readonly [number, number | string | Uint8Array] | null)[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const field of fields) {
    if (!field) continue;
    const [id, value] = field;
    if (typeof value === 'number') parts.push(Uint8Array.from([...varint(id << 3), ...varint(value)]));
    else {
      const bytes = typeof value === 'string' ? text.encode(value) : value;
      parts.push(Uint8Array.from([...varint((id << 3) | 2), ...varint(bytes.length)]), bytes);
    }
  }
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

const each = <T>(
  id: number,
  list: readonly T[],
  make: (t: T) => number | string | Uint8Array,
): (readonly [number, number | string | Uint8Array])[] => list.map((t) => [id, make(t)] as const);

function attribute([name, value]: [string, Attribute]): Uint8Array {
  if (typeof value === 'number') return message([1, name], [3, value], [20, 2]);
  if (typeof value === 'string') return message([1, name], [4, value], [20, 3]);
  return message([1, name], ...each(8, value, (v) => v), [20, 7]);
}

const FLOAT = 1;

function tensor([name, { shape, data }]: [string, Data]): Uint8Array {
  return message(
    ...each(1, shape, (d) => d),
    [2, FLOAT],
    [8, name],
    [9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
  );
}

/** A value of known shape; outputs leave theirs to be inferred. */
const value = (name: string, shape?: readonly number[]): Uint8Array => {
  const dims = shape && message(...each(1, shape, (d) => message([1, d])));
  return message([1, name], [2, message([1, message([1, FLOAT], dims ? [2, dims] : null)])]);
};

/** A model of opset 17 from a graph. */
export function writeOnnx({ nodes, inputs, outputs, weights = {} }: Graph): Uint8Array {
  const graph = message(
    ...each(1, nodes, (n) =>
      message(
        ...each(1, n.inputs, (i) => i),
        ...each(2, n.outputs, (o) => o),
        [4, n.op],
        ...each(5, Object.entries(n.attributes ?? {}), attribute),
      ),
    ),
    [2, 'bench'],
    ...each(5, Object.entries(weights), tensor),
    ...each(11, Object.entries(inputs), ([name, shape]) => value(name, shape)),
    ...each(12, outputs, (name) =>
      name === 'label' ? message([1, name], [2, message([1, message([1, 7])])]) : value(name),
    ),
  );
  return message([1, 8], [7, graph], [8, message([2, 17])]);
}
