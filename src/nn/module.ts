// What every network is made of: parameters and buffers by name, over the engine's modules (runtime/modules).

import { draw, readState, writeState, type Fan, type Init, type TorchTensor } from '../../runtime/modules/state.ts';
import type { ForwardMode, Module } from '../../runtime/modules/module.ts';
import type { Shape, Tensor } from '../../runtime/tensor.ts';
import type { Device } from '../../runtime/device/device.ts';

export { EVAL, TRAIN, type ForwardMode } from '../../runtime/modules/module.ts';
export { fromTorch, streamOf, toTorch, type Init, type TorchTensor } from '../../runtime/modules/state.ts';

/** Parameters and buffers by name, with their draws and their files: a network, or a part that is trained beside one. */
export class ParameterSet {
  readonly device: Device;
  /** Trainable, in the engine's layouts (HWIO), by PyTorch's names. */
  readonly params = new Map<string, Tensor>();
  /** Running statistics. */
  readonly buffers = new Map<string, Tensor>();
  private readonly seed: number;
  private readonly headPrefixes: string[] = [];

  constructor(device: Device, seed: number) {
    this.device = device;
    this.seed = seed;
  }

  param(name: string, shape: Shape, init: Init, fan?: Fan): Tensor {
    const t = this.device.keep(this.device.tensor(draw(this.seed, name, shape, init, fan), shape));
    t.requiresGrad = true;
    this.params.set(name, t);
    return t;
  }

  buffer(name: string, shape: Shape, value: number): Tensor {
    const t = this.device.keep(this.device.tensor(draw(this.seed, name, shape, value), shape));
    this.buffers.set(name, t);
    return t;
  }

  /** Makes a layer's parameters and buffers and takes them over under its name. */
  adopt(name: string, layer: Module): void {
    layer.init(this.device, { seed: this.seed, prefix: `${name}.` });
    for (const [full, p] of layer.entries(`${name}.`)) (p.trainable ? this.params : this.buffers).set(full, p.value);
  }

  /** Marks the parameters under a prefix as the head: drawn anew for each seed even when the rest is shared, and given its own learning rate. */
  protected markHead(prefix: string): void {
    this.headPrefixes.push(prefix);
  }

  isHead(name: string): boolean {
    return this.headPrefixes.some((p) => name.startsWith(p));
  }

  /** Number of trainable values. */
  get parameterCount(): number {
    let n = 0;
    for (const t of this.params.values()) n += t.size;
    return n;
  }

  /** Parameters and buffers as PyTorch's state_dict has them. */
  async stateDict(): Promise<Map<string, TorchTensor>> {
    return readState([...this.params, ...this.buffers]);
  }

  /**
   * Loads a state_dict. Nothing is changed unless everything fits.
   * @param options.partial leave what the file lacks as it is, and ignore what the network lacks (pretrained encoders)
   * @returns the names that were loaded
   * @throws CheckpointError when a name is missing or a shape differs
   */
  loadStateDict(state: ReadonlyMap<string, TorchTensor>, options: { partial?: boolean } = {}): string[] {
    return writeState([...this.params, ...this.buffers], state, options);
  }

  dispose(): void {
    for (const t of [...this.params.values(), ...this.buffers.values()]) t.dispose();
  }
}

/** Base of the segmentation networks. */
export abstract class Network extends ParameterSet {
  readonly numClasses: number;

  constructor(device: Device, numClasses: number, seed: number) {
    super(device, seed);
    this.numClasses = numClasses;
  }

  /**
   * Class scores.
   * @param x [n, h, w, 3], normalised; any h and w
   * @returns logits [n, h, w, classes]
   */
  forward(x: Tensor, mode: ForwardMode): Tensor {
    return this.decode(this.encode(x, mode), mode);
  }

  /**
   * The encoder's activations.
   * @param x [n, h, w, 3], normalised
   * @returns stages [n, h_i, w_i, c_i], shallow to deep, with c_i as the last of `encoderChannels`
   */
  abstract encode(x: Tensor, mode: ForwardMode): Features;
  /** The scores before the last enlargement, if the network has one. @returns [n, h', w', classes], h' and w' at most those of the input */
  abstract decodeCoarse(features: Features, mode: ForwardMode): Tensor;
  /** The last enlargement: scores of `decodeCoarse` at the size of the input; those of a part of the batch too. @returns [n, h, w, classes] */
  enlarge(scores: Tensor, _size: Pick<Features, 'height' | 'width'>): Tensor {
    return scores;
  }
  /** Logits at the input's size from the encoder's activations. @returns [n, h, w, classes] */
  decode(features: Features, mode: ForwardMode): Tensor {
    return this.enlarge(this.decodeCoarse(features, mode), features);
  }

  /** Channels of the encoder's last stages, deepest last: what CAM classifiers and hypercolumns build on. */
  abstract readonly encoderChannels: readonly number[];
  /** What the names of the encoder's parameters and buffers begin with. */
  abstract readonly encoderPrefix: string;
}

/** The activations of an encoder, shallow to deep, and the size of its input. */
export interface Features {
  stages: readonly Tensor[];
  height: number;
  width: number;
}
