// Bilinear resizing of maps that may already have the wanted size.

import { resizeBilinear } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';

/**
 * A map at another size; the map itself where it already has that.
 * @param x [n, h, w, c]
 * @param options.alignCorners default true
 * @returns [n, height, width, c]
 */
export function resizeTo(x: Tensor, [height, width]: readonly [number, number], { alignCorners = true } = {}): Tensor {
  const same = x.shape[1] === height && x.shape[2] === width;
  return same ? x : resizeBilinear(x, [height, width], { alignCorners });
}

/** The same, at the height and width of a shape [n, h, w, …]. */
export function resizeLike(x: Tensor, [, height, width]: readonly number[]): Tensor {
  return resizeTo(x, [height, width]);
}
