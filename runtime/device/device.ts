// A device: memory, kernels, and the queue. Dispatches run at once (eager) or go into the plan that is being recorded.

import { args } from '../args.ts';
import { DeviceError, FewmaskError, ShapeError, UsageError } from '../errors.ts';
import { INSPECT } from '../inspect.ts';
import { KernelCache } from '../kernel/kernel.ts';
import { Doubt, OwnKernel, passDoubts } from '../kernel/own.ts';
import { checkUnchanged } from '../autograd/versions.ts';
import { aliveReport, storageOver } from '../memory.ts';
import { BYTES, sizeOf, Storage, Tensor, type DType, type Shape, type TensorData } from '../tensor.ts';
import { describe, deviceLine } from './adapter.ts';
import { launchOf } from './launch.ts';
import { Commands } from './commands.ts';
import { checkedBytes, checkPart, elementsOf, wholeWords } from './elements.ts';
import { BufferPool } from './pool.ts';
import { Scoped } from './scoped.ts';
import { readBack } from './staging.ts';
import { traitsOf, type Traits } from './traits.ts';
import type { AdapterInfo, DeviceOptions, Dispatch, Launch, Recorder } from './types.ts';
import { Watch } from './watch.ts';
import { checkWrapped } from './wrap.ts';

export type { AdapterInfo, ChainStep, DeviceOptions, Dispatch, Launch, Recorder } from './types.ts';

/**
 * A GPUDevice with all that the engine keeps for it. `openNode` and `openBrowser` make one; so does a GPUDevice of your
 * own, which stays yours: `close()` gives back what the engine took and leaves it alone, your handlers are not touched,
 * and your errors are not taken for the engine's. Any number of them may stand on one GPUDevice. What it should be
 * requested with says {@link deviceDescriptor}; the defaults of WebGPU are enough.
 * @example
 * const gpu = await adapter.requestDevice(deviceDescriptor(adapter));
 * const device = new Device(gpu);
 */
export class Device extends Scoped {
  /** WebGPU's device. */
  readonly gpu: GPUDevice;
  /** What its adapter says. */
  readonly info: AdapterInfo;
  /** @internal */
  readonly kernels: KernelCache;
  /** Buffers: `pool.stats` counts them and their bytes. */
  readonly pool: BufferPool;
  /** @internal */
  recorder: Recorder | null = null;
  /** @internal Variants of kernels that won on this adapter. */
  choices: Readonly<Record<string, string>> = {};
  /** @internal See {@link DeviceOptions}. */
  readonly options: DeviceOptions;
  /** @internal Which variants of kernels can run here, and which win. */
  readonly traits: Traits;
  readonly #commands: Commands;
  readonly #watch: Watch;
  #closed = false;

