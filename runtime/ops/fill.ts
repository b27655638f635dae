// Tensors of one value.

import { args } from '../args.ts';
import type { Device } from '../device/device.ts';
import { wordOf } from '../device/elements.ts';
import { BYTES, type DType, type Shape, type Tensor } from '../tensor.ts';

/**
 * A tensor in which every element is `value`, rounded to the next number of the dtype where that is f32 or f16.
 * @throws ShapeError when the shape is none, or larger than the adapter can bind, or the dtype does not hold the value
 * @example const ones = full(device, [2, 3], 1);
 */
export function full<D extends DType = 'f32', const S extends Shape = Shape>(
  device: Device,
  shape: S,
  value: number,
  dtype?: D,
): Tensor<D, S['length']> {
  args('full device:D shape:S value:N dtype?:t', arguments);
  const type = dtype ?? 'f32';
  const word = wordOf('full', value, type);
  const y = device.empty(shape, type, 'full');
  if (value === 0) device.clear(y);
  else {
    const n = Math.ceil((y.size * BYTES[type]) / 4);
    device.run({ shader: 'fill', entry: 'forward', bindings: { y }, params: { n, word }, threads: n });
  }
  return y as Tensor<D, S['length']>;
}

/**
 * A tensor of zeros. See {@link full}.
 * @throws ShapeError when the shape is none, or larger than the adapter can bind
 * @example const total = zeros(device, [64]);
 */
export function zeros<D extends DType = 'f32', const S extends Shape = Shape>(
  device: Device,
  shape: S,
  dtype?: D,
): Tensor<D, S['length']> {
  args('zeros device:D shape:S dtype?:t', arguments);
  return full(device, shape, 0, dtype);
}
