// A plan: a function of tensors recorded once and replayed. Recording resolves autograd, pipelines, bind groups and a
// static memory layout with reuse by lifetime; replaying writes the inputs and encodes the dispatches, with no
// allocation.

import { args } from '../args.ts';
import type { Device, Launch } from '../device/device.ts';
import { bindingEntry } from '../device/binding.ts';
import { elementsOf } from '../device/elements.ts';
import { mib, sizeClass, texelSize } from '../device/pool.ts';
import { copyTexels, texelNeeds } from '../device/texels.ts';
import { DeviceError, DisposedError, FewmaskError, OutOfMemoryError, ShapeError, UsageError } from '../errors.ts';
import { counted, INSPECT } from '../inspect.ts';
import type { Choice } from '../kernel/choice.ts';
import { fillParams } from '../kernel/kernel.ts';
import { Doubt, judged, type OwnKernel } from '../kernel/own.ts';
import { aliveReport, mostOf, registerPlanned, SEED } from '../memory.ts';
import { asynchronous, isAsync, synchronous } from '../synchronous.ts';
import { chained } from './chains.ts';
import { profiled, type Encoded } from './profile.ts';
import { PlanRecorder, type Command } from './recorder.ts';
import { replayHooks } from './replay.ts';
import { assign, lifetimes, storagesOf, type Slot } from './slots.ts';
import type { Tensor } from '../tensor.ts';
import { collectTensors, sizeOf, type Storage, type DType, type Shape, type TensorData } from '../tensor.ts';

/** Shapes and dtypes of a plan's inputs, by name. */
export type InputSpec = Record<string, { shape: Shape; dtype?: DType }>;
/** The inputs of a plan as its body gets them: each of the dtype that was said, f32 where none was. */
export type PlanInputs<S extends InputSpec> = {
  readonly [K in keyof S]: Tensor<S[K]['dtype'] extends infer D extends DType ? D : 'f32'>;
};
/** Makes a further input while the body is being recorded. */
export type DeclareInput = (name: string, spec: { shape: Shape; dtype?: DType }) => Tensor;
/** Results of a plan, by name. */
export type PlanOutputs = Record<string, Tensor>;

/** What a plan needs of the GPU. */
export interface PlanMemory {
  /** Bytes of the plan's own buffers: inputs, outputs and everything between, after reuse. */
  bytes: number;
  /** Number of those buffers. */
  buffers: number;
  /** What the same tensors would take without reuse. */
  withoutReuse: number;
}

const BODY = 'the body of a plan';

/**
 * A recorded step. `run` replays it; `outputs` hold the results of the last replay. Tensors from outside that the body
 * uses stay alive as long as the plan, and a replay sees their content of that moment.
 * @example
 * const step = plan(device, { x: { shape: [8, 64, 64, 3] } }, ({ x }) => ({ loss: mean(square(x)) }));
 * step.run({ x: pixels });
 * console.log(await step.outputs.loss.item());
 */
export class Plan<O extends PlanOutputs> {
  /** Where it runs. */
  readonly device: Device;
  /** The inputs, by name: to be read, or written by `device.write`. */
  readonly inputs: Record<string, Tensor> = {};
  /** What the body returned: the results of the last replay. */
  readonly outputs: O;
  /** What it needs, known before it has run. */
  readonly memory: PlanMemory;
  readonly #recorder: PlanRecorder;
  #commands: readonly Encoded[] = [];
  readonly #buffers: (GPUBuffer | GPUTexture)[] = [];
  #uniforms: GPUBuffer | null = null;
  #own: readonly Tensor[] = [];
  /** What a replay changes of the memory that can be seen from outside. */
  #changed: readonly Storage[] = [];
  /** Memory whose content a replay takes from outside. */
  #given: readonly Storage[] = [];
  /** Seeds from outside that random numbers are drawn from, with the count of their changes at the last replay. */
  readonly #seeds = new Map<Storage, number>();
  /** Kernels of the user's own among its kernels. */
  #ownKernels: readonly OwnKernel[] = [];
  /** About replays with such kernels that have not been judged yet. */
  #doubt: Doubt | null = null;
  /** Inputs that a replay reads, with the count of their changes before anything was written to them. */
  readonly #unwritten = new Map<string, number>();
  #disposed = false;

