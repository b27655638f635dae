// Making tensors from numbers. See also `full` and `zeros` (runtime/ops/fill), and `uniform` (runtime/ops/random).

import { args } from './args.ts';
import { beforeReplay } from './autograd/replay.ts';
import { elementsOf } from './device/elements.ts';
import { ShapeError } from './errors.ts';
import { SEED } from './memory.ts';
import { full, zeros } from './ops/fill.ts';
import { sizeOf, type DType, type Shape, type Tensor, type TensorData } from './tensor.ts';
import type { Device } from './device/device.ts';

/** Numbers in nested arrays of equal lengths; a number alone is a scalar. */
export type NestedNumbers = number | readonly NestedNumbers[];
/** How deep numbers are nested, as far as the compiler knows. */
export type Depth<T> = T extends number
  ? 0
  : T extends readonly number[]
    ? 1
    : T extends readonly (readonly number[])[]
      ? 2
      : T extends readonly (readonly (readonly number[])[])[]
        ? 3
        : T extends readonly (readonly (readonly (readonly number[])[])[])[]
          ? 4
          : number;

/** The dtype whose elements an array holds. */
export type DTypeOf<T extends TensorData> = T extends Float32Array
  ? 'f32'
  : T extends Int32Array
    ? 'i32'
    : T extends Uint32Array
      ? 'u32'
      : 'f16';

/**
 * A tensor with the given elements. It is uploaded at once; inside a plan it is a constant, which lives as long as the
 * plan.
 * @param data numbers in nested arrays, or row-major elements in the array of their dtype (for f16 a Uint16Array of its
 *   bits)
 * @param options.shape default: that of the nesting; [length] for a typed array
 * @param options.dtype default: that of the array; f32 for numbers
 * @throws ShapeError when the nesting is ragged, the elements do not make the shape or are in another dtype's array,
 *   the
 *   dtype does not hold a number, or they are more than the adapter can bind
 * @throws OutOfMemoryError beyond the device's budget
 * @example
 * const x = tensor(device, [[1, 2, 3], [4, 5, 6]]);                  // f32 [2, 3]
 * const labels = tensor(device, [0, 2], { dtype: 'i32' });           // i32 [2]
 * const image = tensor(device, pixels, { shape: [1, 64, 64, 3] });   // pixels: Float32Array
 */
export function tensor<T extends TensorData, const S extends Shape = readonly [number]>(
  device: Device,
  data: T,
  options?: { shape?: S; dtype?: DTypeOf<T> },
): Tensor<DTypeOf<T>, S['length']>;
export function tensor<D extends DType = 'f32', const S extends Shape = Shape>(
  device: Device,
  data: NestedNumbers,
  options: { shape: S; dtype?: D },
): Tensor<D, S['length']>;
export function tensor<T extends NestedNumbers, D extends DType = 'f32'>(
  device: Device,
  data: T,
  options?: { shape?: undefined; dtype?: D },
): Tensor<D, Depth<T>>;
export function tensor(
  device: Device,
  data: NestedNumbers | TensorData,
  options: { shape?: Shape; dtype?: DType } = {},
): Tensor {
  args('tensor device:D data:x {shape:S dtype:t}', arguments);
  if (typeof data !== 'number' && !Array.isArray(data)) {
    const elements = data as TensorData;
    return device.tensor(elements, options.shape ?? [elements.length], options.dtype);
  }
  const shape: number[] = [];
  for (let d = data as NestedNumbers | undefined; Array.isArray(d); d = d[0]) shape.push(d.length);
  const numbers: number[] = [];
  const walk = (value: NestedNumbers, depth: number): void => {
    if (typeof value === 'number') {
      if (depth !== shape.length)
        throw new ShapeError(
          'tensor',
          `the arrays are ragged: a number lies at depth ${depth}, the first at ${shape.length}`,
        );
      numbers.push(value);
      return;
    }
    if (!Array.isArray(value)) {
      throw new ShapeError('tensor', `an element is ${String(value)}`, 'give numbers: 1 or 0 for truths');
    }
    if (depth >= shape.length || value.length !== shape[depth])
      throw new ShapeError(
        'tensor',
        `the arrays are ragged: one at depth ${depth} has ${value.length} elements`,
        `the first ones make [${shape}]`,
      );
    for (const v of value) walk(v, depth + 1);
  };
  walk(data as NestedNumbers, 0);
  return device.tensor(numbers, options.shape ?? shape, options.dtype ?? 'f32');
}

