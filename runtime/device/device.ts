// A device: memory, kernels, and the queue. Dispatches run at once (eager) or go into the plan that is being recorded.

import { DeviceError, DeviceLostError, FewmaskError, ShapeError } from '../errors.ts';
import { fillParams, KernelCache, type Constants, type Kernel, type ParamValue } from '../kernel/kernel.ts';
import { BYTES, collectTensors, sizeOf, Storage, Tensor, type DType, type Shape, type TensorData } from '../tensor.ts';
import { bindingEntry, checkedBytes, elementsOf, fromBytes, MOST_ELEMENTS, wholeWords } from './elements.ts';
import { BufferPool } from './pool.ts';

/** What an adapter says of itself. */
export interface AdapterInfo {
  description: string;
  vendor: string;
  architecture: string;
  device: string;
  kind: string;
  how: string;
}

/** One launch of a kernel. Bindings and params go by the names in the WGSL. */
export interface Dispatch {
  shader: string;
  entry: string;
  constants?: Constants;
  bindings: Record<string, Tensor>;
  params?: Record<string, ParamValue>;
  /** Invocations of a one-dimensional kernel, which numbers them `id.x + id.y * workgroups.x * WG`. */
  threads?: number;
  /** Or workgroups in each dimension. */
  groups?: readonly [number, number, number];
}

/** A dispatch with its kernel and grid. */
export interface Launch {
  kernel: Kernel;
  bindings: readonly Storage[];
  params: Record<string, ParamValue>;
  shader: string;
  groups: readonly [number, number, number];
}

/** What takes the dispatches while a plan is being recorded. */
export interface Recorder {
  /** Is this memory the plan's own, which has no buffer yet? */
  owns(storage: Storage): boolean;
  allocate(bytes: number, label: string): Storage;
  launch(launch: Launch): void;
  clear(storage: Storage): void;
  copy(from: Storage, to: Storage, bytes: number): void;
}

const PAGE = 1 << 18;
const ALIGN = 256;

/** A GPUDevice with all that the engine keeps for it. Made by `openNode` or `openBrowser`, or from a caller's own GPUDevice. */
export class Device {
  readonly gpu: GPUDevice;
  readonly info: AdapterInfo;
  readonly kernels: KernelCache;
  readonly pool: BufferPool;
  recorder: Recorder | null = null;
  /** Dispatches launched eagerly since the device was opened; those that plans replay are not counted. */
  dispatches = 0;
  private readonly scopes: Set<Tensor>[] = [];
  private encoder: GPUCommandEncoder | null = null;
  private pass: GPUComputePassEncoder | null = null;
  private readonly page: GPUBuffer;
  private readonly pageBytes = new ArrayBuffer(PAGE);
  private readonly pageView = new DataView(this.pageBytes);
  private pageUsed = 0;
  private failure: FewmaskError | null = null;
  private closed = false;

  /**
   * @param gpu an open device; `close()` destroys it
   * @param options.budget most bytes of GPU memory that may be in use (default 4 GiB)
   */
  constructor(gpu: GPUDevice, info: AdapterInfo, options: { budget?: number } = {}) {
    this.gpu = gpu;
    this.info = info;
    this.kernels = new KernelCache(gpu);
    this.pool = new BufferPool(gpu, options.budget ?? 4 * 2 ** 30, () => this.flush());
    this.page = gpu.createBuffer({ size: PAGE, usage: 64 | 8, label: 'params' }); // UNIFORM | COPY_DST
    gpu.onuncapturederror = (event) => {
      this.failure ??= new DeviceError(`the GPU refused a command: ${event.error.message}`, 'this is a fault in a kernel or a limit of the adapter');
    };
    void gpu.lost.then((lost) => {
      if (!this.closed) this.failure = new DeviceLostError(`the GPU device was lost: ${lost.message || lost.reason}`, 'resume from the last checkpoint');
    });
  }

  get f16(): boolean {
    return this.gpu.features.has('shader-f16');
  }

  /** A software adapter on which loads are dear and a broadcast within a subgroup (of 8 lanes or more) is free: kernels with such a variant use it. */
  get broadcasts(): boolean {
    return this.info.kind === 'lavapipe' && this.gpu.features.has('subgroups') && (this.gpu.adapterInfo?.subgroupMinSize ?? 0) >= 8;
  }

  /** @throws DeviceError when the device is closed or the GPU refused a command, DeviceLostError when it is lost: from then on at each call */
  check(): void {
    if (this.closed) throw new DeviceError('the device has been closed');
    if (this.failure) throw this.failure;
  }