  /**
   * Records `body`, which is called once, and lays out its memory.
   * @param inputs shapes and dtypes (default f32) by name; their content is given to `run`
   * @param body makes the step from the inputs; all it launches is recorded, and only what it returns can be read
   *   afterwards. `declare` makes further inputs
   * @param options.budget most bytes that may be in use with this plan (default: the device's budget)
   * @throws OutOfMemoryError when the plan does not fit into the budget
   * @throws FewmaskError inside another plan or for an asynchronous body, DeviceError for an
   * output of another device, DeviceError or DeviceLostError when the GPU failed before
   */
  constructor(
    device: Device,
    inputs: InputSpec,
    body: (inputs: Record<string, Tensor>, declare: DeclareInput) => O,
    options: { budget?: number } = {},
  ) {
    this.device = device;
    if (device.recorder) throw new FewmaskError('plan', 'a plan cannot be recorded inside another one');
    if (isAsync(body)) throw asynchronous('plan', BODY);
    device.check();
    this.#recorder = new PlanRecorder(device);
    try {
      this.outputs = this.#record(inputs, body);
      this.memory = this.#layOut(options.budget ?? device.pool.budget);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #record(inputs: InputSpec, body: (inputs: Record<string, Tensor>, declare: DeclareInput) => O): O {
    const { device } = this;
    device.recorder = this.#recorder;
    try {
      const declare: DeclareInput = (name, spec) => {
        if (this.inputs[name]) throw new ShapeError('plan', `there are two inputs called ${name}`);
        return (this.inputs[name] = device.keep(device.empty(spec.shape, spec.dtype ?? 'f32', `input ${name}`)));
      };
      for (const [name, spec] of Object.entries(inputs)) declare(name, spec);
      const { result, made } = device.collect(() => {
        const returned = synchronous('plan', BODY, body(this.inputs, declare));
        for (const value of Object.values(returned ?? {})) synchronous('plan', BODY, value);
        return returned;
      });
      // Constants that the body made, and its views of tensors from outside, live as long as the plan.
      this.#own = [...made].filter((t) => !t.storage.planned);
      return result;
    } finally {
      device.recorder = null;
    }
  }

  #layOut(budget: number): PlanMemory {
    const { device } = this;
    const recorder = this.#recorder;
    const pinned = new Set<Storage>(Object.values(this.inputs).map((t) => t.storage));
    const kept = new Set<Tensor>();
    collectTensors(this.outputs, kept);
    for (const t of kept) {
      if (t.device !== device)
        throw new DeviceError(
          `an output of the plan, [${t.shape}], lives on another device`,
          'a plan records the work of one device',
        );
      pinned.add(t.storage);
      t.node = null;
    }
    const used = new Set([...recorder.commands.flatMap(storagesOf), ...[...kept].map((t) => t.storage)]);
    for (const [name, { storage }] of Object.entries(this.inputs)) {
      if (used.has(storage) && storage.bytes > 0) this.#unwritten.set(name, storage.changes.count);
    }
    const use = lifetimes(recorder.commands, recorder.storages, pinned);
    const own = [...this.#own];
    const commands = chained(
      device,
      recorder.commands,
      (s) => (pinned.has(s) ? undefined : use.get(s)?.[1]),
      (t) => own.push(t),
    );
    this.#own = own;
    const life = lifetimes(commands, recorder.storages, pinned);
    const { slots, slotOf } = assign(life);
    const through = texelNeeds(commands.flatMap((c) => (c.kind === 'launch' ? [c.launch] : [])));
    const bytes = [
      ...slots.map((s) => s.bytes),
      ...[...through.values()].map((t) => texelSize(t.bytes, t.format)),
    ].reduce((n, b) => n + b, 0);
    if (device.pool.stats.inUse + bytes > budget) {
      const { message, hint } = aliveReport(device);
      const inUse = mib(device.pool.stats.inUse);
      const needed = `the step needs ${mib(bytes)} beside ${inUse} in use; the budget is ${mib(budget)}`;
      const most = mostOf([...life.keys()].map((s) => ({ op: s.label, bytes: s.bytes })));
      throw new OutOfMemoryError(`${needed}; most of it is for ${most}${message}`, hint);
    }
    const bufferOf = new Map<Slot, GPUBuffer>();
    for (const slot of slots) {
      const buffer = device.pool.acquire(slot.bytes);
      this.#buffers.push(buffer);
      bufferOf.set(slot, buffer);
    }
    for (const [s, slot] of slotOf) s.buffer = bufferOf.get(slot)!;
    for (const s of pinned) registerPlanned(s);
    for (const s of recorder.outside) if (s.label === SEED) this.#seeds.set(s, -1);
    this.#given = [...recorder.outside, ...Object.values(this.inputs).map((t) => t.storage)];
    this.#changed = [...recorder.written].filter((s) => pinned.has(s) || recorder.outside.has(s));
    const texels = new Map([...through].map(([key, t]) => [key, device.pool.texels(t.bytes, t.format)]));
    this.#buffers.push(...texels.values());
    this.#uniforms = this.#writeUniforms(commands);
    this.#ownKernels = [...new Set(commands.flatMap((c) => (c.kind === 'launch' && c.launch.kernel.own) || []))];
    const encode = (): Encoded[] => this.#encode(commands, texels);
    // What the GPU refuses of their bind groups shows again at the first replay.
    this.#commands = this.#ownKernels.length > 0 ? judged(device.gpu, encode).result : encode();
    // Only the plan's results may be looked at from outside: the rest of the memory changes hands during a replay.
    for (const s of recorder.storages) {
      if (pinned.has(s)) continue;
      s.buffer = null;
      recorder.storages.delete(s);
    }
    recorder.commands.length = 0;
    return { bytes, buffers: slots.length, withoutReuse: [...life.keys()].reduce((n, s) => n + sizeClass(s.bytes), 0) };
  }

  #paramsSize(l: Launch): number {
    return l.kernel.params ? Math.ceil(l.kernel.params.size / 256) * 256 : 0;
  }

