// Standardizes images before they enter a network.

import { SEGMENTATION } from '../../../runtime/kernel/generated.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { MEAN, STD } from './view.ts';

/**
 * (x - mean) / std of each channel. No gradient: images are inputs.
 * @param x [..., 3]
 * @param mean default: ImageNet's, as std
 */
export function standardize(x: Tensor, mean: readonly number[] = MEAN, std: readonly number[] = STD): Tensor {
  const y = x.device.empty(x.shape, 'f32', 'standardize');
  x.device.run({
    shaders: SEGMENTATION,
    shader: 'normalise',
    entry: 'forward',
    bindings: { x, y },
    params: { n: x.size, mean, scale: std.map((s) => 1 / s) },
    threads: x.size,
  });
  return y;
}
