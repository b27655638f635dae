// What networks keep: how parameters are drawn, PyTorch's layouts, and loading and saving by name.

import { args } from '../args.ts';
import { CheckpointError } from '../errors.ts';
import { refuseNonFinite } from '../io/finite.ts';
import { Rng } from '../random.ts';
import { sizeOf, type Shape, type Tensor, type TensorData } from '../tensor.ts';
import type { FileTensor } from '../io/safetensors.ts';

/** How a parameter is drawn at first. */
export type Init =
  | 'zeros'
  | 'ones'
  /** U(-1/sqrt(fan in), 1/sqrt(fan in)): PyTorch's default for linear layers and convolutions, weights and biases. */
  | 'uniform'
  /** N(0, 2 / fan out): torchvision's for ResNets. */
  | 'kaiming-out'
  /** N(0, 1): PyTorch's for embeddings. */
  | 'normal'
  /** The value of all elements. */
  | number
  /** The elements, row-major in the engine's layout, from random numbers that belong to the parameter's full name. */
  | ((rng: Rng, name: string) => TensorData | readonly number[]);

/** Inputs and outputs of an element: what its draw is scaled by. */
export interface Fan {
  /** Inputs that an output is made of. */
  in: number;
  /** Outputs that an input goes into. */
  out: number;
}

/** A float array with its PyTorch shape. */
export interface TorchTensor {
  /** The shape that PyTorch has. */
  shape: readonly number[];
  /** The elements, row-major. */
  data: Float32Array;
}

/**
 * How PyTorch lays a tensor out that the engine has otherwise. `conv`: HWIO here, OIHW there (and [kh, kw, out, in] and
 * IOHW for transposed convolutions: one permutation serves both). `transposed`: a matrix [in, out] here, [out, in]
 * there.
 */
export type TorchLayout = 'same' | 'conv' | 'transposed';

const usual = (shape: Shape | undefined): TorchLayout => (shape?.length === 4 ? 'conv' : 'same');

/**
 * From PyTorch's layout to the engine's. @param layout default: `conv` for four dimensions, else `same`
 * @returns the shape and the elements in the engine's layout
 * @example const { shape, data } = fromTorch({ shape: [16, 3, 3, 3], data: weights }); // [3, 3, 3, 16]
 */
export function fromTorch(
  tensor: TorchTensor,
  layout: TorchLayout = usual(tensor?.shape),
): { shape: Shape; data: Float32Array } {
  args('fromTorch tensor:o layout?:same|conv|transposed', arguments);
  const { shape, data } = tensor;
  args('fromTorch shape:S data:x', [shape, data]);
  if (layout === 'same') return { shape, data };
  const out = new Float32Array(data.length);
  const [a, b] = shape;
  let i = 0;
  if (layout === 'transposed') {
    for (let p = 0; p < a; p++) for (let q = 0; q < b; q++) out[q * a + p] = data[i++];
    return { shape: [b, a], data: out };
  }
  const [, , h, w] = shape;
  for (let p = 0; p < a; p++)
    for (let q = 0; q < b; q++)
      for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) out[((y * w + x) * b + q) * a + p] = data[i++];
  return { shape: [h, w, b, a], data: out };
}

const torchShape = (shape: Shape, layout = usual(shape)): Shape =>
  layout === 'conv' ? [3, 2, 0, 1].map((i) => shape[i]) : layout === 'transposed' ? [shape[1], shape[0]] : shape;

/**
 * The inverse of {@link fromTorch}.
 * @returns the shape and the elements in PyTorch's layout
 * @example const { shape, data } = toTorch([3, 3, 3, 16], weights); // [16, 3, 3, 3]
 */
export function toTorch(shape: Shape, data: Float32Array, layout = usual(shape)): TorchTensor {
  args('toTorch shape:S data:x layout?:same|conv|transposed', arguments);
  if (layout === 'same') return { shape: shape.slice(), data };
  if (layout === 'transposed') return fromTorch({ shape, data }, layout);
  const [h, w, b, a] = shape;
  const out = new Float32Array(data.length);
  let i = 0;
  for (let p = 0; p < a; p++)
    for (let q = 0; q < b; q++)
      for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) out[i++] = data[((y * w + x) * b + q) * a + p];
  return { shape: [a, b, h, w], data: out };
}

