// Matrix products by the kernels of the convolution.

import type { Tensor } from '../../tensor.ts';
import { runBack, runVectors } from './forward.ts';
import type { Geometry } from './geometry.ts';
import { runWeightGrad } from './weightGrad.ts';

/** A product as a convolution of `pixels` by a kernel of 1x1. */
const pointwise = (pixels: number, cig: number, cog: number): Geometry => ({
  x: [1, 1, pixels, cig],
  y: [1, 1, pixels, cog],
  kernel: [1, 1],
  cig,
  cog,
  stride: [1, 1],
  pad: [0, 0],
  dilation: [1, 1],
  groups: 1,
});

/**
 * y [m, n] = a [m, k] b [k, n] as a convolution by tiles, of which its gradients are the transposed ones: for adapters
 * on which tiles win.
 * @param shape m, n, k
 * @returns false where those kernels will not do, and nothing is launched
 */
export function productByTiles(
  a: Tensor,
  b: Tensor,
  y: Tensor,
  [m, n, k]: readonly [number, number, number],
  transposeA: boolean,
  transposeB: boolean,
): boolean {
  const { device } = a;
  if (!device.traits.tiles || y.size === 0 || (n | k | (transposeA ? m : 0)) & 3 || (transposeA && transposeB))
    return false;
  if (transposeA) runWeightGrad(device, pointwise(k, m, n), a, b, y);
  else if (transposeB) runBack(device, pointwise(m, n, k), { dy: a, w: b, b: undefined, dx: y }, null);
  else runVectors(pointwise(m, k, n), { x: a, w: b, b: undefined, y }, false);
  return true;
}