/**
 * Marks a tensor as a parameter: gradients are wanted for it, and scopes do not free it.
 * @returns the same tensor
 * @example const w = parameter(zeros(device, [3, 2]));
 */
export function parameter<T extends Tensor>(t: T): T {
  args('parameter t', arguments);
  t.requiresGrad = true;
  return t.device.keep(t);
}

/**
 * A tensor of unspecified content, for a kernel to fill.
 * @throws ShapeError when the shape is none, or larger than the adapter can bind
 * @throws OutOfMemoryError beyond the device's budget
 * @example const y = empty(device, [8, 10]);
 */
export function empty<D extends DType = 'f32', const S extends Shape = Shape>(
  device: Device,
  shape: S,
  dtype?: D,
): Tensor<D, S['length']> {
  args('empty device:D shape:S dtype?:t', arguments);
  return device.empty(shape, dtype ?? 'f32') as Tensor<D, S['length']>;
}

/**
 * A tensor of unspecified content in the shape and dtype of another.
 * @throws OutOfMemoryError beyond the device's budget
 * @example const dx = emptyLike(x);
 */
export function emptyLike<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  args('emptyLike x', arguments);
  return empty(x.device, x.shape, x.dtype) as Tensor<D, R>;
}

/**
 * A tensor of ones.
 * @throws ShapeError when the shape is none, or larger than the adapter can bind
 * @throws OutOfMemoryError beyond the device's budget
 * @example const mask = ones(device, [2, 3]);
 */
export function ones<D extends DType = 'f32', const S extends Shape = Shape>(
  device: Device,
  shape: S,
  dtype?: D,
): Tensor<D, S['length']> {
  args('ones device:D shape:S dtype?:t', arguments);
  return full(device, shape, 1, dtype);
}

/**
 * Zeros in the shape and dtype of another tensor.
 * @throws OutOfMemoryError beyond the device's budget
 * @example const sum = zerosLike(x);
 */
export function zerosLike<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  args('zerosLike x', arguments);
  return zeros(x.device, x.shape, x.dtype) as Tensor<D, R>;
}

/**
 * Ones in the shape and dtype of another tensor.
 * @throws OutOfMemoryError beyond the device's budget
 * @example const dy = onesLike(y);
 */
export function onesLike<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  args('onesLike x', arguments);
  return ones(x.device, x.shape, x.dtype) as Tensor<D, R>;
}

/**
 * start, start + step, … up to but without end.
 * @returns [ceil((end - start) / step)], f32 unless another dtype is given; rounded from float64
 * @throws ShapeError when step is 0 or leads away from end, a bound is not finite, or the dtype does not hold a number
 * @example arange(device, 0, 1, 0.25); // 0, 0.25, 0.5, 0.75
 */
export function arange<D extends DType = 'f32'>(
  device: Device,
  start: number,
  end: number,
  step = 1,
  dtype?: D,
): Tensor<D> {
  args('arange device:D start:n end:n step?:n dtype?:t', arguments);
  const n = Math.ceil((end - start) / step);
  if (!Number.isFinite(n) || n < 0) throw new ShapeError('arange', `no steps of ${step} lead from ${start} to ${end}`);
  return values('arange', device, n, (i) => start + i * step, dtype);
}

/**
 * `count` numbers from start to end, both included, at equal distances.
 * @returns f32 [count]
 * @throws ShapeError when count is not a whole number of at least 0, or a bound is not finite
 * @example linspace(device, 0, 1, 5); // 0, 0.25, 0.5, 0.75, 1
 */
