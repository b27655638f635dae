// Tensors of one value.

import type { Device } from '../device/device.ts';
import type { DType, Shape, Tensor } from '../tensor.ts';

/**
 * A tensor in which every element is `value`.
 * @example const ones = full(device, [2, 3], 1);
 */
export function full(device: Device, shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  const y = device.empty(shape, dtype, 'full');
  if (value === 0) device.clear(y);
  else device.run({ shader: 'fill', entry: 'forward', constants: dtype === 'f32' ? {} : { T: dtype }, bindings: { y }, params: { n: y.size, value }, threads: y.size });
  return y;
}

/** A tensor of zeros. */
export function zeros(device: Device, shape: Shape, dtype: DType = 'f32'): Tensor {
  return full(device, shape, 0, dtype);
}
