// A graph of ONNX on a device: checked and ordered when it is loaded, run node by node.

import type { Device } from '../../device/device.ts';
import { OnnxError, ShapeError, UnsupportedError } from '../../errors.ts';
import { Tensor } from '../../tensor.ts';
import { readOnnx, type OnnxModel, type OnnxNode } from './model.ts';
import { Call, isReal, upload, type Made, type Value } from './operator.ts';
import { OPERATORS } from './table.ts';

/** The nodes so that each comes after those it needs. @throws OnnxError for cycles, names made twice, and names that nothing makes */
function ordered({ nodes, inputs, outputs, initializers }: OnnxModel): OnnxNode[] {
  const maker = new Map<string, number>();
  const given = new Set([...inputs.map((i) => i.name), ...initializers.keys()]);
  nodes.forEach((n, i) => n.outputs.forEach((o) => {
    if (o === '') return;
    if (maker.has(o) || given.has(o)) throw new OnnxError(`${o} is made twice`, 'the graph contradicts itself');
    maker.set(o, i);
  }));
  const needs = nodes.map((n) => new Set(n.inputs.filter((v) => v !== '' && !given.has(v)).map((v) => {
    const by = maker.get(v);
    if (by === undefined) throw new OnnxError(`${n.op} needs ${v}, which nothing makes`, 'the graph contradicts itself');
    return by;
  })));
  for (const { name } of outputs) if (!maker.has(name) && !given.has(name)) throw new OnnxError(`nothing makes the output ${name}`, 'the graph contradicts itself');
  const users: number[][] = nodes.map(() => []), open = needs.map((s) => s.size);
  needs.forEach((s, i) => s.forEach((by) => users[by].push(i)));
  const order = open.flatMap((n, i) => (n === 0 ? [i] : []));
  for (let k = 0; k < order.length; k++) for (const u of users[order[k]]) if (--open[u] === 0) order.push(u);
  if (order.length < nodes.length) throw new OnnxError(`the node that makes ${nodes[open.findIndex((n) => n > 0)].outputs[0]} needs its own result`, 'the graph has a cycle');
  return order.map((i) => nodes[i]);
}

/** The name of a node's operator in the table. */
const entryOf = ({ op, domain }: OnnxNode): string => (domain && domain !== 'ai.onnx' ? `${domain}.${op}` : op);

/**
 * A model on a device. Made by {@link loadOnnx}.
 * @example const graph = loadOnnx(bytes, device); const { logits } = await graph.run({ image });
 */
export class OnnxGraph {
  /** Where its weights lie. */
  readonly device: Device;
  /** What the file says. */
  readonly model: OnnxModel;
  readonly #nodes: OnnxNode[];
  readonly #weights = new Map<string, Value>();

  /** @throws OnnxError when the graph contradicts itself, UnsupportedError for an operator that the engine lacks */
  constructor(device: Device, model: OnnxModel) {
    this.device = device;
    this.model = model;
    this.#nodes = ordered(model);
    for (const n of this.#nodes) if (!Object.hasOwn(OPERATORS, entryOf(n))) throw new UnsupportedError(n.op, 'there is no such operator', n.domain ? `its domain is ${n.domain}` : undefined);
    for (const [name, t] of model.initializers) {
      const value = upload(device, t);
      device.keep(value.tensor);
      this.#weights.set(name, value);
    }
  }

  /**
   * Computes the outputs. Values that decide shapes are read back from the device where the host does not know them.
   * @param given a tensor for each input, by name: f32 for real types, else i32
   * @returns the outputs by name; the caller disposes them
   * @throws ShapeError when an input is missing or of another dtype, or an operation cannot take its operands; UnsupportedError for settings that the engine lacks
   * @example const { logits } = await graph.run({ image });
   */
  async run(given: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const values = new Map(this.#weights), made = new Set<Tensor>();
    for (const { name, dtype } of this.model.inputs) {
      const tensor = Object.hasOwn(given, name) ? given[name] : undefined, want = isReal(dtype) ? 'f32' : 'i32';
      if (tensor?.dtype !== want) throw new ShapeError('onnx', `the input ${name} is ${tensor ? tensor.dtype : 'missing'}`, `give ${want}`);
      values.set(name, { type: dtype, tensor });
    }
    const results = new Set<Tensor>();
    try {
      for (const node of this.#nodes) await this.#step(node, values, made);
      const outputs: Record<string, Tensor> = {};
      for (const { name } of this.model.outputs) {
        const { tensor } = values.get(name)!;
        // A tensor that is an input or a weight stays its owner's: the caller gets another look at it.
        outputs[name] = made.has(tensor) && !results.has(tensor) ? tensor : tensor.view(tensor.shape);
        results.add(outputs[name]);
      }
      return outputs;
    } finally {
      for (const t of made) if (!results.has(t)) t.dispose();
    }
  }

  /** Frees the weights. */
  dispose(): void {
    for (const { tensor } of this.#weights.values()) tensor.dispose();
  }

  async #step(node: OnnxNode, values: Map<string, Value>, made: Set<Tensor>): Promise<void> {
    const operator = OPERATORS[entryOf(node)], inputs = node.inputs.map((name) => (name === '' ? undefined : values.get(name)));
    for (const i of operator.host ?? []) {
      const v = inputs[i];
      if (v && !v.host) v.host = Array.from(await v.tensor.read());
    }
    const { result, made: fresh } = this.device.collect(() => this.#typed(operator.run(new Call(node, this.model.opset, this.device, inputs)), inputs));
    for (const t of fresh) made.add(t);
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      if (!result[i]) throw new UnsupportedError(node.op, `there is no output ${i}`);
      values.set(name, result[i]);
    });
  }

  #typed(made: Made, inputs: readonly (Value | undefined)[]): Value[] {
    const first = inputs[0]?.type;
    return ([made].flat() as (Value | Tensor)[]).map((v) => {
      if (!(v instanceof Tensor)) return v;
      const real = v.dtype === 'f32';
      return { type: first && isReal(first) === real ? first : real ? 'f32' : 'i64', tensor: v };
    });
  }
}

/**
 * Reads an ONNX model and puts its weights on a device. i64 becomes i32, f16 and f64 become f32.
 * @param bytes of the .onnx file
 * @throws OnnxError when the bytes are damaged or the graph contradicts itself, UnsupportedError for what the engine lacks
 * @example const graph = loadOnnx(bytes, device); const { y } = await graph.run({ x });
 */
export function loadOnnx(bytes: Uint8Array, device: Device): OnnxGraph {
  return new OnnxGraph(device, readOnnx(bytes));
}