  /**
   * @param gpu an open device
   * @param info what to say of its adapter (default: what the GPUDevice says)
   */
  constructor(
    gpu: GPUDevice,
    info: AdapterInfo = { ...describe(gpu.adapterInfo), how: "the caller's own device" },
    options: DeviceOptions = {},
  ) {
    super();
    this.gpu = gpu;
    this.info = info;
    this.options = options;
    this.traits = options.traits ?? traitsOf(gpu, info.kind, options);
    this.kernels = new KernelCache(gpu);
    const alive = (): ReturnType<typeof aliveReport> => aliveReport(this);
    this.#watch = new Watch(gpu, options.owned ?? false, alive);
    const needs = { flush: () => this.flush(), alive, guard: this.#watch.guardMemory };
    this.pool = new BufferPool(gpu, options.budget ?? 4 * 2 ** 30, needs);
    this.#commands = new Commands(gpu, this.pool, (send) => this.#watch.guard(send));
  }

  /** Dispatches launched eagerly since the device was opened; those that plans replay are not counted. */
  get dispatches(): number {
    return this.#commands.launches;
  }

  /** Does the adapter have f16? Without it f16 tensors are refused. */
  get f16(): boolean {
    return this.gpu.features.has('shader-f16');
  }

  /** @internal One line for console.log. */
  readonly [INSPECT] = (): string => deviceLine(this.info, this.#closed ? null : this.pool.stats);

  /**
   * @throws DeviceError when the device is closed or the GPU refused a command, DeviceLostError when it is lost: from
   *   then on at each call
   */
  check(): void {
    if (this.#closed) throw new DeviceError('the device has been closed');
    this.#watch.check();
  }

  /**
   * A new tensor with unspecified content.
   * @throws ShapeError when the shape is none, or larger than the adapter can bind
   * @throws OutOfMemoryError beyond the budget
   */
  empty(shape: Shape, dtype: DType = 'f32', label = 'empty'): Tensor {
    const bytes = this.#bytesOf(shape, dtype, label);
    return new Tensor(
      this.recorder ? this.recorder.allocate(bytes, label) : this.#allocate(bytes, label),
      shape,
      dtype,
    );
  }

  #bytesOf(shape: Shape, dtype: DType, label: string): number {
    return checkedBytes(shape, dtype, this.gpu.limits.maxStorageBufferBindingSize, label);
  }

  #allocate(bytes: number, label: string): Storage {
    this.check();
    return new Storage(this, bytes, this.pool.acquire(bytes), false, label);
  }

  /**
   * A tensor with the given elements; always made at once, also while a plan is being recorded.
   * @param data row-major: plain numbers, or the array of the dtype (Float32Array, Int32Array, Uint32Array; for f16 a
   *   Uint16Array of its bits)
   * @param dtype default: that of the array; f32 for plain numbers
   * @throws ShapeError when the elements do not make the shape, are in another dtype's array, or are more than the
   *   adapter can bind
   * @throws OutOfMemoryError beyond the budget
   */
  tensor(data: TensorData | readonly number[], shape: Shape, dtype?: DType): Tensor {
    args('device.tensor data:x shape:S dtype?:t', arguments);
    const { values, dtype: type } = elementsOf('tensor', data, dtype);
    if (values.length !== sizeOf(shape))
      throw new ShapeError('tensor', `${values.length} elements do not make [${shape}]`);
    const t = new Tensor(this.#allocate(this.#bytesOf(shape, type, 'tensor'), 'tensor'), shape, type);
    this.recorder?.constant(t.storage);
    this.rewrite(t.storage, values);
    return t;
  }

  /**
   * A tensor over a GPUBuffer of the caller's, from its first byte on, without a copy: what one writes, the other sees.
   * The engine neither destroys the buffer nor hands it to other tensors. Call `flush()` before you submit commands of
   * your own that follow the engine's; `tensor.buffer` is the way back.
   * @param buffer of this GPUDevice (another's is refused by the GPU, at the next read), with STORAGE, COPY_SRC and
   *   COPY_DST, unmapped. It must hold the elements and fill up 16 bytes: kernels write whole vectors, so up to 12 bytes
   *   behind the last element may change. What your own commands write there between forward and `grad` goes unnoticed:
   *   take the gradient first.
   * @throws UsageError when the buffer lacks a usage or is mapped, ShapeError when it is too small or the shape is more
   *   than the adapter can bind
   * @example const x = device.wrap(buffer, [480, 640, 4]);
   */
  wrap(buffer: GPUBuffer, shape: Shape, dtype: DType = 'f32'): Tensor {
    this.check();
    const bytes = this.#bytesOf(shape, dtype, 'wrap');
    checkWrapped(buffer, bytes, shape, dtype);
    const storage = new Storage(this, bytes, buffer, false, 'wrap');
    storage.changes = storageOver(this, buffer)?.changes ?? storage.changes;
    return new Tensor(storage, shape, dtype);
  }

  /**
   * Overwrites all elements of a tensor, after what was launched before.
   * @param data row-major, in the array of its dtype (f16: a Uint16Array of its bits)
   * @throws ShapeError when the elements are too few, too many or in another dtype's array
   * @throws DisposedError, UsageError while a plan is being recorded: its replays would not write
   */
  write(t: Tensor, data: TensorData): void {
    args('device.write t data:x', arguments);
    const { values } = elementsOf('write', data, t.dtype);
    if (values.length !== t.size) throw new ShapeError('write', `${values.length} elements for a tensor [${t.shape}]`);
    this.#own(t).alive();
    if (this.recorder) {
      const what = `write: a plan is being recorded, and would not write to ${t} at its replays`;
      throw new UsageError(what, 'make it an input of the plan, or write before run()');
    }
    this.rewrite(t.storage, values);
  }

  /** @internal Writes the elements of memory that has a buffer; while a plan is being recorded too. */
  rewrite(storage: Storage, values: TensorData): void {
    if (values.length === 0) return;
    this.check();
    this.flush();
    this.#watch.guard(() => this.gpu.queue.writeBuffer(storage.buffer!, 0, wholeWords(values)));
    storage.changed('write');
    storage.doubt = null;
  }

  /** @internal */
  recycle(storage: Storage): void {
    if (!this.#closed && storage.buffer) this.pool.release(storage.buffer);
  }

  /** @internal Launches a kernel, or records it into the plan in hand. */
  run(d: Dispatch): void {
    const kernel = this.kernels.get(d.shader, d.entry, d.constants, d.shaders);
    const most = this.gpu.limits.maxComputeWorkgroupsPerDimension;
    const made = launchOf(d, kernel, (t) => this.#storageOf(t), most);
    if (!made) return;
    const { launch, written } = made;
    if (this.recorder) this.recorder.launch(launch);
    else passDoubts(kernel, launch.bindings, this.#launch(launch));
    for (const storage of written) storage.changed(d.shader);
  }

  /** The tensor. @throws DeviceError when it is another device's */
  #own(t: Tensor): Tensor {
    if (t.device === this) return t;
    throw new DeviceError(
      `the tensor made by ${t.storage.label} [${t.shape}] lives on another device`,
      'read() it there, and make a tensor from the values here',
    );
  }

  /** The memory of a tensor that is used next. @throws DisposedError where there is none (yet), DeviceError */
  #storageOf(t: Tensor): Storage {
    this.#own(t);
    if (t.isDisposed || !this.recorder?.owns(t.storage)) t.alive();
    checkUnchanged(t.storage);
    return t.storage;
  }

  /**
   * @returns the doubt about a kernel of the user's own that has not run yet: it is sent alone, so that nothing else
   * fails with it
   */
  #launch(l: Launch): Doubt | null {
    this.check();
    const { own } = l.kernel;
    if (!own || own.isProven(l.bindings)) {
      this.#commands.launch(l);
      return null;
    }
    return own.launched(
      l.bindings,
      this.#commands.alone(() => this.#commands.launch(l)),
    );
  }

  #outsidePass(): GPUCommandEncoder {
    this.check();
    return this.#commands.outsidePass();
  }

  /** Fills a tensor with zero bytes. @throws DisposedError */
  clear(t: Tensor): void {
    args('device.clear t', arguments);
    const storage = this.#storageOf(t);
    if (t.size === 0) return;
    if (this.recorder) this.recorder.clear(storage);
    else this.#outsidePass().clearBuffer(t.alive(), 0, Math.ceil(t.storage.bytes / 4) * 4);
    storage.changed('clear');
    storage.doubt = null;
  }

  /**
   * Copies the elements of one tensor over another's; inside a plan it is recorded.
   * @throws ShapeError when the number of elements or their width differs
   * @throws DisposedError
   */
  copy(from: Tensor, to: Tensor): void {
    args('device.copy from to', arguments);
    if (from.size !== to.size || BYTES[from.dtype] !== BYTES[to.dtype])
      throw new ShapeError('copy', `${from} cannot be copied into ${to}`);
    const source = this.#storageOf(from);
    const target = this.#storageOf(to);
    if (from.size === 0 || source === target) return;
    if (this.recorder) this.recorder.copy(source, target, source.bytes);
    else this.#outsidePass().copyBufferToBuffer(from.alive(), 0, to.alive(), 0, Math.ceil(from.storage.bytes / 4) * 4);
    target.changed('copy');
    target.doubt = source.doubt;
  }

  /**
   * Copies a tensor into part of another, from element `offset` on: how losses are gathered before they are read
   * together.
   * @throws ShapeError when the dtypes differ, an element has not four bytes, the part lies outside, or both are one
   *   memory
   * @throws FewmaskError while a plan is being recorded, DisposedError
   */
  copyInto(from: Tensor, to: Tensor, offset: number): void {
    args('device.copyInto from to offset:n', arguments);
    checkPart(from, to, offset);
    if (this.recorder) throw new FewmaskError('plan', 'copyInto is not recorded', 'use concat inside a plan');
    const source = this.#own(from).alive();
    const target = this.#own(to).alive();
    this.#outsidePass().copyBufferToBuffer(source, 0, target, 4 * offset, 4 * from.size);
    to.storage.changed('copyInto');
    to.storage.doubt = Doubt.join([from.storage.doubt, to.storage.doubt]);
  }

  /** Sends what has been encoded to the GPU. */
  flush(): void {
    this.#commands.flush();
  }

  /**
   * Submits commands of your own behind what came before.
   * @throws DeviceError or DeviceLostError when the GPU failed
   */
  submit(encode: (encoder: GPUCommandEncoder) => void): void {
    this.check();
    this.flush();
    this.#watch.guard(() => {
      const encoder = this.gpu.createCommandEncoder();
      encode(encoder);
      this.gpu.queue.submit([encoder.finish()]);
    });
  }

  /**
   * @internal Submits commands with kernels of the user's own: what the GPU refuses of them is in doubt, and the device
   * lives on.
   */
  attempt(kernels: readonly OwnKernel[], encode: (encoder: GPUCommandEncoder) => void): Doubt {
    this.check();
    const error = this.#commands.alone(() => encode(this.#commands.outsidePass()));
    return new Doubt(() => OwnKernel.verdict(kernels, error));
  }

  /** Waits for the GPU to finish all that was sent. @throws DeviceError or DeviceLostError when the GPU failed */
  async sync(): Promise<void> {
    this.flush();
    await this.gpu.queue.onSubmittedWorkDone();
    await this.#watch.settled;
    this.check();
  }

  /**
   * Reads several tensors with one copy and one map. The thread never waits: the promise is kept when the GPU has
   * finished what was launched before, and other work may be launched in the meantime.
   * @returns the elements of each, row-major; f16 as f32
   * @throws DisposedError for a disposed tensor, FewmaskError while a plan is being recorded, DeviceError or
   *   DeviceLostError when the GPU failed
   */
  async read(tensors: readonly Tensor[]): Promise<(Float32Array | Int32Array | Uint32Array)[]> {
    args('device.read tensors:L', arguments);
    if (this.recorder)
      throw new FewmaskError(
        'plan',
        'a tensor cannot be read while a plan is being recorded',
        'return it from the plan and read it after run()',
      );
    this.check();
    const doubt = Doubt.join(tensors.map((t) => t.storage.doubt));
    // Before anything is encoded: a copy into a staging buffer that is then destroyed would fail all that is submitted
    // with it.
    const settle = async (): Promise<void> => {
      await this.#watch.settled;
      this.check();
    };
    // Before anything is encoded: a copy into a staging buffer that is then destroyed would fail all that is submitted
    // with it.
    const sources = tensors.map((t) => this.#own(t).alive());
    return readBack(this.gpu, tensors, sources, async (staging) => {
      try {
        if (staging.bytes > 0) {
          staging.encode(this.#outsidePass());
          this.flush();
          await staging.map();
          await settle();
        }
        await doubt?.settled;
        if (doubt?.error) throw doubt.error;
      } catch (error) {
        await settle();
        throw error;
      }
    });
  }

  /**
   * Frees all memory that the engine took, and destroys the GPUDevice where the engine opened it. What uses its tensors
   * from then on is a DeviceError.
   */
  close(): void {
    if (this.#closed) return;
    if (!this.options.owned) this.flush();
    this.#closed = true;
    this.#watch.end();
    if (this.options.owned) return this.gpu.destroy();
    this.pool.destroy();
    this.#commands.destroy();
  }
}
