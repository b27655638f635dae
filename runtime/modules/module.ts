// Modules: objects that hold parameters by name, and other modules. What they are made of is declared when they are built and made on a device by `init`.

import { args } from '../args.ts';
import { UsageError } from '../errors.ts';
import { counted, INSPECT } from '../inspect.ts';
import type { Shape, Tensor } from '../tensor.ts';
import type { Device } from '../device/device.ts';
import type { FileTensor } from '../io/safetensors.ts';
import { draw, readState, writeState, type Fan, type Init, type StateEntry, type TorchLayout, type TorchTensor } from './state.ts';

/**
 * How a forward pass treats batch normalisation and dropout. Stated for every pass.
 * @example const mode: ForwardMode = { ...TRAIN, update: false };
 */
export interface ForwardMode {
  /** 'train': statistics of the batch; 'eval': the running ones; 'frozen': the running ones, and scale and shift get no gradient. */
  bn: 'train' | 'eval' | 'frozen';
  /** In 'train': do the running statistics move? (default true) */
  update?: boolean;
  /** How many times they move, as if the batch had passed so often (default 1). */
  passes?: number;
  /** Drop activations, drawn from this seed (u32 [4]: seed, stream, step, 0; see `randomSeed`). null: no dropout. */
  dropout?: Tensor | null;
  /** Receives the activations by layer name, for CAM and tests. */
  tap?: Map<string, Tensor>;
}

/** Statistics of the batch. A network with dropout needs a seed beside: `{ ...TRAIN, dropout: randomSeed(device, seed, 0, step) }`. */
export const TRAIN: ForwardMode = { bn: 'train' };
/** Running statistics, no dropout. */
export const EVAL: ForwardMode = { bn: 'eval' };

/** Settings of a {@link Parameter}. */
export interface ParameterOptions {
  /** How it is drawn at first (default 'zeros'). */
  init?: Init;
  /** What 'uniform' and 'kaiming-out' are scaled by. */
  fan?: Fan;
  /** Its name in the state_dict (default: that of the module's property). */
  name?: string;
  /** Its layout in the state_dict (default: 'same'). */
  layout?: TorchLayout;
  /** False: a buffer, which no gradient changes, such as a running mean (default true). */
  trainable?: boolean;
  /** False: not in the state_dict, nor among `buffers` (default true). */
  saved?: boolean;
}

/**
 * A tensor that a module keeps: declared with the module, made by {@link Module.init}.
 * @example
 * class Scale extends Module {
 *   gain = new Parameter([8], { init: 'ones' });
 *   forward = (x: Tensor): Tensor => mul(x, this.gain.value);
 * }
 */
export class Parameter {
  /** Its shape, in the layout of the engine. */
  readonly shape: Shape;
  /** How it is made, named and saved. */
  readonly options: ParameterOptions;
  #tensor: Tensor | null = null;

  /** @example readonly gain = new Parameter([8], { init: 'ones' }); */
  constructor(shape: Shape, options: ParameterOptions = {}) {
    args(
      'Parameter shape:S {init:x fan:o name:s layout:same|conv|transposed trainable:b saved:b}',
      arguments,
    );
    this.shape = shape;
    this.options = options;
  }

  /** True for what gradients change. */
  get trainable(): boolean {
    return this.options.trainable ?? true;
  }

  /** True for what is in the state_dict. */
  get saved(): boolean {
    return this.options.saved ?? true;
  }

  /** True once it has been made on a device. */
  get ready(): boolean {
    return this.#tensor !== null;
  }

  /** The tensor. @throws UsageError before the module's `init` */
  get value(): Tensor {
    if (!this.#tensor) throw new UsageError('a parameter is used before its module was made on a device', 'call init(device) on the outermost module');
    return this.#tensor;
  }

  /**
   * Makes the tensor. It depends on seed and name alone.
   * @internal
   */
  make(device: Device, seed: number, name: string): void {
    const { init = 'zeros', fan } = this.options;
    this.#tensor = device.keep(device.tensor(draw(seed, name, this.shape, init, fan), this.shape));
    this.#tensor.requiresGrad = this.trainable;
  }

  /** @internal One line for console.log. */
  [INSPECT](): string {
    return `Parameter [${this.shape.join(', ')}]${this.ready ? '' : ' (not on a device yet)'}`;
  }

  /** Frees the tensor. */
  dispose(): void {
    this.#tensor?.dispose();
    this.#tensor = null;
  }
}

/**
 * Base of networks and layers. Properties that are a {@link Parameter}, a module, or an array of them are its parts; they are named as in PyTorch's state_dict,
 * by the properties and the places in arrays (`blocks.0.conv.weight`). Properties with a # are not seen.
 * @example
 * class Net extends Module {
 *   conv = new Conv2d(3, 16, 3, { padding: 1 });
 *   head = new Linear(16, 10);
 *   forward(x: Tensor): Tensor {
 *     return this.head.forward(mean(relu(this.conv.forward(x)), [1, 2]));
 *   }
 * }
 * const net = new Net().init(device, { seed: 0 });
 */
export abstract class Module {
  /** Modules and parameters that this one is made of, by name. */
  children(): Iterable<readonly [string, Module | Parameter]> {
    return Object.entries(this).flatMap(([name, value]) => (Array.isArray(value) ? numbered(value, `${name}.`) : isPart(value) ? [[name, value] as const] : []));
  }