  /** All params of all dispatches in one buffer, written once. */
  #writeUniforms(commands: readonly Command[]): GPUBuffer | null {
    const total = commands.reduce((n, c) => n + (c.kind === 'launch' ? this.#paramsSize(c.launch) : 0), 0);
    if (total === 0) return null;
    const bytes = new ArrayBuffer(total);
    const view = new DataView(bytes);
    let at = 0;
    for (const c of commands) {
      if (c.kind !== 'launch' || !c.launch.kernel.params) continue;
      fillParams(c.launch.shader, c.launch.kernel.params, view, at, c.launch.params);
      at += this.#paramsSize(c.launch);
    }
    const buffer = this.device.gpu.createBuffer({ size: total, usage: 64 | 8, label: 'plan params' });
    this.device.gpu.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  }

  #encode(commands: readonly Command[], texels: ReadonlyMap<string, GPUTexture>): Encoded[] {
    let at = 0;
    return commands.flatMap((c): Encoded | Encoded[] => {
      if (c.kind === 'clear')
        return { kind: 'clear', buffer: c.storage.buffer!, bytes: Math.ceil(c.storage.bytes / 4) * 4 };
      if (c.kind === 'copy')
        return { kind: 'copy', from: c.from.buffer!, to: c.to.buffer!, bytes: Math.ceil(c.bytes / 4) * 4 };
      const l = c.launch;
      let i = 0;
      const copies: Encoded[] = [];
      const entries = l.kernel.bindings.map((b): GPUBindGroupEntry => {
        if (b.kind === 'texture') {
          const { buffer, bytes } = l.bindings[i++];
          const to = texels.get(copies.length + l.kernel.texels!)!;
          copies.push({ kind: 'texels', from: buffer!, to, bytes });
          return { binding: b.binding, resource: to.createView() };
        }
        if (b.kind === 'uniform')
          return { binding: b.binding, resource: { buffer: this.#uniforms!, offset: at, size: l.kernel.params!.size } };
        return bindingEntry(b.binding, l.bindings[i++]);
      });
      at += this.#paramsSize(l);
      const group = this.device.gpu.createBindGroup({ layout: l.kernel.layout, entries });
      return [
        ...copies,
        { kind: 'dispatch', kernel: l.kernel, group, x: l.groups[0], y: l.groups[1], z: l.groups[2], choice: l.choice },
      ];
    });
  }

  /** The kernels of one replay, in order (for profiles and tests). */
  get kernels(): string[] {
    return this.#commands.map((c) => (c.kind === 'dispatch' ? c.kernel.key : c.kind));
  }

  /** @internal One line for console.log. */
  [INSPECT](): string {
    const names = (t: object): string => Object.keys(t).join(', ') || 'nothing';
    const size = `, ${counted(this.#commands.length, 'command')}, ${mib(this.memory.bytes)}`;
    const state = this.#disposed ? ' (disposed)' : size;
    return `Plan ${names(this.inputs)} -> ${names(this.outputs)}${state}`;
  }

  #check(): void {
    if (this.#disposed) throw new DisposedError('the plan has been disposed', 'record it again');
  }

  /**
   * Compiles its kernels, all at once: `run` would compile one after the other, and hold up the thread.
   * @example await step.compile();
   */
  async compile(): Promise<void> {
    const kernels = [...new Set(this.#commands.flatMap((c) => (c.kind === 'dispatch' ? [c.kernel] : [])))];
    const made = Promise.all(kernels.map((k) => k.compile()));
    await this.device.options.firstRuns?.(kernels, made);
    await made;
  }

  /**
   * Writes the given inputs (the others keep their content) and replays the step. Does not wait for the GPU.
   * @param inputs row-major elements by name, each in the array of its dtype
   * @returns the outputs, whose content the next replay overwrites
   * @throws UsageError when an input that the step uses has never been written, or a random seed from outside is still
   *   that of
   *   the last replay
   * @throws ShapeError when an input is unknown or does not fit (then none is written)
   * @throws DisposedError, DeviceError or DeviceLostError when the GPU failed,
   * ShaderError when a kernel of the user's own is known to be refused by it
   * @example step.run({ x: pixels, y: labels });
   */
  run(inputs: Record<string, TensorData> = {}): O {
    this.#check();
    this.device.check();
    const broken = this.#ownKernels.find((k) => k.broken)?.broken ?? this.#doubt?.error;
    if (broken) throw broken;
    const writes = Object.entries(inputs).map(([name, data]) => {
      const t = this.inputs[name];
      if (!t)
        throw new ShapeError(
          'plan',
          `it has no input ${name}`,
          `its inputs are ${Object.keys(this.inputs).join(', ')}`,
        );
      const { values } = elementsOf(`input ${name}`, data, t.dtype);
      if (values.length !== sizeOf(t.shape))
        throw new ShapeError('plan', `input ${name} is ${t}, not ${values.length} elements`);
      return [t, values] as const;
    });
    this.#checkInputs(inputs);
    for (const [t, values] of writes) this.device.write(t, values);
    for (const hook of replayHooks(this.#recorder)) hook();
    this.#checkSeeds();
    this.#submit();
    this.#noteChanges();
    return this.outputs;
  }

  /**
   * Refuses to draw the same random numbers again. Seeds that were made in the body have been advanced by their hooks.
   */
  #checkSeeds(): void {
    for (const [{ changes }, count] of this.#seeds) {
      if (changes.count !== count) continue;
      throw new UsageError(
        'plan: a random seed from outside is the one of the last replay, which would draw the same numbers again',
        'call randomSeed in the body, where its step advances with each replay, or write it before each run',
      );
    }
    for (const seed of this.#seeds.keys()) this.#seeds.set(seed, seed.changes.count);
  }

  #submit(): void {
    const replay = (encoder: GPUCommandEncoder): void => {
      let pass: GPUComputePassEncoder | null = null;
      for (const c of this.#commands) {
        if (c.kind === 'dispatch') {
          pass ??= encoder.beginComputePass();
          pass.setPipeline(c.kernel.pipeline);
          pass.setBindGroup(0, c.group);
          pass.dispatchWorkgroups(c.x, c.y, c.z);
          continue;
        }
        pass?.end();
        pass = null;
        if (c.kind === 'clear') encoder.clearBuffer(c.buffer, 0, c.bytes);
        else if (c.kind === 'texels') copyTexels(encoder, c.from, c.to, c.bytes);
        else encoder.copyBufferToBuffer(c.from, 0, c.to, 0, c.bytes);
      }
      pass?.end();
    };
    // One replay without a fault proves the kernels of the user's own: the commands are the same each time.
    const proven = this.#ownKernels.length === 0 || (this.#doubt?.done && !this.#doubt.error);
    if (proven) this.device.submit(replay);
    else this.#doubt = this.device.attempt(this.#ownKernels, replay);
  }

  #noteChanges(): void {
    const doubtful = this.#doubt || this.#given.some((s) => s.doubt);
    const doubt = doubtful ? Doubt.join([this.#doubt, ...this.#given.map((s) => s.doubt)]) : null;
    for (const storage of this.#changed) {
      storage.changed('a replay of a plan');
      storage.doubt = doubt;
    }
  }

  /**
   * Refuses a replay that would read an input with unspecified content. One whose buffer the caller has asked for may
   * have been filled by the caller.
   */
  #checkInputs(given: Record<string, TensorData>): void {
    const missing: string[] = [];
    for (const [name, count] of this.#unwritten) {
      const { changes, exposed } = this.inputs[name].storage;
      if (changes.count !== count || exposed) this.#unwritten.delete(name);
      else if (!(name in given)) missing.push(`${name} [${this.inputs[name].shape}]`);
    }
    if (missing.length === 0) return;
    const which = missing.length > 1 ? 'inputs have' : 'input has';
    const what = `plan: the ${which} never been written: ${missing.join(', ')}`;
    throw new UsageError(what, 'give the elements to run, or use device.write before');
  }

  /**
   * Runs the dispatches once, in order, with a timestamp around each. Clears and copies are left out: the times are
   * those of a replay, the outputs are not, and what the step changes in place (parameters, statistics) changes.
   * @returns milliseconds of each dispatch, in order, with the key of its kernel
   * @throws FewmaskError without the feature timestamp-query, DisposedError
   * @example console.table(await step.profile());
   */
  async profile(): Promise<{ kernel: string; ms: number; choice?: Choice }[]> {
    this.#check();
    this.#noteChanges();
    return profiled(
      this.device,
      this.#commands.filter((c) => c.kind === 'dispatch'),
    );
  }

  /** Gives the plan's memory back: its inputs and outputs can no longer be read or written. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.device.flush();
    for (const s of this.#recorder.storages) s.buffer = null;
    for (const b of this.#buffers) this.device.pool.release(b);
    for (const s of this.#recorder.outside) s.release();
    for (const t of this.#own) t.dispose();
    this.#uniforms?.destroy();
  }
}

/**
 * Records `body` as a plan. See {@link Plan} and its constructor.
 * @param inputs shapes and dtypes (default f32) by name; their content is given to `run`
 * @param body makes the step from the inputs; it is called once
 * @throws OutOfMemoryError when the plan does not fit into the budget, FewmaskError inside another plan or for an
 * asynchronous body, and what the body throws
 * @example
 * const step = plan(device, { x: { shape: [8, 3] } }, ({ x }) => ({ loss: mean(square(x)) }));
 * step.run({ x: new Float32Array(24) });
 * console.log(await step.outputs.loss.item());
 */
export function plan<S extends InputSpec, O extends PlanOutputs>(
  device: Device,
  inputs: S,
  body: (inputs: PlanInputs<S>, declare: DeclareInput) => O,
  options: { budget?: number } = {},
): Plan<O> {
  args('plan device:D inputs:o body:f {budget:n}', arguments);
  return new Plan(device, inputs, body as (inputs: Record<string, Tensor>, declare: DeclareInput) => O, options);
}
