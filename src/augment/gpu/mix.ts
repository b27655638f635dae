// CutMix on the GPU.

import { ShapeError } from '../../../runtime/errors.ts';
import { SEGMENTATION } from '../../../runtime/kernel/generated.ts';
import { sizeOf, type Tensor } from '../../../runtime/tensor.ts';

/**
 * Masks from boxes: 1 inside an odd number of them.
 * @param boxes i32 [n, k, 4]: y0, x0, y1, x1
 * @param options.invert true (default): as above; false: 0 there and 1 elsewhere
 * @returns f32 [n, h, w]
 */
export function boxMask(boxes: Tensor, size: readonly [number, number], options: { invert?: boolean } = {}): Tensor {
  const [n, k, four] = boxes.shape;
  if (boxes.rank !== 3 || four !== 4 || boxes.dtype !== 'i32')
    throw new ShapeError('boxMask', `boxes are [${boxes.shape}] ${boxes.dtype}, not i32 [n, k, 4]`);
  const mask = boxes.device.empty([n, ...size], 'f32', 'boxMask');
  boxes.device.run({
    shaders: SEGMENTATION,
    shader: 'mix',
    entry: 'boxMask',
    bindings: { boxes, mask },
    params: { size: [n, ...size, 1], boxes: k, shift: 0, outside: options.invert === false ? 1 : 0 },
    threads: mask.size,
  });
  return mask;
}

/**
 * y = b where the mask is 1, a elsewhere: images, logits [n, h, w, c], labels, confidence, validity [n, h, w]. No
 * gradient.
 * @param shift image k takes from image (k + shift) mod n of b: a shifted `a` is its own partner
 */
export function mixBy(mask: Tensor, a: Tensor, b: Tensor, shift = 0): Tensor {
  const [n, h, w] = mask.shape;
  const c = a.size / mask.size;
  if (a.size !== b.size || a.dtype !== b.dtype || c !== Math.floor(c) || sizeOf(a.shape.slice(0, 3)) !== mask.size) {
    throw new ShapeError(
      'mixBy',
      `[${a.shape}] ${a.dtype} and [${b.shape}] ${b.dtype} do not mix by a mask [${mask.shape}]`,
    );
  }
  const y = a.device.empty(a.shape, a.dtype, 'mixBy');
  a.device.run({
    shaders: SEGMENTATION,
    shader: 'mix',
    entry: 'forward',
    bindings: { mask_in: mask, a, b, y },
    params: { size: [n, h, w, c], boxes: 0, shift, outside: 0 },
    threads: y.size,
  });
  return y;
}