  // --- memory -------------------------------------------------------------------------------------------------------

  /**
   * A new tensor with unspecified content.
   * @throws ShapeError when the shape is none, or larger than the adapter can bind
   * @throws OutOfMemoryError beyond the budget
   */
  empty(shape: Shape, dtype: DType = 'f32', label = 'empty'): Tensor {
    const bytes = this.bytesOf(shape, dtype, label);
    return new Tensor(this.recorder ? this.recorder.allocate(bytes, label) : this.allocate(bytes, label), shape, dtype);
  }

  private bytesOf(shape: Shape, dtype: DType, label: string): number {
    return checkedBytes(shape, dtype, this.gpu.limits.maxStorageBufferBindingSize, label);
  }

  private allocate(bytes: number, label: string): Storage {
    this.check();
    return new Storage(this, bytes, this.pool.acquire(bytes), false, label);
  }

  /**
   * A tensor with the given elements; always made at once, also while a plan is being recorded.
   * @param data row-major: plain numbers, or the array of the dtype (Float32Array, Int32Array, Uint32Array; for f16 a Uint16Array of its bits)
   * @param dtype default: that of the array; f32 for plain numbers
   * @throws ShapeError when the elements do not make the shape, are in another dtype's array, or are more than the adapter can bind
   * @throws OutOfMemoryError beyond the budget
   */
  tensor(data: TensorData | readonly number[], shape: Shape, dtype?: DType): Tensor {
    const { values, dtype: type } = elementsOf('tensor', data, dtype);
    if (values.length !== sizeOf(shape)) throw new ShapeError('tensor', `${values.length} elements do not make [${shape}]`);
    const t = new Tensor(this.allocate(this.bytesOf(shape, type, 'tensor'), 'tensor'), shape, type);
    this.write(t, values);
    return t;
  }

  /**
   * Overwrites all elements of a tensor, after what was launched before.
   * @param data row-major, in the array of its dtype (f16: a Uint16Array of its bits)
   * @throws ShapeError when the elements are too few, too many or in another dtype's array
   * @throws DisposedError
   */
  write(t: Tensor, data: TensorData): void {
    const { values } = elementsOf('write', data, t.dtype);
    if (values.length !== t.size) throw new ShapeError('write', `${values.length} elements for a tensor [${t.shape}]`);
    const { buffer } = t;
    if (values.length === 0) return;
    this.check();
    this.flush();
    this.gpu.queue.writeBuffer(buffer, 0, wholeWords(values));
  }

  recycle(storage: Storage): void {
    if (!this.closed && storage.buffer) this.pool.release(storage.buffer);
  }

  // --- scopes -------------------------------------------------------------------------------------------------------

  track(t: Tensor): void {
    this.scopes.at(-1)?.add(t);
  }

  untrack(t: Tensor): void {
    for (const s of this.scopes) s.delete(t);
  }

  /** Takes a tensor out of all scopes: it lives until it is disposed. */
  keep<T extends Tensor>(t: T): T {
    this.untrack(t);
    return t;
  }

  /** Runs `body` and gives, beside its result, every tensor made in it that was neither disposed nor kept: the caller owns them. */
  collect<R>(body: () => R): { result: R; made: Set<Tensor> } {
    const made = new Set<Tensor>();
    this.scopes.push(made);
    try {
      return { result: body(), made };
    } catch (error) {
      for (const t of made) t.dispose();
      throw error;
    } finally {
      this.scopes.splice(this.scopes.indexOf(made), 1);
    }
  }

  /** Runs `body`; when it throws and no scope is open, frees what it made. */
  guarded<R>(body: () => R): R {
    return this.scopes.length > 0 ? body() : this.collect(body).result;
  }

  /** Runs `body` and frees every tensor made in it, but those it returns (also inside arrays and plain objects). Frees all of them when it throws. */
  scope<R>(body: () => R): R {
    const mine = new Set<Tensor>();
    this.scopes.push(mine);
    let result: R | undefined;
    try {
      result = body();
      if (result instanceof Promise) throw new FewmaskError('scope', 'the body of a scope must not be asynchronous', 'await outside, or dispose by hand');
      return result;
    } finally {
      this.scopes.splice(this.scopes.indexOf(mine), 1);
      const kept = new Set<Tensor>();
      collectTensors(result, kept);
      for (const t of mine) {
        if (kept.has(t)) this.track(t);
        else t.dispose();
      }
    }
  }

  // --- work ---------------------------------------------------------------------------------------------------------

