// Test-time augmentation: predictions of scaled and mirrored copies of an image, averaged at its own size.

import { ShapeError } from '../../../runtime/errors.ts';
import { SEGMENTATION } from '../../../runtime/kernel/generated.ts';
import type { Tensor } from '../../../runtime/tensor.ts';

/**
 * Adds weight * p, resized to the size of `sum` (bilinear, corners aligned) and mirrored back, to `sum` in place. No
 * gradient.
 * @param sum [n, h, w, classes]
 * @param p probabilities [n, any, any, classes]
 */
export function addResized(sum: Tensor, p: Tensor, options: { mirrored: boolean; weight: number }): void {
  if (
    sum.rank !== 4 ||
    p.rank !== 4 ||
    sum.shape[0] !== p.shape[0] ||
    sum.shape[3] !== p.shape[3] ||
    sum.dtype !== 'f32' ||
    p.dtype !== 'f32'
  ) {
    throw new ShapeError(
      'addResized',
      `[${p.shape}] ${p.dtype} cannot be added to [${sum.shape}] ${sum.dtype}`,
      'give f32 [n, h, w, classes] with the same n and classes',
    );
  }
  const along = (axis: 1 | 2): number => (sum.shape[axis] > 1 ? (p.shape[axis] - 1) / (sum.shape[axis] - 1) : 0);
  sum.device.run({
    shaders: SEGMENTATION,
    shader: 'tta',
    entry: 'forward',
    bindings: { p, y: sum },
    params: {
      y_size: sum.shape,
      p_size: p.shape,
      scale: [along(1), along(2)],
      mirrored: options.mirrored ? 1 : 0,
      weight: options.weight,
    },
    threads: sum.size,
  });
}
