// A plan: a function of tensors recorded once and replayed. Recording resolves autograd, pipelines, bind groups and a
// static memory layout with reuse by lifetime; replaying writes the inputs and encodes the dispatches, with no
// allocation.

import { args } from '../args.ts';
import type { Device } from '../device/device.ts';
import { elementsOf } from '../device/elements.ts';
import { mib, sizeClass, texelSize } from '../device/pool.ts';
import { texelNeeds } from '../device/texels.ts';
import { DeviceError, DisposedError, FewmaskError, ShapeError, UsageError } from '../errors.ts';
import { counted, INSPECT } from '../inspect.ts';
import type { Choice } from '../kernel/choice.ts';
import { Doubt, judged, type OwnKernel } from '../kernel/own.ts';
import { registerPlanned, SEED, tooLarge } from '../memory.ts';
import { asynchronous, isAsync, synchronous } from '../synchronous.ts';
import { chained } from './chains.ts';
import { encoded, replay, writeUniforms, type Encoded } from './encode.ts';
import { profiled } from './profile.ts';
import type { DeclareInput, InputSpec, PlanInputs, PlanMemory, PlanOutputs } from './planTypes.ts';
import { PlanRecorder } from './recorder.ts';
import { refuseRepeated, replayHooks } from './replay.ts';
import { assign, lifetimes, storagesOf, type Slot } from './slots.ts';
import { collectTensors, sizeOf, type Storage, type Tensor, type TensorData } from '../tensor.ts';

export type { DeclareInput, InputSpec, PlanInputs, PlanMemory, PlanOutputs } from './planTypes.ts';

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
    if (device.pool.stats.inUse + bytes > budget) throw tooLarge(device, bytes, budget, life.keys());
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
    this.#uniforms = writeUniforms(device.gpu, commands);
    this.#ownKernels = [...new Set(commands.flatMap((c) => (c.kind === 'launch' && c.launch.kernel.own) || []))];
    const encode = (): Encoded[] => encoded(device.gpu, commands, { uniforms: this.#uniforms, texels });
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
    refuseRepeated(this.#seeds);
    this.#submit();
    this.#noteChanges();
    return this.outputs;
  }

  #submit(): void {
    const send = (encoder: GPUCommandEncoder): void => replay(encoder, this.#commands);
    // One replay without a fault proves the kernels of the user's own: the commands are the same each time.
    const proven = this.#ownKernels.length === 0 || (this.#doubt?.done && !this.#doubt.error);
    if (proven) this.device.submit(send);
    else this.#doubt = this.device.attempt(this.#ownKernels, send);
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
