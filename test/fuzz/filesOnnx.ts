// Malformed ONNX files: the wire format as a tree that a mutation changes and writes again, a few models, and a second
// reading of what was loaded.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { OnnxModel } from '../../runtime/io/onnx/model.ts';
import type { Rng } from '../../runtime/random.ts';
import { sharedFolder } from '../support/shared.ts';
import { damaged, HARD, joined, noise, pick, type Mutation } from './filesBytes.ts';

/** A field: a number, four or eight bytes, or bytes that hold a message where the schema says so. */
export interface Part {
  id: number;
  wire: number;
  value: bigint | Uint8Array | Part[];
  of?: string;
}

/** Which fields of onnx.proto are messages. */
const SCHEMA: Record<string, Record<number, string>> = {
  Model: { 7: 'Graph', 8: 'Opset' },
  Graph: { 1: 'Node', 5: 'Tensor', 11: 'Value', 12: 'Value', 13: 'Value' },
  Node: { 5: 'Attribute' },
  Attribute: { 5: 'Tensor' },
  Value: { 2: 'Type' },
  Type: { 1: 'TensorType' },
  TensorType: { 2: 'Shape' },
  Shape: { 1: 'Dimension' },
};

export function varintBytes(v: bigint, filler = 0): number[] {
  const out: number[] = [];
  for (let left = BigInt.asUintN(64, v); ; left >>= 7n) {
    out.push(Number(left & 127n) | (left > 127n || filler > 0 ? 128 : 0));
    if (left <= 127n) break;
  }
  for (let k = filler; k > 0; k--) out.push(k > 1 ? 128 : 0);
  return out;
}

/** The fields of a message; those of messages within, where they are some. @throws Error where the bytes are cut off */
export function parse(bytes: Uint8Array, type: string): Part[] {
  const within = (raw: Uint8Array, of: string): Part[] | Uint8Array => {
    try {
      return parse(raw, of);
    } catch {
      return raw;
    }
  };
  const parts: Part[] = [];
  let at = 0;
  const varint = (): bigint => {
    let v = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const b = bytes[at++];
      if (b === undefined || shift > 63n) throw new Error('cut off');
      v |= BigInt(b & 127) << shift;
      if (b < 128) return BigInt.asIntN(64, v);
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const id = key >>> 3;
    const wire = key & 7;
    if (wire === 0) parts.push({ id, wire, value: varint() });
    else {
      if (wire !== 1 && wire !== 2 && wire !== 5) throw new Error('of no kind');
      const n = wire === 2 ? Number(varint()) : wire === 1 ? 8 : 4;
      const raw = bytes.slice(at, (at += n));
      const of = SCHEMA[type]?.[id];
      if (raw.length < n) throw new Error('cut off');
      parts.push({ id, wire, value: of && wire === 2 ? within(raw, of) : raw, ...(of ? { of } : {}) });
    }
  }
  return parts;
}

export function write(parts: readonly Part[]): Uint8Array {
  return joined(
    ...parts.flatMap(({ id, wire, value }) => {
      const key = varintBytes(BigInt(id) * 8n + BigInt(wire));
      if (typeof value === 'bigint') return [key, varintBytes(value)];
      const body = Array.isArray(value) ? write(value) : value;
      return wire === 2 ? [key, varintBytes(BigInt(body.length)), body] : [key, body];
    }),
  );
}

const utf8 = new TextEncoder();
const int = (id: number, v: number | bigint): Part => ({ id, wire: 0, value: BigInt(v) });
const str = (id: number, s: string): Part => ({ id, wire: 2, value: utf8.encode(s) });
const sub = (id: number, ...value: Part[]): Part => ({ id, wire: 2, value });
const floats = (v: number[]): Uint8Array => new Uint8Array(Float32Array.from(v).buffer);

const value = (id: number, name: string, code: number, shape: number[]): Part =>
  sub(id, str(1, name), sub(2, sub(1, int(1, code), sub(2, ...shape.map((d) => sub(1, int(1, d)))))));