export function linspace(device: Device, start: number, end: number, count: number): Tensor<'f32'> {
  args('linspace device:D start:n end:n count:n', arguments);
  if (!Number.isInteger(count) || count < 0) {
    throw new ShapeError('linspace', `the count is ${count}`, 'give a whole number of at least 0');
  }
  if (!Number.isFinite(start) || !Number.isFinite(end)) {
    throw new ShapeError('linspace', `no steps lead from ${start} to ${end}`, 'give finite numbers');
  }
  const last = count - 1;
  const at = (i: number): number => (i === 0 ? start : i === last ? end : start + ((end - start) * i) / last);
  return values('linspace', device, count, at, 'f32');
}

/**
 * Ones on the diagonal, zeros beside it.
 * @param rows
 * @param columns default: as many as rows
 * @returns [rows, columns]
 * @throws ShapeError when a size is not a whole number of at least 0
 * @example const identity = eye(device, 3);
 */
export function eye<D extends DType = 'f32'>(device: Device, rows: number, columns = rows, dtype?: D): Tensor<D, 2> {
  args('eye device:D rows:n columns?:n dtype?:t', arguments);
  if (![rows, columns].every((n) => Number.isInteger(n) && n >= 0))
    throw new ShapeError('eye', `[${rows}, ${columns}] is not a shape`);
  const at = (i: number): number => (Math.floor(i / columns) === i % columns ? 1 : 0);
  const flat = values('eye', device, rows * columns, at, dtype);
  const y = flat.view([rows, columns]);
  flat.dispose();
  return y;
}

/**
 * The seed of random operations: the same seed, stream and step give the same numbers, on every device. Called in the
 * body of a plan, its step advances by one with
 * each replay: the first one draws with `step`, the next with `step + 1`. A run that is resumed after k replays records
 * its plan with `step` k further on. A seed that was
 * made outside of a plan that uses it must be written before each replay.
 * @param stream tells draws apart that must not be alike
 * @param step number of the training step
 * @returns u32 [4]
 * @throws ShapeError when a number is not a whole number from 0 to 2^32 - 1
 * @example
 * const y = dropout(x, randomSeed(device, 42, 0, step), 0.1);
 * const noise = plan(device, {}, () => ({ u: uniform(randomSeed(device, 42), [8]) })); // other numbers at each replay
 */
export function randomSeed(device: Device, seed: number, stream = 0, step = 0): Tensor<'u32'> {
  args('randomSeed device:D seed:n stream?:n step?:n', arguments);
  const numbers = [seed, stream, step];
  if (!numbers.every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32))
    throw new ShapeError('randomSeed', `${numbers} are not whole numbers from 0 to 2^32 - 1`);
  const t = device.tensor(Uint32Array.of(seed, stream, step, 0), [4]) as Tensor<'u32'>;
  const { storage } = t;
  storage.label = SEED;
  const { recorder } = device;
  if (recorder) {
    recorder.constant(storage, false);
    let replay = 0;
    // The plan keeps the memory, also where the tensor itself ends with a scope of the body.
    beforeReplay(recorder, storage, () => device.rewrite(storage, Uint32Array.of(seed, stream, step + replay++, 0)));
  }
  return t;
}

function values<D extends DType>(
  op: string,
  device: Device,
  n: number,
  at: (i: number) => number,
  dtype?: D,
): Tensor<D> {
  // Refuses what cannot be held before the numbers are made on the host.
  if (sizeOf([n]) > device.gpu.limits.maxStorageBufferBindingSize) {
    throw new ShapeError(op, `${n} elements are more than the adapter can bind`);
  }
  const { values, dtype: type } = elementsOf(
    op,
    Array.from({ length: n }, (_, i) => at(i)),
    dtype,
  );
  return device.tensor(values, [n], type) as Tensor<D>;
}
