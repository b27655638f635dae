// A tensor: a shape, a dtype and a range of memory on one device. Operations on tensors are functions (runtime/ops).

import { DisposedError, ShapeError } from './errors.ts';
import { INSPECT } from './inspect.ts';
import { forget, register } from './memory.ts';
import type { Device } from './device/device.ts';
import type { TapeNode } from './autograd/tape.ts';
import type { Doubt } from './kernel/own.ts';

/** What the elements of a tensor are. Truth values are i32, 0 or 1; f16 needs an adapter that has it (`device.f16`). */
export type DType = 'f32' | 'f16' | 'i32' | 'u32';
/**
 * Sizes of the dimensions, outermost first; [] is a scalar. `Shape<4>` has four of them, a plain `Shape` any number.
 */
export type Shape<R extends number = number> = R extends 0
  ? readonly []
  : R extends 1
    ? readonly [number]
    : R extends 2
      ? readonly [number, number]
      : R extends 3
        ? readonly [number, number, number]
        : R extends 4
          ? readonly [number, number, number, number]
          : R extends 5
            ? readonly [number, number, number, number, number]
            : readonly number[];
/** The dtype of what functions of real numbers make: f32 from integers, as in PyTorch. */
export type Real<D extends DType> = D extends 'f16' ? 'f16' : 'f32';
/** What a tensor of rank R must be where rank N is wanted: nothing more where the compiler does not know R. */
export type Ranked<R extends number, N extends number> = number extends R
  ? unknown
  : R extends N
    ? unknown
    : { readonly rank: N };
/** Elements on the host, row-major, in the array of their dtype; f16 as the bits in a Uint16Array. */
export type TensorData = Float32Array | Int32Array | Uint32Array | Uint16Array;
/** The array that a tensor of a dtype is read into; f16 arrives as f32. */
export type Elements<D extends DType = DType> = D extends 'i32'
  ? Int32Array
  : D extends 'u32'
    ? Uint32Array
    : Float32Array;

/** Bytes of an element. */
export const BYTES: Record<DType, number> = { f32: 4, f16: 2, i32: 4, u32: 4 };

/** Number of elements of a shape; 1 for the scalar shape []. */
export function sizeOf(shape: Shape): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

/**
 * How often a piece of memory has been changed in place, and what did it last. Storages over one buffer of the caller's
 * share it.
 */
export interface Changes {
  count: number;
  by: string;
}

/**
 * A piece of GPU memory, counted by the tensors that look at it. In a plan it has no buffer until the plan has been
 * laid out.
 */
export class Storage {
  readonly device: Device;
  readonly bytes: number;
  buffer: GPUBuffer | null;
  /** True while the memory belongs to a plan, which alone frees it. */
  planned: boolean;
  label: string;
  /** Changes in place: what the tape compares before it uses the elements for a gradient. */
  changes: Changes = { count: 0, by: '' };
  /** The caller has asked for the buffer: it may be filled by commands that are not the engine's. */
  exposed = false;
  /** A kernel of the user's own that may have failed to make the elements. */
  doubt: Doubt | null = null;
  #references = 0;

  constructor(device: Device, bytes: number, buffer: GPUBuffer | null, planned: boolean, label: string) {
    this.device = device;
    this.bytes = bytes;
    this.buffer = buffer;
    this.planned = planned;
    this.label = label;
  }

  /** Notes a change in place. @param by what changed it, for errors */
  changed(by: string): void {
    this.changes.count++;
    this.changes.by = by;
  }

  retain(): void {
    this.#references++;
  }

  release(): void {
    if (--this.#references === 0 && !this.planned && this.buffer) {
      this.device.recycle(this);
      this.buffer = null;
    }
  }
}

/** @throws ShapeError when a tensor is not f32. @param tensors by the names of the formula; absent ones pass */
export function checkF32(op: string, tensors: Readonly<Record<string, Tensor | undefined>>): void {
  for (const [name, t] of Object.entries(tensors))
    if (t && t.dtype !== 'f32') throw new ShapeError(op, `${name} [${t.shape}] is ${t.dtype}`, 'give f32');
}

/** Does it hold real numbers: f32 or f16? */
export const isReal = (t: Tensor): boolean => t.dtype === 'f32' || t.dtype === 'f16';

/**
 * Checks the operands of an operation of real numbers: all f32, or all f16.
 * @param operands by the names of the formula; absent ones and numbers pass
 * @throws ShapeError when one is an integer, or f32 and f16 meet
 */
export function checkReal(op: string, operands: Readonly<Record<string, Tensor | undefined>>): void {
  const [first, ...others] = Object.entries(operands).flatMap(([name, t]) => (t ? [{ name, t }] : []));
  if (first && !isReal(first.t))
    throw new ShapeError(op, `${first.name} [${first.t.shape}] is ${first.t.dtype}`, 'give f32 or f16');
  for (const { name, t } of others)
    if (t.dtype !== first.t.dtype)
      throw new ShapeError(op, `${name} [${t.shape}] is ${t.dtype}, ${first.name} ${first.t}`, 'cast one of them');
}