const node = (op: string, inputs: string[], outputs: string[], ...attributes: Part[]): Part =>
  sub(1, ...inputs.map((i) => str(1, i)), ...outputs.map((o) => str(2, o)), str(4, op), ...attributes);
const ints = (name: string, v: number[]): Part => sub(5, str(1, name), ...v.map((n) => int(8, n)), int(20, 7));
const weight = (name: string, shape: number[], v: number[]): Part =>
  sub(5, ...shape.map((d) => int(1, d)), int(2, 1), str(8, name), { id: 9, wire: 2, value: floats(v) });
const model = (...parts: Part[]): Uint8Array => write([int(1, 8), sub(8, int(2, 17)), sub(7, ...parts)]);

/** Models of a few nodes each. */
function ownModels(): Uint8Array[] {
  const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(i));
  return [
    model(
      node('Conv', ['x', 'w', 'b'], ['c'], ints('pads', [1, 1, 1, 1]), ints('strides', [2, 2])),
      node('Relu', ['c'], ['r']),
      node('GlobalAveragePool', ['r'], ['p']),
      node('Flatten', ['p'], ['f']),
      node('MatMul', ['f', 'm'], ['y']),
      weight('w', [4, 3, 3, 3], numbers(108)),
      weight('b', [4], numbers(4)),
      weight('m', [4, 2], numbers(8)),
      value(11, 'x', 1, [1, 3, 6, 6]),
      value(12, 'y', 1, [1, 2]),
    ),
    model(
      node('Reshape', ['x', 's'], ['r']),
      node('Softmax', ['r'], ['p'], sub(5, str(1, 'axis'), int(3, -1), int(20, 2))),
      node('Concat', ['p', 'p'], ['y'], sub(5, str(1, 'axis'), int(3, 0), int(20, 2))),
      sub(5, int(1, 2), int(2, 7), int(7, 3), int(7, -1), str(8, 's')),
      value(11, 'x', 1, [2, 3]),
      value(12, 'y', 1, [6, 2]),
    ),
    model(
      node(
        'Constant',
        [],
        ['k'],
        sub(
          5,
          str(1, 'value'),
          { id: 5, wire: 2, value: write([int(1, 2), int(2, 1), { id: 4, wire: 2, value: floats([1, 2]) }]) },
          int(20, 4),
        ),
      ),
      node('Expand', ['k', 's'], ['e']),
      node('Add', ['e', 'x'], ['y']),
      sub(
        5,
        int(1, 2),
        int(2, 7),
        { id: 9, wire: 2, value: new Uint8Array(BigInt64Array.of(3n, 2n).buffer) },
        str(8, 's'),
      ),
      value(11, 'x', 1, [3, 2]),
      value(12, 'y', 1, [3, 2]),
    ),
  ];
}

/** Own models, and the small ones of ONNX's node tests where they lie beside the project. */
export function onnxSeeds(): Uint8Array[] {
  const folder = sharedFolder('conformance/onnx-node');
  const own = ownModels();
  if (!folder) return own;
  const files = (readdirSync(folder, { recursive: true }) as string[])
    .filter((f) => f.endsWith('model.onnx'))
    .sort()
    .map((f) => join(folder, f))
    .filter((f) => statSync(f).size < 20000);
  return [...own, ...own, ...files.map((f) => new Uint8Array(readFileSync(f)))];
}

/** Every list of fields in a tree, with the fields that lead to it. */
function lists(parts: Part[], into: Part[][] = []): Part[][] {
  into.push(parts);
  for (const p of parts) if (Array.isArray(p.value)) lists(p.value, into);
  return into;
}

const names = (parts: Part[]): Uint8Array[] =>
  lists(parts).flatMap((l) =>
    l.flatMap((p) =>
      p.value instanceof Uint8Array && p.wire === 2 && p.value.length > 0 && p.value.length < 20 ? [p.value] : [],
    ),
  );