  /** Launches a kernel, or records it into the plan in hand. */
  run(d: Dispatch): void {
    const kernel = this.kernels.get(d.shader, d.entry, d.constants);
    const bindings: Storage[] = [], written = new Set<Storage>();
    let given = Object.keys(d.bindings).length;
    for (const b of kernel.bindings) {
      if (b.kind === 'uniform') continue;
      const t = d.bindings[b.name];
      if (!t) throw new FewmaskError('kernel', `${kernel.key}: binding ${b.name} is missing`);
      if (t.device !== this) throw new FewmaskError('kernel', `${kernel.key}: ${b.name} lives on another device`);
      const storage = this.storageOf(t), other = written.has(storage) || (b.kind === 'read_write' && bindings.includes(storage));
      if (other) throw new FewmaskError('kernel', `${kernel.key}: what it writes is bound twice, once as ${b.name}`, 'give it a tensor of its own');
      if (b.kind === 'read_write') written.add(storage);
      bindings.push(storage);
      given--;
    }
    if (given !== 0) throw new FewmaskError('kernel', `${kernel.key}: it binds ${kernel.bindings.map((b) => b.name)}, not ${Object.keys(d.bindings)}`);
    if (d.threads && !(d.threads < MOST_ELEMENTS)) throw new ShapeError(d.shader, `${d.threads} invocations are more than a kernel can number`, 'a kernel makes less than 2^31 elements');
    const groups = d.groups ?? this.fold(Math.ceil((d.threads ?? 0) / kernel.workgroup[0]), kernel.key);
    if (groups[0] === 0 || groups[1] === 0 || groups[2] === 0) return;
    const most = this.gpu.limits.maxComputeWorkgroupsPerDimension;
    if (Math.max(...groups) > most) throw new ShapeError(d.shader, `${groups} workgroups are more than the adapter's ${most} in a dimension`);
    const launch: Launch = { kernel, bindings, params: d.params ?? {}, shader: d.shader, groups };
    if (this.recorder) this.recorder.launch(launch);
    else this.launch(launch);
  }

  /** The memory of a tensor that a command is about to use. @throws DisposedError when there is none, or none yet outside of the plan in hand */
  private storageOf(t: Tensor): Storage {
    if (t.isDisposed || !this.recorder?.owns(t.storage)) void t.buffer;
    return t.storage;
  }

  /** Workgroups of a one-dimensional kernel, folded into two dimensions. */
  private fold(count: number, key: string): [number, number, number] {
    const most = this.gpu.limits.maxComputeWorkgroupsPerDimension;
    if (count <= most) return [count, 1, 1];
    const y = Math.ceil(count / most);
    if (y > most) throw new ShapeError(key, `${count} workgroups are too many`);
    return [Math.ceil(count / y), y, 1];
  }

  private launch(l: Launch): void {
    this.check();
    const entries: GPUBindGroupEntry[] = [];
    let i = 0, page = false;
    for (const b of l.kernel.bindings) {
      if (b.kind === 'uniform') page = true;
      else entries.push(bindingEntry(b.binding, l.bindings[i++]));
    }
    if (page && l.kernel.params) {
      const size = Math.ceil(l.kernel.params.size / ALIGN) * ALIGN;
      if (this.pageUsed + size > PAGE) this.flush();
      fillParams(l.shader, l.kernel.params, this.pageView, this.pageUsed, l.params);
      const binding = l.kernel.bindings.find((b) => b.kind === 'uniform')!.binding;
      entries.push({ binding, resource: { buffer: this.page, offset: this.pageUsed, size: l.kernel.params.size } });
      this.pageUsed += size;
    }
    const group = this.gpu.createBindGroup({ layout: l.kernel.layout, entries });
    const pass = this.computePass();
    pass.setPipeline(l.kernel.pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...l.groups);
    this.dispatches++;
  }

  private computePass(): GPUComputePassEncoder {
    this.encoder ??= this.gpu.createCommandEncoder();
    this.pass ??= this.encoder.beginComputePass();
    return this.pass;
  }

  private outsidePass(): GPUCommandEncoder {
    this.check();
    this.pass?.end();
    this.pass = null;
    this.encoder ??= this.gpu.createCommandEncoder();
    return this.encoder;
  }

  /** Fills a tensor with zero bytes. */
  clear(t: Tensor): void {
    const storage = this.storageOf(t);
    if (t.size === 0) return;
    if (this.recorder) this.recorder.clear(storage);
    else this.outsidePass().clearBuffer(t.buffer, 0, Math.ceil(t.storage.bytes / 4) * 4);
  }

