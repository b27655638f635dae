// An ONNX model as plain data: read from the bytes of a file (onnx.proto), checked, not yet on a device.

import { OnnxError, UnsupportedError } from '../../errors.ts';
import { operatorOf, readNode, tensorsOf } from './node.ts';
import { bytesOf, fields, integer, message, text } from './protobuf.ts';
import { externalFile, readTensor, typeOf, type ExternalData, type OnnxTensor, type OnnxType } from './tensor.ts';

export type { OnnxTensor, OnnxType, ExternalData } from './tensor.ts';

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

/** A declared dimension: its size, the name of a size that a run decides, or null where nothing is said. */
export type OnnxDimension = number | string | null;

/** An input of a graph. */
export interface OnnxValueInfo {
  /** Its name. */
  name: string;
  /** What its elements are. */
  dtype: OnnxType;
  /** Its declared shape; without one the model leaves even the number of dimensions open. */
  shape?: readonly OnnxDimension[];
}

/** An output of a graph; its type and shape where the model declares them. */
export type OnnxOutputInfo = Pick<OnnxValueInfo, 'name'> & Partial<OnnxValueInfo>;

/** A graph, with its nodes in any order. */
export interface OnnxModel {
  /** Version of the operators. */
  opset: number;
  /** The nodes, in the order of the file. */
  nodes: readonly OnnxNode[];
  /** What the graph must be given: the inputs without an initializer. */
  inputs: readonly OnnxValueInfo[];
  /** Inputs with an initializer, which a run may give another value. */
  optional?: readonly OnnxValueInfo[];
  /** What it gives. */
  outputs: readonly OnnxOutputInfo[];
  /** The weights by name. */
  initializers: ReadonlyMap<string, OnnxTensor>;
}