/** A tree changed in one place. */
function changed(rng: Rng, tree: Part[]): { what: string; expect: Mutation['expect'] } {
  const all = lists(tree).filter((l) => l.length > 0);
  const list = pick(rng, all);
  const at = rng.int(list.length);
  const p = list[at];
  const id = `field ${p.id}`;
  switch (rng.int(11)) {
    case 0:
      return (list.splice(at, 1), { what: `${id} left out`, expect: 'either' });
    case 1:
      return (list.splice(at, 0, p), { what: `${id} doubled`, expect: 'either' });
    case 2: {
      const other = rng.int(list.length);
      [list[at], list[other]] = [list[other], p];
      return { what: `${id} and field ${list[at].id} exchanged`, expect: 'either' };
    }
    case 3:
      return (
        (list[at] = { ...p, id: pick(rng, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 20, 2 ** 28]) }),
        { what: `${id} is another`, expect: 'either' }
      );
    case 4: {
      const wire = pick(rng, [0, 1, 2, 3, 4, 5, 6, 7]);
      list[at] =
        wire === 0
          ? int(p.id, rng.int(300))
          : { id: p.id, wire, value: noise(rng, wire === 1 ? 8 : wire === 5 ? 4 : rng.int(12)) };
      return { what: `${id} is of kind ${wire}`, expect: 'either' };
    }
    case 5:
      list.splice(at, 0, { id: 99, wire: 2, value: noise(rng, 5) });
      return { what: 'a field of the future', expect: 'same' };
    case 6: {
      // Names that meet: cycles, names made twice, inputs that nothing makes.
      const texts = names(tree);
      const target = list.find((q) => q.value instanceof Uint8Array && q.wire === 2) ?? p;
      if (texts.length && !Array.isArray(target.value)) {
        target.value = pick(rng, [
          pick(rng, texts),
          utf8.encode('nobody'),
          utf8.encode('__proto__'),
          utf8.encode('constructor'),
          Uint8Array.of(255, 254),
          new Uint8Array(0),
        ]);
        target.wire = 2;
      }
      return { what: `field ${target.id} has another name`, expect: 'either' };
    }
    case 7: {
      let deep: Part[] = [];
      for (let k = 0; k < 10 ** (1 + rng.int(3)); k++) deep = [{ id: pick(rng, [5, 6, 7, 11]), wire: 2, value: deep }];
      list.splice(at, 0, ...deep);
      return { what: 'messages in messages', expect: 'either' };
    }
    case 8:
      return (
        list.splice(at, 0, sub(13, str(1, 'location'), str(2, '../../secret')), int(14, 1)),
        { what: 'data elsewhere', expect: 'either' }
      );
    default: {
      const numbers = lists(tree).flatMap((l) => l.filter((q) => q.wire === 0));
      if (numbers.length === 0) return { what: 'nothing', expect: 'either' };
      const target = pick(rng, numbers);
      target.value = pick(rng, [...HARD, -1n, 2n, 3n, 4n, 5n, 6n, 9n, 16n, 1000n]);
      return { what: `field ${target.id} is ${target.value}`, expect: 'either' };
    }
  }
}

/** The numbers of a message written longer than need be, which says the same. */
function padded(rng: Rng, seed: Uint8Array): Mutation {
  const grown = (parts: readonly Part[]): Uint8Array =>
    joined(
      ...parts.flatMap(({ id, wire, value: v }) => {
        const key = varintBytes(BigInt(id) * 8n + BigInt(wire), rng.int(3));
        if (typeof v === 'bigint') return [key, varintBytes(v, v < 0n ? 0 : rng.int(2))];
        const body = Array.isArray(v) ? grown(v) : v;
        return wire === 2 ? [key, varintBytes(BigInt(body.length), rng.int(3)), body] : [key, body];
      }),
    );
  return { what: 'long numbers', bytes: grown(parse(seed, 'Model')), expect: 'same' };
}