  /**
   * Copies the elements of one tensor over another's; inside a plan it is recorded.
   * @throws ShapeError when the number of elements or their width differs
   * @throws DisposedError
   */
  copy(from: Tensor, to: Tensor): void {
    if (from.size !== to.size || BYTES[from.dtype] !== BYTES[to.dtype]) throw new ShapeError('copy', `[${from.shape}] ${from.dtype} cannot be copied into [${to.shape}] ${to.dtype}`);
    const source = this.storageOf(from), target = this.storageOf(to);
    if (from.size === 0 || source === target) return;
    if (this.recorder) this.recorder.copy(source, target, source.bytes);
    else this.outsidePass().copyBufferToBuffer(from.buffer, 0, to.buffer, 0, Math.ceil(from.storage.bytes / 4) * 4);
  }

  /**
   * Copies a tensor into part of another, from element `offset` on: how losses are gathered before they are read together.
   * @throws ShapeError when the dtypes differ, an element has not four bytes, the part lies outside, or both are one memory
   * @throws FewmaskError while a plan is being recorded, DisposedError
   */
  copyInto(from: Tensor, to: Tensor, offset: number): void {
    if (from.dtype !== to.dtype || BYTES[from.dtype] !== 4 || !Number.isInteger(offset) || offset < 0 || from.storage === to.storage || offset + from.size > to.size) throw new ShapeError('copyInto', `[${from.shape}] ${from.dtype} at ${offset} does not fit into [${to.shape}] ${to.dtype}`);
    if (this.recorder) throw new FewmaskError('plan', 'copyInto is not recorded', 'use concat inside a plan');
    this.outsidePass().copyBufferToBuffer(from.buffer, 0, to.buffer, 4 * offset, 4 * from.size);
  }

  /** Sends what has been encoded to the GPU. */
  flush(): void {
    if (!this.encoder) return;
    this.pass?.end();
    this.pass = null;
    if (this.pageUsed > 0) this.gpu.queue.writeBuffer(this.page, 0, this.pageBytes, 0, this.pageUsed);
    this.pageUsed = 0;
    this.gpu.queue.submit([this.encoder.finish()]);
    this.encoder = null;
  }

  /** Encodes with the caller's own commands (plans do); flushes what came before. */
  submit(encode: (encoder: GPUCommandEncoder) => void): void {
    this.check();
    this.flush();
    const encoder = this.gpu.createCommandEncoder();
    encode(encoder);
    this.gpu.queue.submit([encoder.finish()]);
  }

  /** Waits for the GPU to finish all that was sent. */
  async sync(): Promise<void> {
    this.flush();
    await this.gpu.queue.onSubmittedWorkDone();
    this.check();
  }

  /**
   * Reads several tensors with one copy and one map.
   * @returns the elements of each, row-major; f16 as f32
   * @throws DisposedError for a disposed tensor, FewmaskError while a plan is being recorded, DeviceError or DeviceLostError when the GPU failed
   */
  async read(tensors: readonly Tensor[]): Promise<(Float32Array | Int32Array | Uint32Array)[]> {
    if (this.recorder) throw new FewmaskError('plan', 'a tensor cannot be read while a plan is being recorded', 'return it from the plan and read it after run()');
    this.check();
    // Before anything is encoded: a copy into a staging buffer that is then destroyed would fail all that is submitted with it.
    const buffers = tensors.map((t) => t.buffer);
    const offsets: number[] = [];
    let total = 0;
    for (const t of tensors) {
      offsets.push(total);
      total += Math.ceil((t.size * BYTES[t.dtype]) / 8) * 8;
    }
    if (total === 0) return tensors.map((t) => fromBytes(t.dtype, new ArrayBuffer(0)));
    const staging = this.gpu.createBuffer({ size: total, usage: 1 | 8 }); // MAP_READ | COPY_DST
    try {
      const encoder = this.outsidePass();
      tensors.forEach((t, i) => {
        if (t.size > 0) encoder.copyBufferToBuffer(buffers[i], 0, staging, offsets[i], Math.ceil((t.size * BYTES[t.dtype]) / 4) * 4);
      });
      this.flush();
      await staging.mapAsync(1); // GPUMapMode.READ
      this.check();
      const all = staging.getMappedRange();
      return tensors.map((t, i) => fromBytes(t.dtype, all.slice(offsets[i], offsets[i] + t.size * BYTES[t.dtype])));
    } catch (error) {
      this.check();
      throw error;
    } finally {
      staging.destroy();
    }
  }

  /** Destroys the device and all its memory. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.gpu.destroy();
  }
}
