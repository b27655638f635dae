// A graph of ONNX on a device: checked and ordered when it is loaded, run node by node.

import type { Device } from '../../device/device.ts';
import { DisposedError, UnsupportedError } from '../../errors.ts';
import { Tensor } from '../../tensor.ts';
import { checkDefaults, checkedInputs } from './inputs.ts';
import { lastUses, ordered } from './lifetimes.ts';
import { readOnnx, type OnnxModel, type OnnxNode, type OnnxOptions } from './model.ts';
import { Call, isReal, upload, type Made, type Value } from './operator.ts';
import { OPERATORS } from './table.ts';

/** Is it an operator of ONNX itself? */
const isOwn = ({ domain }: OnnxNode): boolean => !domain || domain === 'ai.onnx';

/** The name of a node's operator in the table. */
const entryOf = (n: OnnxNode): string => (isOwn(n) ? n.op : `${n.domain}.${n.op}`);

/** The values of a run by name. A tensor that the run made is freed with the last of its names. */
class Values {
  readonly #values: Map<string, Value>;
  /** How many names a tensor has that the run made. */
  readonly #owned = new Map<Tensor, number>();

  constructor(given: Map<string, Value>) {
    this.#values = given;
  }

  get(name: string): Value | undefined {
    return this.#values.get(name);
  }

  owns(tensor: Tensor): boolean {
    return this.#owned.has(tensor);
  }

  /** Names a value. @param fresh its tensor was made by this run */
  set(name: string, value: Value, fresh: boolean): void {
    this.#values.set(name, value);
    const names = this.#owned.get(value.tensor);
    if (names !== undefined) this.#owned.set(value.tensor, names + 1);
    else if (fresh) this.#owned.set(value.tensor, 1);
  }

  /** Forgets a name. Weights and what the caller gave stay. */
  drop(name: string): void {
    const tensor = this.#values.get(name)?.tensor;
    this.#values.delete(name);
    const names = tensor && this.#owned.get(tensor);
    if (!tensor || names === undefined) return;
    if (names > 1) this.#owned.set(tensor, names - 1);
    else {
      this.#owned.delete(tensor);
      tensor.dispose();
    }
  }

  /** Frees all that is left, but `kept`. */
  clear(kept: ReadonlySet<Tensor>): void {
    for (const t of this.#owned.keys()) if (!kept.has(t)) t.dispose();
    this.#owned.clear();
    this.#values.clear();
  }
}

/**
 * A model on a device. Made by {@link loadOnnx}.
 * @example const graph = loadOnnx(bytes, device); const { logits } = await graph.run({ image });
 */
export class OnnxGraph {
  /** Where its weights are. */
  readonly device: Device;
  /** What the file says. */
  readonly model: OnnxModel;
  readonly #nodes: OnnxNode[];
  /** What each node uses last. */
  readonly #ends: string[][];
  /** Initializers, and the constants of nodes that have run. */
  readonly #weights = new Map<string, Value>();
  #disposed = false;

  /** @throws OnnxError when the graph contradicts itself, UnsupportedError for an operator that the engine lacks */
  constructor(device: Device, model: OnnxModel) {
    this.device = device;
    this.model = model;
    this.#nodes = ordered(model);
    this.#ends = lastUses(this.#nodes, new Set(model.outputs.map((o) => o.name)));
    for (const n of this.#nodes) {
      if (Object.hasOwn(OPERATORS, entryOf(n))) continue;
      const hint = n.domain ? `its domain is ${n.domain}` : undefined;
      throw new UnsupportedError(n.op || 'node', 'there is no such operator', hint);
    }
    checkDefaults(model);
    try {
      for (const [name, t] of model.initializers) this.#keep(name, upload(device, t));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #keep(name: string, value: Value): void {
    this.device.keep(value.tensor);
    this.#weights.set(name, value);
  }

  /**
   * Computes the outputs. Values that decide shapes are read back from the device where the host does not know them. A
   * value is freed after its last use: a run needs memory for those that are in use at the same time, not for all.
   * @param given a tensor for each input, by name: f32 for real types, else i32. An input with an initializer
   *   (`model.optional`) may be given too, and has the value of the initializer where it is not.
   * @returns the outputs by name; the caller disposes them
   * @throws ShapeError when an input is missing, unknown, or of another dtype or shape than the model declares, or an
   *   operation cannot take its operands; UnsupportedError for settings that the engine lacks; DisposedError
   * @example const { logits } = await graph.run({ image });
   */
  async run(given: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    if (this.#disposed) throw new DisposedError('the model has been disposed', 'load it again');
    const values = new Values(new Map([...this.#weights, ...checkedInputs(this.model, given, this.device)]));
    const results = new Set<Tensor>();
    try {
      for (const [i, node] of this.#nodes.entries()) {
        await this.#step(node, values);
        for (const name of this.#ends[i]) values.drop(name);
      }
      const outputs: Record<string, Tensor> = {};
      for (const { name } of this.model.outputs) {
        const { tensor } = values.get(name)!;
        // A tensor that is an input or a weight stays its owner's: the caller gets another view of it.
        outputs[name] = values.owns(tensor) && !results.has(tensor) ? tensor : tensor.view(tensor.shape);
        results.add(outputs[name]);
      }
      return outputs;
    } finally {
      values.clear(results);
    }
  }

  /** Frees the weights. */
  dispose(): void {
    this.#disposed = true;
    for (const { tensor } of this.#weights.values()) tensor.dispose();
  }

  async #step(node: OnnxNode, values: Values): Promise<void> {
    const operator = OPERATORS[entryOf(node)];
    const [constant] = node.op === 'Constant' && isOwn(node) ? node.outputs : [];
    const known = constant === undefined ? undefined : this.#weights.get(constant);
    if (known) return values.set(constant, known, false);
    const inputs = node.inputs.map((name) => (name === '' ? undefined : values.get(name)));
    for (const i of operator.host ?? []) {
      const v = inputs[i];
      if (v && !v.host) v.host = Array.from(await v.tensor.read());
    }
    const { result, made } = this.device.collect(() => {
      const results = this.#typed(operator.run(new Call(node, this.model.opset, this.device, inputs)), inputs);
      const missing = node.outputs.findIndex((name, i) => name !== '' && !results[i]);
      if (missing >= 0) throw new UnsupportedError(node.op, `there is no output ${missing}`);
      return results;
    });
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      // A constant is the same in each run: it is uploaded once.
      if (constant === undefined) values.set(name, result[i], made.has(result[i].tensor));
      else {
        this.#keep(name, result[i]);
        values.set(name, result[i], false);
      }
    });
    for (const t of made) if (!values.owns(t) && !(constant !== undefined && t === result[0].tensor)) t.dispose();
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
 * @param file the bytes of the .onnx file
 * @param options `external` gives the bytes of the files with external data; {@link onnxFiles} tells which there are
 * @throws OnnxError when the bytes are damaged or the graph contradicts itself, UnsupportedError for what the engine
 *   lacks
 * @example const graph = loadOnnx(await file.arrayBuffer(), device); const { y } = await graph.run({ x });
 */
export function loadOnnx(file: Uint8Array | ArrayBuffer, device: Device, options: OnnxOptions = {}): OnnxGraph {
  return new OnnxGraph(device, readOnnx(file, options));
}
