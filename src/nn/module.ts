// What every network is made of: parameters and buffers by name, the mode of a forward pass, conversion to and from PyTorch's layouts.

import { CheckpointError } from '../../runtime/errors.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape, type Tensor } from '../../runtime/tensor.ts';
import type { Device } from '../../runtime/device/device.ts';

/** How a forward pass treats batch normalisation and dropout. Stated for every pass that a scheme makes. */
export interface ForwardMode {
  /** 'train': statistics of the batch; 'eval': the running ones; 'frozen': the running ones, and scale and shift get no gradient. */
  bn: 'train' | 'eval' | 'frozen';
  /** In 'train': do the running statistics move? (default true) */
  update?: boolean;
  /** Drop activations, drawn from this seed (u32 [4]: seed, stream, step, 0). Absent: no dropout. */
  dropout?: Tensor;
  /** Receives the activations by layer name, for CAM and tests. */
  tap?: Map<string, Tensor>;
}

export const TRAIN: ForwardMode = { bn: 'train' };
export const EVAL: ForwardMode = { bn: 'eval' };

/** How a parameter is drawn at first. */
export type Init =
  | 'zeros'
  | 'ones'
  /** U(-1/sqrt(fan in), 1/sqrt(fan in)): PyTorch's default for convolutions, weights and biases. */
  | 'uniform'
  /** N(0, 2 / fan out): torchvision's for ResNets. */
  | 'kaiming-out';

/** A float array with its PyTorch shape. */
export interface TorchTensor {
  shape: readonly number[];
  data: Float32Array;
}

/** HWIO <- OIHW (and [kh, kw, out, in] <- IOHW for transposed convolutions): one permutation serves both. */
export function fromTorch({ shape, data }: TorchTensor): { shape: Shape; data: Float32Array } {
  if (shape.length !== 4) return { shape, data };
  const [a, b, h, w] = shape;
  const out = new Float32Array(data.length);
  let i = 0;
  for (let p = 0; p < a; p++) for (let q = 0; q < b; q++) for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) out[((y * w + x) * b + q) * a + p] = data[i++];
  return { shape: [h, w, b, a], data: out };
}

/** The inverse of {@link fromTorch}. */
export function toTorch(shape: Shape, data: Float32Array): TorchTensor {
  if (shape.length !== 4) return { shape: shape.slice(), data };
  const [h, w, b, a] = shape;
  const out = new Float32Array(data.length);
  let i = 0;
  for (let p = 0; p < a; p++) for (let q = 0; q < b; q++) for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) out[i++] = data[((y * w + x) * b + q) * a + p];
  return { shape: [a, b, h, w], data: out };
}

/** A stable 32-bit number from a name (FNV-1a): the random stream of a parameter does not depend on the others. */
export function streamOf(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

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

  param(name: string, shape: Shape, init: Init, fan: { in: number; out: number } = { in: 1, out: 1 }): Tensor {
    const n = sizeOf(shape);
    const rng = new Rng(this.seed, streamOf(name));
    const data = new Float32Array(n);
    if (init === 'ones') data.fill(1);
    else if (init === 'uniform') for (let i = 0; i < n; i++) data[i] = rng.uniform(-1, 1) / Math.sqrt(fan.in);
    else if (init === 'kaiming-out') for (let i = 0; i < n; i++) data[i] = rng.normal() * Math.sqrt(2 / fan.out);
    const t = this.device.keep(this.device.tensor(data, shape));
    t.requiresGrad = true;
    this.params.set(name, t);
    return t;
  }

  buffer(name: string, shape: Shape, value: number): Tensor {
    const t = this.device.keep(this.device.tensor(new Float32Array(sizeOf(shape)).fill(value), shape));
    this.buffers.set(name, t);
    return t;
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
    const all = [...this.params, ...this.buffers];
    const data = await this.device.read(all.map(([, t]) => t));
    return new Map(all.map(([name, t], i) => [name, toTorch(t.shape, data[i] as Float32Array)]));
  }

  /**
   * Loads a state_dict. Nothing is changed unless everything fits.
   * @param options.partial leave what the file lacks as it is, and ignore what the network lacks (pretrained encoders)
   * @returns the names that were loaded
   * @throws CheckpointError when a name is missing or a shape differs
   */
  loadStateDict(state: ReadonlyMap<string, TorchTensor>, options: { partial?: boolean } = {}): string[] {
    const writes: [Tensor, Float32Array, string][] = [];
    for (const [name, t] of [...this.params, ...this.buffers]) {
      const given = state.get(name);
      if (!given) {
        if (options.partial) continue;
        throw new CheckpointError(`the checkpoint has no ${name}`, 'it was made for another network');
      }
      const { shape, data } = fromTorch(given);
      if (shape.length !== t.shape.length || shape.some((d, i) => d !== t.shape[i])) {
        throw new CheckpointError(`${name} is [${given.shape}] in the checkpoint, the network has [${toTorch(t.shape, new Float32Array(0)).shape}]`, 'width, depth or number of classes differ');
      }
      writes.push([t, data, name]);
    }
    if (!options.partial) {
      const own = new Set([...this.params.keys(), ...this.buffers.keys()]);
      const foreign = [...state.keys()].filter((k) => !own.has(k) && !k.endsWith('num_batches_tracked'));
      if (foreign.length > 0) throw new CheckpointError(`the checkpoint has ${foreign[0]}${foreign.length > 1 ? ` and ${foreign.length - 1} more` : ''}, which the network lacks`, 'it was made for another network');
    }
    for (const [t, data] of writes) this.device.write(t, data);
    return writes.map(([, , name]) => name);
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
  /** Logits at the input's size from the encoder's activations. @returns [n, h, w, classes] */
  abstract decode(features: Features, mode: ForwardMode): Tensor;
  /** The scores before the last enlargement; the same as `decode` where there is none. @returns [n, h', w', classes], h' and w' at most those of the input */
  decodeCoarse(features: Features, mode: ForwardMode): Tensor {
    return this.decode(features, mode);
  }

  /** Channels of the encoder's last stages, deepest last: what CAM classifiers and hypercolumns build on. */
  abstract readonly encoderChannels: readonly number[];
}

/** The activations of an encoder, shallow to deep, and the size of its input. */
export interface Features {
  stages: readonly Tensor[];
  height: number;
  width: number;
}