export function mutateOnnx(rng: Rng, seed: Uint8Array): Mutation {
  const kind = rng.int(10);
  if (kind < 2) return damaged(rng, seed);
  if (kind === 2) return padded(rng, seed);
  const tree = parse(seed, 'Model');
  if (kind === 3) {
    const [ir, ...rest] = tree;
    return { what: 'the graph before the version', bytes: write([...rest, ir]), expect: 'same' };
  }
  const { what, expect } = changed(rng, tree);
  return { what, bytes: write(tree), expect };
}

/** What is wrong with a model that was read from these bytes; null where it holds what they say. */
export function wrongModel(bytes: Uint8Array, read: OnnxModel): string | null {
  const graph = parse(bytes, 'Model')
    .filter((p) => p.id === 7)
    .flatMap((p) => p.value as Part[]);
  const of = (id: number): Part[][] => graph.filter((p) => p.id === id).map((p) => p.value as Part[]);
  const text = (p: Part | undefined): string =>
    new TextDecoder('utf-8', { ignoreBOM: true }).decode((p?.value as Uint8Array) ?? new Uint8Array(0));
  const last = (list: Part[], id: number): Part | undefined => list.findLast((p) => p.id === id);
  const nodes = of(1).map((n) => [
    text(last(n, 4)),
    n.filter((p) => p.id === 1).map(text),
    n.filter((p) => p.id === 2).map(text),
  ]);
  if (JSON.stringify(nodes) !== JSON.stringify(read.nodes.map((n) => [n.op, n.inputs, n.outputs])))
    return 'other nodes';
  const outputs = of(12).map((v) => text(last(v, 1)));
  if (JSON.stringify(outputs) !== JSON.stringify(read.outputs.map((o) => o.name))) return 'other outputs';
  if (of(5).length !== read.initializers.size) return `${read.initializers.size} initializers of ${of(5).length}`;
  const packed = (p: Part): number[] =>
    typeof p.value === 'bigint'
      ? [Number(p.value)]
      : parse(
          joined(
            ...[...(p.value as Uint8Array)].reduce<number[][]>(
              (l, b) => ((l.at(-1)?.at(-1) ?? 0) < 128 ? l.push([8, b]) : l.at(-1)!.push(b), l),
              [],
            ),
          ),
          '',
        ).map((q) => Number(q.value));
  for (const t of of(5)) {
    const name = text(last(t, 8));
    const got = read.initializers.get(name);
    const dims = t.filter((p) => p.id === 1).flatMap(packed);
    const n = dims.reduce((a, b) => a * b, 1);
    const raw = last(t, 9)?.value as Uint8Array | undefined;
    if (!got) return `${name} is missing`;
    if (JSON.stringify(dims) !== JSON.stringify(got.shape) || got.data.length !== n)
      return `${name} is [${got.shape}], not [${dims}]`;
    if (
      raw &&
      got.dtype === 'f32' &&
      !got.data.every((v, i) => Object.is(v, new DataView(raw.buffer, raw.byteOffset).getFloat32(4 * i, true)))
    )
      return `${name} has other elements`;
  }
  return null;
}

/** Name, element type and shape of each input, as the file declares them. */
export function declaredInputs(bytes: Uint8Array): Map<string, number[]> {
  const graph = parse(bytes, 'Model')
    .filter((p) => p.id === 7)
    .flatMap((p) => p.value as Part[]);
  const find = (list: unknown, ...path: number[]): Part[] =>
    path.reduce<Part[]>(
      (l, id) => l.filter((p) => p.id === id).flatMap((p) => (Array.isArray(p.value) ? p.value : [])),
      list as Part[],
    );
  return new Map(
    graph
      .filter((p) => p.id === 11 && Array.isArray(p.value))
      .map((p) => {
        const parts = p.value as Part[];
        const shape = find(parts, 2, 1, 2, 1).map((d) => Number(typeof d.value === 'bigint' ? d.value : 1));
        return [
          new TextDecoder().decode((parts.find((q) => q.id === 1)?.value as Uint8Array) ?? new Uint8Array(0)),
          shape.map((d) => Math.min(Math.max(d, 0), 64)),
        ];
      }),
  );
}
