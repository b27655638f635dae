// A tensor: a shape, a dtype and a range of memory on one device. Operations on tensors are functions (runtime/ops).

import { DisposedError, ShapeError } from './errors.ts';
import type { Device } from './device/device.ts';
import type { TapeNode } from './autograd/tape.ts';

export type DType = 'f32' | 'f16' | 'i32' | 'u32';
export type Shape = readonly number[];
export type TensorData = Float32Array | Int32Array | Uint32Array | Uint16Array;

export const BYTES: Record<DType, number> = { f32: 4, f16: 2, i32: 4, u32: 4 };

/** Number of elements of a shape; 1 for the scalar shape []. */
export function sizeOf(shape: Shape): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

/** A piece of GPU memory, counted by the tensors that look at it. In a plan it has no buffer until the plan has been laid out. */
export class Storage {
  readonly device: Device;
  readonly bytes: number;
  buffer: GPUBuffer | null;
  /** True while the memory belongs to a plan, which alone frees it. */
  planned: boolean;
  label: string;
  private references = 0;

  constructor(device: Device, bytes: number, buffer: GPUBuffer | null, planned: boolean, label: string) {
    this.device = device;
    this.bytes = bytes;
    this.buffer = buffer;
    this.planned = planned;
    this.label = label;
  }

  retain(): void {
    this.references++;
  }

  release(): void {
    if (--this.references === 0 && !this.planned && this.buffer) {
      this.device.recycle(this);
      this.buffer = null;
    }
  }
}

/** @throws ShapeError when a tensor is not f32. @param tensors by the names of the formula; absent ones pass */
export function checkF32(op: string, tensors: Readonly<Record<string, Tensor | undefined>>): void {
  for (const [name, t] of Object.entries(tensors)) if (t && t.dtype !== 'f32') throw new ShapeError(op, `${name} [${t.shape}] is ${t.dtype}`, 'give f32');
}

/** An n-dimensional array on a GPU. Made by {@link tensor}, {@link zeros}, … and by operations. */
export class Tensor {
  readonly device: Device;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly storage: Storage;
  /** Gradients are wanted for this leaf (a parameter). */
  requiresGrad = false;
  /** The operation that made this tensor, when a gradient may flow through it. */
  node: TapeNode | null = null;
  /** It was disposed while a gradient could have flowed through it: what it was made from is forgotten. */
  cut = false;
  private disposed = false;

  constructor(storage: Storage, shape: Shape, dtype: DType) {
    this.storage = storage;
    this.device = storage.device;
    this.shape = shape;
    this.dtype = dtype;
    storage.retain();
    this.device.track(this);
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  get rank(): number {
    return this.shape.length;
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** True if a gradient flows to or through this tensor. */
  get tracked(): boolean {
    return this.requiresGrad || this.node !== null;
  }

  /** The buffer, checked. */
  get buffer(): GPUBuffer {
    if (this.disposed) throw new DisposedError(`the tensor made by ${this.storage.label} [${this.shape}] has been disposed`, 'return it from its scope or keep() it');
    const buffer = this.storage.buffer;
    if (!buffer) throw new DisposedError(`the tensor made by ${this.storage.label} [${this.shape}] belongs to a plan that is being recorded or was disposed`, 'read it after the plan has run');
    return buffer;
  }

  /**
   * Another tensor over the same memory, which lives until both are disposed. It has no history: no gradient flows through it (unlike `reshape`).
   * @param shape of as many elements
   * @throws ShapeError for another number of elements, DisposedError
   */
  view(shape: Shape): Tensor {
    if (this.disposed) void this.buffer;
    if (sizeOf(shape) !== this.size) throw new ShapeError('reshape', `cannot see [${this.shape}] as [${shape}]`, 'the number of elements must stay the same');
    return new Tensor(this.storage, shape, this.dtype);
  }

  /** Frees the memory (once no other tensor looks at it). */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.cut = this.node !== null;
    this.node = null;
    this.device.untrack(this);
    this.storage.release();
  }

  /** The elements, row-major. f16 arrives as Float32Array. */
  async read(): Promise<Float32Array | Int32Array | Uint32Array> {
    return (await this.device.read([this]))[0];
  }

  /** The value of a tensor with one element. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError('item', `the tensor has shape [${this.shape}]`, 'only a tensor of one element is a number');
    return (await this.read())[0];
  }
}

/** Collects the tensors in a value: itself, or inside arrays, maps and plain objects. */
export function collectTensors(value: unknown, into: Set<Tensor>): void {
  if (value instanceof Tensor) into.add(value);
  else if (Array.isArray(value)) for (const v of value) collectTensors(v, into);
  else if (value instanceof Map) for (const v of value.values()) collectTensors(v, into);
  else if (value && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) for (const v of Object.values(value)) collectTensors(v, into);
}