  /**
   * All parameters and buffers below by full name, in PyTorch's order: a module's own come before those of its modules. One that is shared comes under each of
   * its names.
   */
  *entries(prefix = '', above: readonly Module[] = []): Generator<readonly [string, Parameter]> {
    const parts = [...this.children()];
    for (const [name, part] of parts) if (part instanceof Parameter) yield [`${prefix}${part.options.name ?? name}`, part];
    for (const [name, part] of parts) if (part instanceof Module && !above.includes(part)) yield* part.entries(`${prefix}${name}.`, [...above, this]);
  }

  /**
   * Makes the parameters on a device.
   * @param options.seed first values depend on it and on the names (default 0)
   * @param options.prefix in front of the names, for a module that becomes part of another's files
   * @returns the module itself
   * @throws UsageError when it has been done already, OutOfMemoryError beyond the device's budget
   * @example const net = new Sequential(new Linear(784, 64), relu, new Linear(64, 10)).init(device);
   */
  init(device: Device, options: { seed?: number; prefix?: string } = {}): this {
    const { seed = 0, prefix = '' } = options, all = [...this.entries(prefix)];
    const again = all.find(([, p]) => p.ready);
    if (again) throw new UsageError(`${again[0]} is on a device already`, 'call init once, on the outermost module');
    for (const [name, p] of all) if (!p.ready) p.make(device, seed, name);
    return this;
  }

  /** The trainable tensors by full name: what optimisers and `grad` take. @throws UsageError before `init` */
  get params(): ReadonlyMap<string, Tensor> {
    return this.#tensors(true);
  }

  /** The others (running statistics) by full name. @throws UsageError before `init` */
  get buffers(): ReadonlyMap<string, Tensor> {
    return this.#tensors(false);
  }

  #tensors(trainable: boolean): Map<string, Tensor> {
    const seen = new Set<Parameter>(), found = new Map<string, Tensor>();
    for (const [name, p] of this.entries()) {
      if (p.trainable !== trainable || !p.saved || seen.has(p)) continue;
      seen.add(p);
      found.set(name, p.value);
    }
    return found;
  }

  /** Number of trainable values. */
  get parameterCount(): number {
    let n = 0;
    for (const p of new Set([...this.entries()].map(([, p]) => p))) if (p.trainable) n += p.shape.reduce((a, b) => a * b, 1);
    return n;
  }

  #state(): StateEntry[] {
    return [...this.entries()].filter(([, p]) => p.saved).map(([name, p]) => [name, p.value, p.options.layout ?? 'same']);
  }

  /**
   * Parameters and buffers as PyTorch's state_dict has them: its names, its layouts.
   * @throws UsageError before `init`, DeviceError or DeviceLostError when the GPU failed
   * @example writeFileSync('net.safetensors', encodeSafetensors(await net.stateDict()));
   */
  async stateDict(): Promise<Map<string, TorchTensor>> {
    return readState(this.#state());
  }

  /**
   * Loads a state_dict. Nothing is changed unless everything fits.
   * @param options.partial leave what the file lacks as it is, and ignore what the network lacks (pretrained encoders)
   * @returns the names that were loaded
   * @throws CheckpointError when a name is missing or unknown, or a shape differs; UsageError before `init`
   * @example net.loadStateDict(decodeSafetensors(readFileSync('net.safetensors')).tensors);
   */
  loadStateDict(state: ReadonlyMap<string, FileTensor>, options: { partial?: boolean } = {}): string[] {
    return writeState(this.#state(), state, options);
  }

  /** @internal One line for console.log. */
  [INSPECT](): string {
    const tensors = counted([...this.entries()].length, 'tensor');
    return `${this.constructor.name} (${tensors}, ${counted(this.parameterCount, 'trainable value')})`;
  }

  /** Frees parameters and buffers. */
  dispose(): void {
    for (const [, p] of this.entries()) p.dispose();
  }
}

const isPart = (value: unknown): value is Module | Parameter => value instanceof Module || value instanceof Parameter;

/** The parts in a list, by their places in it. */
export function numbered(list: readonly unknown[], prefix = ''): (readonly [string, Module | Parameter])[] {
  return list.flatMap((part, i) => (isPart(part) ? [[`${prefix}${i}`, part] as const] : []));
}