/**
 * An n-dimensional array on a GPU, made by `tensor`, `zeros`, … and by operations. `Tensor<'i32', 2>` knows its dtype
 * and rank at compile time; a plain `Tensor` is of any.
 * @example
 * const x = tensor(device, [[1, 2], [3, 4]]);
 * console.log(x.shape, await sum(x).item()); // [2, 2] 10
 */
export class Tensor<D extends DType = DType, R extends number = number> {
  /** Where it lies. */
  readonly device: Device;
  /** Sizes of the dimensions, outermost first. */
  readonly shape: Shape<R>;
  /** What its elements are. */
  readonly dtype: D;
  /** @internal */
  readonly storage: Storage;
  /** Gradients are wanted for this leaf (a parameter). */
  requiresGrad = false;
  /**
   * The operation that made this tensor, when a gradient may flow through it.
   * @internal
   */
  node: TapeNode | null = null;
  #disposed = false;

  /** @internal */
  constructor(storage: Storage, shape: Shape<R>, dtype: D) {
    this.storage = storage;
    this.device = storage.device;
    this.shape = shape;
    this.dtype = dtype;
    storage.retain();
    this.device.track(this);
    register(this);
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Number of dimensions. */
  get rank(): R {
    return this.shape.length as R;
  }

  /** Its shape and dtype, as messages name it: `[2,3] f32`. */
  toString(): string {
    return `[${this.shape}] ${this.dtype}`;
  }

  /** @internal One line for console.log; the elements are on the GPU, see {@link read}. */
  [INSPECT](): string {
    return `Tensor ${this.dtype} [${this.shape.join(', ')}]${this.#disposed ? ' (disposed)' : ''}`;
  }

  /** What JSON has of it: dtype and shape. The elements are on the GPU, see {@link read}. */
  toJSON(): { dtype: D; shape: Shape<R> } {
    return { dtype: this.dtype, shape: this.shape };
  }

  /** True once it has been disposed, by hand or by its scope. */
  get isDisposed(): boolean {
    return this.#disposed;
  }

  /**
   * True if a gradient flows to or through this tensor.
   * @internal
   */
  get tracked(): boolean {
    return this.requiresGrad || this.node !== null;
  }

  /**
   * The buffer that holds the elements from byte 0 on; it may be longer than they are.
   * @throws DisposedError when there is none (any more), or none yet in a plan that is being recorded
   */
  get buffer(): GPUBuffer {
    const buffer = this.alive();
    this.storage.exposed = true;
    return buffer;
  }

  /**
   * The buffer, for the engine.
   * @internal
   * @throws DisposedError as {@link buffer}
   */
  alive(): GPUBuffer {
    if (this.#disposed)
      throw new DisposedError(
        `the tensor made by ${this.storage.label} [${this.shape}] has been disposed`,
        'return it from its scope or keep() it',
      );
    const buffer = this.storage.buffer;
    if (!buffer)
      throw new DisposedError(
        `the tensor made by ${this.storage.label} [${this.shape}] belongs to a plan that is being recorded or was disposed`,
        'read it after the plan has run',
      );
    return buffer;
  }

  /**
   * Another tensor over the same memory, which lives until both are disposed. It has no history: no gradient flows
   * through it (unlike `reshape`).
   * @param shape of as many elements
   * @throws ShapeError for another number of elements, DisposedError
   * @example const rows = x.view([x.size / 3, 3]);
   */
  view<const S extends Shape>(shape: S): Tensor<D, S['length']> {
    if (!Array.isArray(shape)) {
      throw new ShapeError('view', `the shape is ${String(shape)}`, 'call x.view([size, size, …])');
    }
    if (this.#disposed) this.alive();
    if (sizeOf(shape) !== this.size)
      throw new ShapeError(
        'reshape',
        `cannot see [${this.shape}] as [${shape}]`,
        'the number of elements must stay the same',
      );
    return new Tensor<D>(this.storage, shape, this.dtype);
  }

  /**
   * Frees the memory (once no other tensor looks at it). Its place in the graph stays: gradients still flow through it,
   * and one that needs its elements throws a DisposedError.
   * @example x.dispose();
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.device.untrack(this);
    forget(this);
    this.storage.release();
  }

  /**
   * The elements, row-major. f16 arrives as Float32Array.
   * @throws DisposedError, DeviceError or DeviceLostError when the GPU failed
   * @example const [first] = await y.read();
   */
  async read(): Promise<Elements<D>> {
    return (await this.device.read([this]))[0] as Elements<D>;
  }

  /**
   * The value of a tensor with one element.
   * @throws ShapeError when it has more or none, and as {@link read}
   * @example console.log(await loss.item());
   */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new ShapeError('item', `the tensor has shape [${this.shape}]`, 'only a tensor of one element is a number');
    return (await this.read())[0];
  }
}

// A function, because args.ts names it while this module is still being loaded.
export function isTensor(v: unknown): v is Tensor {
  return v instanceof Tensor;
}

/** Collects the tensors in a value: itself, or inside arrays, maps and plain objects. */
export function collectTensors(value: unknown, into: Set<Tensor>): void {
  if (value instanceof Tensor) into.add(value);
  else if (Array.isArray(value)) for (const v of value) collectTensors(v, into);
  else if (value instanceof Map) for (const v of value.values()) collectTensors(v, into);
  else if (value && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype)
    for (const v of Object.values(value)) collectTensors(v, into);
}
