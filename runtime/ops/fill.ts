// Tensors of one value.

import type { Device } from '../device/device.ts';
import { wordOf } from '../device/elements.ts';
import { BYTES, type DType, type Shape, type Tensor } from '../tensor.ts';

/**
 * A tensor in which every element is `value`, rounded to the dtype as a typed array does (integers drop the fraction).
 * @throws ShapeError when the shape is none, or larger than the adapter can bind
 * @example const ones = full(device, [2, 3], 1);
 */
export function full<D extends DType = 'f32', const S extends Shape = Shape>(device: Device, shape: S, value: number, dtype?: D): Tensor<D, S['length']> {
  const type = dtype ?? 'f32', y = device.empty(shape, type, 'full');
  if (value === 0) device.clear(y);
  else {
    const n = Math.ceil((y.size * BYTES[type]) / 4);
    device.run({ shader: 'fill', entry: 'forward', bindings: { y }, params: { n, word: wordOf('full', value, type) }, threads: n });
  }
  return y as Tensor<D, S['length']>;
}

/**
 * A tensor of zeros. See {@link full}.
 * @throws ShapeError when the shape is none, or larger than the adapter can bind
 * @example const total = zeros(device, [64]);
 */
export function zeros<D extends DType = 'f32', const S extends Shape = Shape>(device: Device, shape: S, dtype?: D): Tensor<D, S['length']> {
  return full(device, shape, 0, dtype);
}