/** Where the parts of a model come from that its file does not hold. */
export interface OnnxOptions {
  /** Gives the bytes of each file with external data. */
  external?: ExternalData;
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

/** The kinds of a TypeProto that are not tensors, by their field. */
const OTHER_KINDS: Readonly<Record<number, string>> = {
  4: 'a sequence',
  5: 'a map',
  7: 'an opaque value',
  8: 'a sparse tensor',
  9: 'an optional value',
};

interface Declared {
  name: string;
  code: number;
  shape?: OnnxDimension[];
  kind?: string;
}

/** Dimensions of a TensorShapeProto. A negative size is how some exporters write one that is not known. */
function readShape(bytes: Uint8Array): OnnxDimension[] {
  const shape: OnnxDimension[] = [];
  for (const f of fields(bytes)) {
    if (f.id !== 1) continue;
    let d: OnnxDimension = null;
    for (const e of fields(message(f))) {
      if (e.id === 1) d = integer(e);
      else if (e.id === 2) d = text(e) || null;
    }
    shape.push(typeof d === 'number' && d < 0 ? null : d);
  }
  return shape;
}

/** A ValueInfoProto: its type (2) is a tensor_type (1) with elem_type (1) and shape (2). */
function readValue(bytes: Uint8Array): Declared {
  const value: Declared = { name: '', code: 0 };
  for (const f of fields(bytes)) {
    if (f.id === 1) value.name = text(f);
    else if (f.id === 2) {
      for (const t of fields(message(f))) {
        if (OTHER_KINDS[t.id]) value.kind = OTHER_KINDS[t.id];
        if (t.id !== 1) continue;
        for (const e of fields(message(t))) {
          if (e.id === 1) value.code = integer(e);
          else if (e.id === 2) value.shape = readShape(message(e));
        }
      }
    }
  }
  return value;
}

function inputOf({ name, code, shape, kind }: Declared): OnnxValueInfo {
  if (kind) throw new UnsupportedError(`input ${name}`, `it is ${kind}`, 'only tensors are supported');
  return { name, dtype: typeOf(code, `input ${name}`), ...(shape && { shape }) };
}

function outputOf({ name, code, shape, kind }: Declared): OnnxOutputInfo {
  if (kind) throw new UnsupportedError(`output ${name}`, `it is ${kind}`, 'only tensors are supported');
  return { name, ...(code !== 0 && { dtype: typeOf(code, `output ${name}`) }), ...(shape && { shape }) };
}

/** Operators of quantised models, also those that only onnxruntime has. */
const QUANTISED = /^(Q[A-Z]|Quantize|Dequantize|DynamicQuantize)|(Integer|NBits)$/;

/** The graph of a model and the version of its operators. */
function readParts(bytes: Uint8Array): { graph: Uint8Array; opset: number } {
  let graph: Uint8Array | undefined;
  // A file without an entry for ONNX's own operators is of a time when there was one version of them.
  let opset = 1;
  for (const f of fields(bytes)) {
    if (f.id === 7) {
      if (graph) throw new OnnxError('there are two graphs in the model', 'the file is damaged');
      graph = message(f);
    } else if (f.id === 8) {
      let domain = '';
      let version = 0;
      for (const o of fields(message(f))) {
        if (o.id === 1) domain = text(o);
        else if (o.id === 2) version = integer(o);
      }
      if (domain === '' || domain === 'ai.onnx') opset = version;
    }
  }
  if (!graph) throw new OnnxError('there is no graph in the model', 'this is not an ONNX model, or a truncated one');
  return { graph, opset };
}

/**
 * Reads an ONNX file. Only what the engine needs is kept; functions and subgraphs are not supported.
 * @param file its bytes
 * @throws OnnxError when the bytes are damaged, truncated or not an ONNX model, UnsupportedError for what the engine
 *   lacks, also for external data without a resolver
 * @example const model = readOnnx(await file.arrayBuffer());
 */
export function readOnnx(file: Uint8Array | ArrayBuffer, { external }: OnnxOptions = {}): OnnxModel {
  const { graph, opset } = readParts(bytesOf(file, 'an ONNX model'));
  const parts = [...fields(graph)];
  const of = (id: number): Uint8Array[] => parts.flatMap((f) => (f.id === id ? [message(f)] : []));
  // First of all: what makes a model quantised says more than the element types of its tensors.
  const quantised = of(1)
    .map(operatorOf)
    .find(({ op }) => QUANTISED.test(op));
  if (quantised) {
    const { op, domain } = quantised;
    const name = domain ? `${domain}.${op}` : op;
    throw new UnsupportedError(name, 'the model is quantised', 'export it with float weights');
  }
  const nodes = of(1).map((bytes) => readNode(bytes, external));
  if (of(15).length > 0) {
    throw new UnsupportedError('initializer', 'a tensor is sparse', 'save the model with dense weights');
  }
  const weights = of(5).map((bytes) => {
    const { name, ...tensor } = readTensor(bytes, external);
    return [name, tensor] as const;
  });
  const initializers = named('initializers', weights);
  const inputs = of(11).map(readValue);
  const outputs = of(12).map(readValue);
  named(
    'inputs',
    inputs.map((i) => [i.name, i] as const),
  );
  named(
    'outputs',
    outputs.map((o) => [o.name, o] as const),
  );
  // Before version 4 of the format all initializers were listed among the inputs.
  const optional = inputs.filter((i) => initializers.has(i.name)).map(inputOf);
  return {
    opset,
    nodes,
    inputs: inputs.filter((i) => !initializers.has(i.name)).map(inputOf),
    ...(optional.length > 0 && { optional }),
    outputs: outputs.map(outputOf),
    initializers,
  };
}

/**
 * The files that a model keeps its weights in, besides its own.
 * @returns their paths, each once, relative to the folder of the model
 * @throws OnnxError when the bytes are damaged or a path leads out of the folder of the model
 * @example
 * const files = new Map();
 * for (const path of onnxFiles(bytes)) files.set(path, await readFile(join(folder, path)));
 * const graph = loadOnnx(bytes, device, { external: (path) => files.get(path) });
 */
export function onnxFiles(file: Uint8Array | ArrayBuffer): string[] {
  const { graph } = readParts(bytesOf(file, 'an ONNX model'));
  const files = new Set<string>();
  for (const f of fields(graph)) {
    const tensors = f.id === 5 ? [message(f)] : f.id === 1 ? tensorsOf(message(f)) : [];
    for (const t of tensors) {
      const found = externalFile(t);
      if (found !== undefined) files.add(found);
    }
  }
  return [...files];
}
