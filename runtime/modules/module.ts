// Modules: objects that hold parameters by name, and other modules. What they are made of is declared when they are
// built and made on a device by `init`.

import { args } from '../args.ts';
import { UsageError } from '../errors.ts';
import { counted, INSPECT } from '../inspect.ts';
import { Tensor, type Shape } from '../tensor.ts';
import type { Device } from '../device/device.ts';
import type { FileTensor } from '../io/safetensors.ts';
import {
  draw,
  readState,
  writeState,
  type Fan,
  type Init,
  type LoadOptions,
  type StateEntry,
  type TorchLayout,
  type TorchTensor,
} from './state.ts';

/**
 * How a forward pass treats batch normalisation and dropout. Stated for every pass.
 * @example const mode: ForwardMode = { ...TRAIN, update: false };
 */
export interface ForwardMode {
  /**
   * 'train': statistics of the batch; 'eval': the running ones; 'frozen': the running ones, and scale and shift get no
   * gradient.
   */
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

/**
 * Statistics of the batch. A network with dropout needs a seed beside: `{ ...TRAIN, dropout: randomSeed(device, seed,
 * 0, step) }`.
 */
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

/** The tensors that parameters have made: a module may keep one in a property too. */
const made = new WeakSet<Tensor>();

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
  #disposed = false;

  /** @example readonly gain = new Parameter([8], { init: 'ones' }); */
  constructor(shape: Shape, options: ParameterOptions = {}) {
    args('Parameter shape:S {init:x fan:o name:s layout:same|conv|transposed trainable:b saved:b}', arguments);
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
    if (this.#tensor) return this.#tensor;
    if (this.#disposed) {
      throw new UsageError('a parameter is used after its module was disposed', 'call init(device) again');
    }
    const what = 'a parameter is used before its module was made on a device';
    throw new UsageError(what, 'call init(device) on the outermost module');
  }

  /**
   * Makes the tensor. It depends on seed and name alone.
   * @internal
   */
  make(device: Device, seed: number, name: string): void {
    const { init = 'zeros', fan } = this.options;
    this.#tensor = device.keep(device.tensor(draw(seed, name, this.shape, init, fan), this.shape));
    this.#tensor.requiresGrad = this.trainable;
    made.add(this.#tensor);
  }

  /** @internal One line for console.log. */
  [INSPECT](): string {
    return `Parameter [${this.shape.join(', ')}]${this.ready ? '' : ' (not on a device yet)'}`;
  }

  /** Frees the tensor. */
  dispose(): void {
    this.#disposed = this.#tensor !== null || this.#disposed;
    this.#tensor?.dispose();
    this.#tensor = null;
  }
}

/**
 * Base of networks and layers. Properties that are a {@link Parameter} or a module are its parts, also inside arrays,
 * maps and plain objects; they are named as in
 * PyTorch's state_dict, by the properties and the places and keys (`blocks.0.conv.weight`). Properties with a # are not
 * seen.
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
  /**
   * Modules and parameters that this one is made of, by name.
   * @throws UsageError for a tensor that requires a gradient and is not a {@link Parameter}: it would be neither
   * trained nor saved
   */
  children(): Iterable<readonly [string, Module | Parameter]> {
    const seen = new Set<unknown>();
    return Object.entries(this).flatMap(([name, value]) => [...partsOf(value, name, this.constructor.name, seen)]);
  }

  /**
   * All parameters and buffers below by full name, in PyTorch's order: a module's own come before those of its modules.
   * One that is shared comes under each of its names.
   */
  *entries(prefix = '', above: readonly Module[] = []): Generator<readonly [string, Parameter]> {
    const parts = [...this.children()];
    for (const [name, part] of parts)
      if (part instanceof Parameter) yield [`${prefix}${part.options.name ?? name}`, part];
    for (const [name, part] of parts)
      if (part instanceof Module && !above.includes(part)) yield* part.entries(`${prefix}${name}.`, [...above, this]);
  }

  /**
   * Makes the parameters on a device. Parts that have been made on it before stay as they are: a trained network in a
   * new module, a new head in a trained one.
   * @param options.seed first values depend on it and on the names (default 0)
   * @param options.prefix in front of the names, for a module that becomes part of another's files
   * @returns the module itself
   * @throws UsageError when all of it has been made already, when a part is on another device, or when two parameters
   * have one name; OutOfMemoryError beyond the
   *   device's budget
   * @example const net = new Sequential(new Linear(784, 64), relu, new Linear(64, 10)).init(device);
   */
  init(device: Device, options: { seed?: number; prefix?: string } = {}): this {
    const { seed = 0, prefix = '' } = options;
    const all = [...this.entries(prefix)];
    if (all.length > 0 && all.every(([, p]) => p.ready)) {
      throw new UsageError(`${all[0][0]} is on a device already`, 'call init once, on the outermost module');
    }
    const names = new Map<string, Parameter>();
    for (const [name, p] of all) {
      if (names.has(name) && names.get(name) !== p) {
        throw new UsageError(`two parameters are called ${name}`, 'rename one of the properties or keys');
      }
      names.set(name, p);
      if (p.ready && p.value.device !== device) {
        throw new UsageError(`${name} is on another device`, 'make all parts of a module on one device');
      }
    }
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
    const seen = new Set<Parameter>();
    const found = new Map<string, Tensor>();
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
    for (const p of new Set([...this.entries()].map(([, p]) => p)))
      if (p.trainable) n += p.shape.reduce((a, b) => a * b, 1);
    return n;
  }

  #state(): StateEntry[] {
    return [...this.entries()]
      .filter(([, p]) => p.saved)
      .map(([name, p]) => [name, p.value, p.options.layout ?? 'same']);
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
   * @param options.allowNonFinite take values that are NaN or infinite as they are (default false: they are refused)
   * @returns the names that were loaded
   * @throws CheckpointError when a name is missing or unknown, a shape differs, or a value is NaN or infinite
   * @throws UsageError before `init`
   * @example net.loadStateDict(decodeSafetensors(readFileSync('net.safetensors')).tensors);
   */
  loadStateDict(state: ReadonlyMap<string, FileTensor>, options: LoadOptions = {}): string[] {
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

/** Keys and values of an array, a map or a plain object; of anything else, none. */
function contents(value: unknown): Iterable<readonly [unknown, unknown]> {
  if (Array.isArray(value) || value instanceof Map) return value.entries();
  const plain = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return plain ? Object.entries(value) : [];
}

/**
 * The parts in a property.
 * @param owner the module's class, for errors
 * @param seen containers that have been looked into: they may be in a circle
 */
function* partsOf(
  value: unknown,
  name: string,
  owner: string,
  seen: Set<unknown>,
): Generator<readonly [string, Module | Parameter]> {
  if (isPart(value)) {
    yield [name, value];
    return;
  }
  if (value instanceof Tensor) {
    if (!value.requiresGrad || made.has(value)) return;
    const what = `${owner}.${name} ${value} requires a gradient, but is not a Parameter`;
    const hint = 'declare it as new Parameter(shape, { init }), or keep it in a property with a #';
    throw new UsageError(`${what}: it would be neither trained nor saved`, hint);
  }
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  for (const [key, part] of contents(value)) yield* partsOf(part, `${name}.${String(key)}`, owner, seen);
}

/** The parts in a list, by their places in it. */
export function numbered(list: readonly unknown[]): (readonly [string, Module | Parameter])[] {
  return list.flatMap((part, i) => (isPart(part) ? [[`${i}`, part] as const] : []));
}