/** A stable 32-bit number from a name (FNV-1a): the random stream of a parameter does not depend on the others. */
export function streamOf(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** First values of a parameter. They depend on the seed and the parameter's name alone. */
export function draw(
  seed: number,
  name: string,
  shape: Shape,
  init: Init,
  fan: Fan = { in: 1, out: 1 },
): TensorData | readonly number[] {
  const n = sizeOf(shape);
  const rng = new Rng(seed, streamOf(name));
  if (typeof init === 'function') return init(rng, name);
  const data = new Float32Array(n);
  if (typeof init === 'number') data.fill(init);
  else if (init === 'ones') data.fill(1);
  else if (init === 'uniform') for (let i = 0; i < n; i++) data[i] = rng.uniform(-1, 1) / Math.sqrt(fan.in);
  else if (init === 'kaiming-out') for (let i = 0; i < n; i++) data[i] = rng.normal() * Math.sqrt(2 / fan.out);
  else if (init === 'normal') for (let i = 0; i < n; i++) data[i] = rng.normal();
  return data;
}

/** A tensor by its name in the state_dict, and its layout there (default: see {@link fromTorch}). */
export type StateEntry = readonly [name: string, tensor: Tensor, layout?: TorchLayout];

/** Tensors as PyTorch's state_dict has them. */
export async function readState(tensors: Iterable<StateEntry>): Promise<Map<string, TorchTensor>> {
  const all = [...tensors];
  if (all.length === 0) return new Map();
  const data = await all[0][1].device.read(all.map(([, t]) => t));
  return new Map(all.map(([name, t, layout], i) => [name, toTorch(t.shape, data[i] as Float32Array, layout)]));
}

/** How a state_dict is loaded. */
export interface LoadOptions {
  /** Leave what the file lacks as it is, and ignore what the network lacks: pretrained encoders (default false). */
  partial?: boolean;
  /**
   * Take values that are NaN or infinite as they are: to look into a network that diverged, or for a mask of -Infinity
   * among the buffers (default false: they are refused).
   */
  allowNonFinite?: boolean;
}

/**
 * Loads a state_dict. Nothing is changed unless everything fits.
 * @returns the names that were loaded
 * @throws CheckpointError when a name is missing, a shape differs, or a value is NaN or infinite
 */
export function writeState(
  tensors: Iterable<StateEntry>,
  state: ReadonlyMap<string, FileTensor>,
  options: LoadOptions = {},
): string[] {
  const own = new Set<string>();
  const writes: [Tensor, Float32Array, string][] = [];
  for (const [name, t, layout] of tensors) {
    own.add(name);
    const given = state.get(name);
    if (!given) {
      if (options.partial) continue;
      throw new CheckpointError(`the checkpoint has no ${name}`, 'it was made for another network');
    }
    const want = torchShape(t.shape, layout);
    const { data } = given;
    if (given.shape.length !== want.length || want.some((d, i) => d !== given.shape[i])) {
      throw new CheckpointError(
        `${name} is [${given.shape}] in the checkpoint, the network has [${want}]`,
        'width, depth or number of classes differ',
      );
    }
    if (!(data instanceof Float32Array) || data.length !== t.size)
      throw new CheckpointError(
        `${name} [${given.shape}] has ${data.length} elements in a ${data.constructor.name}`,
        'floats that make the shape are needed',
      );
    writes.push([t, fromTorch({ shape: given.shape, data }, layout).data, name]);
  }
  if (!options.partial) {
    const foreign = [...state.keys()].filter((k) => !own.has(k) && !k.endsWith('num_batches_tracked'));
    if (foreign.length > 0)
      throw new CheckpointError(
        `the checkpoint has ${foreign[0]}${foreign.length > 1 ? ` and ${foreign.length - 1} more` : ''}, which the network lacks`,
        'it was made for another network',
      );
  }
  if (!options.allowNonFinite) {
    const loaded = writes.map(([, data, name]) => [name, { data }] as const);
    const hint = 'the weights are broken; the option allowNonFinite loads them anyway';
    refuseNonFinite(loaded, 'the checkpoint', hint);
  }
  for (const [t, data] of writes) t.device.write(t, data);
  return writes.map(([, , name]) => name);
}
