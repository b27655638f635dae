// The nodes of an ONNX file and their attributes.

import { OnnxError, UnsupportedError } from '../../errors.ts';
import type { OnnxAttribute, OnnxNode } from './model.ts';
import { fields, integer, integers, message, reals, text } from './protobuf.ts';
import { readTensor, type ExternalData, type OnnxTensor } from './tensor.ts';

/** The fields of an AttributeProto. */
interface Proto {
  name: string;
  type: number;
  /** The numbers of the fields that are there. */
  there: Set<number>;
  f: number[];
  i: bigint;
  s: string;
  t?: OnnxTensor;
  floats: number[];
  ints: bigint[];
  strings: string[];
}

function readProto(bytes: Uint8Array, op: string, external: ExternalData | undefined): Proto {
  const p: Proto = { name: '', type: 0, there: new Set(), f: [], i: 0n, s: '', floats: [], ints: [], strings: [] };
  for (const field of fields(bytes)) {
    p.there.add(field.id);
    if (field.id === 1) p.name = text(field);
    else if (field.id === 2) reals(field, 4, p.f);
    else if (field.id === 3) {
      if (field.wire !== 0) throw new OnnxError(`the attribute ${p.name} is not a whole number`, 'the file is damaged');
      p.i = field.value;
    } else if (field.id === 4) p.s = text(field);
    else if (field.id === 5) {
      if (p.t) throw new OnnxError(`the attribute ${p.name} has two tensors`, 'the file is damaged');
      const { dtype, shape, data } = readTensor(message(field), external, `the ${p.name} of ${op}`);
      p.t = { dtype, shape, data };
    } else if (field.id === 7) reals(field, 4, p.floats);
    else if (field.id === 8) integers(field, p.ints);
    else if (field.id === 9) p.strings.push(text(field));
    else if (field.id === 20) p.type = integer(field);
  }
  return p;
}

/** The kinds of attribute that are not supported, by their number. */
const OTHER_KINDS: Readonly<Record<number, string>> = {
  5: 'a subgraph',
  9: 'a list of tensors',
  10: 'a list of subgraphs',
  11: 'a sparse tensor',
  12: 'a list of sparse tensors',
  13: 'a type',
  14: 'a list of types',
};
/** The kind of the value in each field. The first version of the format had no other sign of the kind. */
const KIND_OF_FIELD: readonly (readonly [field: number, kind: number])[] = [
  [2, 1],
  [3, 2],
  [4, 3],
  [5, 4],
  [6, 5],
  [7, 6],
  [8, 7],
  [9, 8],
  [10, 9],
  [11, 10],
  [22, 11],
];

function readAttribute(bytes: Uint8Array, op: string, external?: ExternalData): [string, OnnxAttribute] {
  const p = readProto(bytes, op, external);
  const kind = p.type || (KIND_OF_FIELD.find(([field]) => p.there.has(field))?.[1] ?? 0);
  switch (kind) {
    case 1:
      return [p.name, p.f.at(-1) ?? 0];
    case 2:
      return [p.name, Number(p.i)];
    case 3:
      return [p.name, p.s];
    case 4:
      if (p.t) return [p.name, p.t];
      break;
    case 6:
      return [p.name, p.floats];
    case 7:
      return [p.name, p.ints.map(Number)];
    case 8:
      return [p.name, p.strings];
    default:
  }
  if (kind === 4) {
    throw new OnnxError(`${op}: the attribute ${p.name} is a tensor, but has none`, 'the file is damaged');
  }
  if (kind === 5 || kind === 10) {
    const hint = 'export the model without control flow, for example by tracing it';
    throw new UnsupportedError(op, `operators with a subgraph (${p.name}) are not supported`, hint);
  }
  const what = `the attribute ${p.name} is ${OTHER_KINDS[kind] ?? `of kind ${kind}`}`;
  throw new UnsupportedError(op, what, 'numbers, strings, tensors and lists of them are supported');
}

/** The name and the domain of the operator of a NodeProto. */
export function operatorOf(bytes: Uint8Array): { op: string; domain: string } {
  let op = '';
  let domain = '';
  for (const f of fields(bytes)) {
    if (f.id === 4) op = text(f);
    else if (f.id === 7) domain = text(f);
  }
  return { op, domain };
}

/** Reads a NodeProto. @throws OnnxError when it is damaged, UnsupportedError for attributes that the engine lacks */
export function readNode(bytes: Uint8Array, external?: ExternalData): OnnxNode {
  const { op, domain } = operatorOf(bytes);
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: Uint8Array[] = [];
  for (const f of fields(bytes)) {
    if (f.id === 1) inputs.push(text(f));
    else if (f.id === 2) outputs.push(text(f));
    else if (f.id === 5) attributes.push(message(f));
  }
  const settings: Record<string, OnnxAttribute> = {};
  for (const a of attributes) {
    const [name, value] = readAttribute(a, op || 'node', external);
    if (Object.hasOwn(settings, name)) {
      throw new OnnxError(`there are two attributes called ${name}`, 'the model contradicts itself');
    }
    Object.defineProperty(settings, name, { value, enumerable: true, writable: true, configurable: true });
  }
  return { op, ...(domain ? { domain } : {}), inputs, outputs, attributes: settings };
}

/** The tensors among the attributes of a NodeProto, as they are in the file. */
export function tensorsOf(bytes: Uint8Array): Uint8Array[] {
  const tensors: Uint8Array[] = [];
  for (const f of fields(bytes)) {
    if (f.id === 5) for (const a of fields(message(f))) if (a.id === 5) tensors.push(message(a));
  }
  return tensors;
}
