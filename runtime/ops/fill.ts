// Tensors of one value.

import type { Device } from '../device/device.ts';
import { wordOf } from '../device/elements.ts';
import { BYTES, type DType, type Shape, type Tensor } from '../tensor.ts';

/**
 * A tensor in which every element is `value`, rounded to the dtype as a typed array does (integers drop the fraction).
 * @throws ShapeError when the shape is none, or larger than the adapter can bind
 * @example const ones = full(device, [2, 3], 1);
 */
export function full(device: Device, shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  const y = device.empty(shape, dtype, 'full');
  if (value === 0) device.clear(y);
  else {
    const n = Math.ceil((y.size * BYTES[dtype]) / 4);
    device.run({ shader: 'fill', entry: 'forward', bindings: { y }, params: { n, word: wordOf('full', value, dtype) }, threads: n });
  }
  return y;
}

/**
 * A tensor of zeros. See {@link full}.
 * @throws ShapeError when the shape is none, or larger than the adapter can bind
 * @example const total = zeros(device, [64]);
 */
export function zeros(device: Device, shape: Shape, dtype: DType = 'f32'): Tensor {
  return full(device, shape, 0, dtype);
}
