// What every network is made of: parameters and buffers by name, over the engine's modules (runtime/modules).

import { UsageError } from '../../runtime/errors.ts';
import { Module, Parameter, type ForwardMode } from '../../runtime/modules/module.ts';
import type { Fan, Init } from '../../runtime/modules/state.ts';
import type { Shape, Tensor } from '../../runtime/tensor.ts';
import type { Device } from '../../runtime/device/device.ts';

export { EVAL, TRAIN, type ForwardMode } from '../../runtime/modules/module.ts';
export { fromTorch, streamOf, toTorch, type Init, type TorchTensor } from '../../runtime/modules/state.ts';

/**
 * A module that names its parameters itself, whatever its properties are called: a network, or a part that is trained
 * beside one. It is made on a device at once, or by
 * `init`; like any module it may be part of another.
 */
export abstract class ParameterSet extends Module {
  #device: Device | null;
  readonly #seed: number;
  readonly #parts = new Map<string, Parameter>();
  readonly #headPrefixes: string[] = [];

  /**
   * @param device where to make the parameters; null: `init` will say
   * @param seed first values depend on it and on the names
   */
  constructor(device: Device | null, seed: number) {
    super();
    this.#device = device;
    this.#seed = seed;
  }

  /** Where the parameters are. @throws UsageError before `init` */
  get device(): Device {
    if (this.#device) return this.#device;
    // As part of a module that was initialised.
    for (const p of this.#parts.values()) if (p.ready) return p.value.device;
    throw new UsageError('the network is not on a device yet', 'call init(device) on the outermost module');
  }

  /** The registered parameters, and what properties hold beside them. */
  override children(): Iterable<readonly [string, Module | Parameter]> {
    return [...this.#parts, ...this.#others([])];
  }

  override *entries(prefix = '', above: readonly Module[] = []): Generator<readonly [string, Parameter]> {
    for (const [name, p] of this.#parts) yield [`${prefix}${name}`, p];
    for (const [name, part] of this.#others(above)) {
      if (part instanceof Parameter) yield [`${prefix}${part.options.name ?? name}`, part];
      else yield* part.entries(`${prefix}${name}.`, [...above, this]);
    }
  }

  /** Parameters in properties that are not registered, and modules that have such. */
  #others(above: readonly Module[]): (readonly [string, Module | Parameter])[] {
    const known = new Set<Parameter>(this.#parts.values());
    const foreign = (part: Module | Parameter): boolean => {
      if (part instanceof Parameter) return !known.has(part);
      return !above.includes(part) && [...part.entries('', [...above, this])].some(([, p]) => !known.has(p));
    };
    return [...super.children()].filter(([, part]) => foreign(part));
  }

  /**
   * Makes the parameters on a device; see {@link Module.init}. The seed is that of the constructor unless another is
   * given.
   */
  override init(device: Device, options: { seed?: number; prefix?: string } = {}): this {
    super.init(device, { seed: this.#seed, ...options });
    this.#device = device;
    return this;
  }

  /** Adds a parameter under its name in the state_dict. */
  protected param(name: string, shape: Shape, init: Init, fan?: Fan): Parameter {
    return this.#add(name, new Parameter(shape, { init, fan, layout: shape.length === 4 ? 'conv' : 'same' }));
  }

  /** Adds a buffer of one value under its name in the state_dict. */
  protected buffer(name: string, shape: Shape, value: number): Parameter {
    return this.#add(name, new Parameter(shape, { init: value, trainable: false }));
  }

  /** Takes a layer's parameters and buffers over under its name. */
  adopt(name: string, layer: Module): void {
    for (const [full, p] of layer.entries(`${name}.`)) this.#add(full, p);
  }

  #add(name: string, p: Parameter): Parameter {
    if (this.#parts.has(name)) throw new UsageError(`two parameters are called ${name}`, 'give each a different name');
    this.#parts.set(name, p);
    if (this.#device && !p.ready) p.make(this.#device, this.#seed, name);
    return p;
  }

  /**
   * Marks the parameters under a prefix as the head: drawn again for each seed even when the rest is shared, and given
   * its own learning rate.
   */
  protected markHead(prefix: string): void {
    this.#headPrefixes.push(prefix);
  }

  isHead(name: string): boolean {
    return this.#headPrefixes.some((p) => name.startsWith(p));
  }
}

/** The arguments of a network's constructor: its options, behind a device where it is to be made at once. */
export type NetworkArguments<O> = [options: O] | [device: Device, options: O];

/** The device, if there is one, and the options. */
export function networkArguments<O>(given: NetworkArguments<O>): { device: Device | null; options: O } {
  return given.length === 2 ? { device: given[0], options: given[1] } : { device: null, options: given[0] };
}

/** Base of the segmentation networks. */
export abstract class Network extends ParameterSet {
  readonly numClasses: number;

  /** @param device where to make the parameters; null: `init` will say */
  constructor(device: Device | null, numClasses: number, seed: number) {
    super(device, seed);
    this.numClasses = numClasses;
  }

  /** Makes the seeds of training passes that are given none; set while a step is recorded. */
  seeds: (() => Tensor) | null = null;

  /** The mode of a pass, in training with a seed for dropout. */
  protected seeded(mode: ForwardMode): ForwardMode {
    const draws = mode.bn === 'train' && mode.dropout === undefined && this.seeds;
    return draws ? { ...mode, dropout: draws() } : mode;
  }

  /**
   * Class scores.
   * @param x [n, h, w, 3], standardized; any h and w
   * @returns logits [n, h, w, classes]
   */
  forward(x: Tensor, mode: ForwardMode): Tensor {
    return this.decode(this.encode(x, mode), mode);
  }

  /**
   * The encoder's activations.
   * @param x [n, h, w, 3], standardized
   * @returns stages [n, h_i, w_i, c_i], shallow to deep, with c_i as the last of `encoderChannels`
   */
  abstract encode(x: Tensor, mode: ForwardMode): Features;
  /**
   * The scores before the last enlargement, if the network has one.
   * @returns [n, h', w', classes], h' and w' at most those of the input
   */
  abstract decodeCoarse(features: Features, mode: ForwardMode): Tensor;
  /**
   * The last enlargement: scores of `decodeCoarse` at the size of the input; those of a part of the batch too.
   * @returns [n, h, w, classes]
   */
  enlarge(scores: Tensor, _size: Pick<Features, 'height' | 'width'>): Tensor {
    return scores;
  }
  /** Logits at the input's size from the encoder's activations. @returns [n, h, w, classes] */
  decode(features: Features, mode: ForwardMode): Tensor {
    return this.enlarge(this.decodeCoarse(features, mode), features);
  }

  /** Channels of the encoder's last stages, deepest last: what CAM classifiers and hypercolumns build on. */
  abstract readonly encoderChannels: readonly number[];
  /** What the names of the encoder's parameters and buffers begin with (default: the whole network is taken for it). */
  readonly encoderPrefix: string = '';
}

/** The activations of an encoder, shallow to deep, and the size of its input. */
export interface Features {
  stages: readonly Tensor[];
  height: number;
  width: number;
}
