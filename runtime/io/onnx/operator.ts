// What an operator of a graph sees when it runs.

import { OnnxError, UnsupportedError } from '../../errors.ts';
import type { Device } from '../../device/device.ts';
import { add, cast } from '../../ops/index.ts';
import type { Shape, Tensor } from '../../tensor.ts';
import type { OnnxAttribute, OnnxNode, OnnxTensor, OnnxType } from './model.ts';

/** A value in a running graph: a tensor on the device, its type in ONNX, and its elements where the host knows them. */
export interface Value {
  type: OnnxType;
  tensor: Tensor;
  host?: readonly number[];
}

export const isReal = (type: OnnxType): boolean => type === 'f32' || type === 'f64' || type === 'f16';

/** Numbers as a tensor; integers beyond 32 bits become the nearest that fits. */
export function upload(device: Device, { dtype, shape, data }: OnnxTensor): Value {
  const numbers = isReal(dtype)
    ? Float32Array.from(data)
    : Int32Array.from(data, (v) => Math.min(Math.max(v, -(2 ** 31)), 2 ** 31 - 1));
  return { type: dtype, tensor: device.tensor(numbers, shape), host: data };
}

/** A node with its inputs, while it runs. */
export class Call {
  readonly node: OnnxNode;
  readonly opset: number;
  readonly device: Device;
  readonly values: readonly (Value | undefined)[];

  constructor(node: OnnxNode, opset: number, device: Device, values: readonly (Value | undefined)[]) {
    this.node = node;
    this.opset = opset;
    this.device = device;
    this.values = values;
  }

  /** @throws OnnxError when the input is left out */
  value(i: number): Value {
    return this.values[i] ?? this.wrong(`input ${i} is missing`);
  }

  x(i = 0): Tensor {
    return this.value(i).tensor;
  }

  /** Input i, if it is given. */
  maybe(i: number): Tensor | undefined {
    return this.values[i]?.tensor;
  }

  /** The elements of input i, which the operator's entry lists as wanted on the host. */
  host(i: number): readonly number[] | undefined {
    return this.values[i]?.host;
  }

  /** The same for an input that there must be. @throws OnnxError when it is left out */
  elements(i: number): readonly number[] {
    return this.host(i) ?? this.wrong(`input ${i} is missing`);
  }

  /** A list of whole numbers: an attribute in older opsets, an input in newer ones. */
  list(name: string, input: number): readonly number[] | undefined {
    return this.host(input) ?? (this.has(name) ? this.ints(name, []) : undefined);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.node.attributes, name);
  }

  attribute(name: string): OnnxAttribute | undefined {
    return this.has(name) ? this.node.attributes[name] : undefined;
  }

  number(name: string, otherwise: number): number {
    const v = this.attribute(name) ?? otherwise;
    return typeof v === 'number' ? v : this.wrong(`${name} is not a number`);
  }

  text(name: string, otherwise: string): string {
    const v = this.attribute(name) ?? otherwise;
    return typeof v === 'string' ? v : this.wrong(`${name} is not a string`);
  }

  ints(name: string, otherwise: readonly number[]): readonly number[] {
    const v = this.attribute(name) ?? otherwise;
    const numbers = Array.isArray(v) && v.every((n) => typeof n === 'number');
    return numbers ? v : this.wrong(`${name} is not a list of numbers`);
  }

  /** A tensor that is an attribute. */
  tensor(name: string): OnnxTensor {
    const v = this.attribute(name);
    return typeof v === 'object' && 'dtype' in v ? v : this.wrong(`${name} is not a tensor`);
  }

  /** The axis that a number means, which may count from the end. @throws OnnxError where there is none */
  axis(axis: number, rank: number): number {
    const a = axis < 0 ? axis + rank : axis;
    return Number.isInteger(a) && a >= 0 && a < rank ? a : this.wrong(`there is no axis ${axis} of ${rank}`);
  }

  /** Axes, each once. @throws OnnxError as {@link axis}, and when one comes twice */
  axes(axes: readonly number[], rank: number): number[] {
    const found = axes.map((a) => this.axis(a, rank));
    return new Set(found).size === found.length ? found : this.wrong(`the axes ${axes.join(', ')} name one twice`);
  }

  /** Input i, which must broadcast to a shape that does not change by it. @throws OnnxError when it does not */
  onto(shape: Shape, i: number): Tensor {
    const t = this.x(i);
    const lead = shape.length - t.rank;
    const fits = lead >= 0 && t.shape.every((d, k) => d === 1 || d === shape[lead + k]);
    return fits ? t : this.wrong(`input ${i} is [${t.shape}], which does not broadcast to [${shape}]`);
  }

  wrong(message: string): never {
    throw new OnnxError(`${this.node.op} (${this.node.outputs[0]}): ${message}`);
  }

  unsupported(message: string): never {
    throw new UnsupportedError(this.node.op, message);
  }
}

export type Made = Value | Tensor | readonly (Value | Tensor)[];

/** How the engine does an operator. A lone tensor has the type of the first input where its dtype fits to it. */
export interface Operator {
  run: (c: Call) => Made;
  /** Inputs whose elements the host must know. */
  host?: readonly number[];
}

/** A table entry for an operator that reads some of its inputs on the host. */
export const reads = (host: readonly number[], run: Operator['run']): Operator => ({ run, host });
export const plain = (run: Operator['run']): Operator => ({ run });
export const bool = (tensor: Tensor): Value => ({ type: 'bool', tensor });
export const whole = (tensor: Tensor): Value => ({ type: 'i64', tensor });

/** x in another type: numbers lose their fraction towards zero, bool is 0 or 1. */
export const toReal = (x: Tensor): Tensor => (x.dtype === 'f32' ? x : cast(x, 'f32'));

/** The sum of tensors. @throws OnnxError where there are none, as with a kernel of size 0 */
export function added(terms: readonly Tensor[]): Tensor {
  if (terms.length === 0) throw new OnnxError('there is nothing to add up', 'a kernel or a list of inputs is empty');
  return terms.reduce((a, b) => add(a, b));
}
