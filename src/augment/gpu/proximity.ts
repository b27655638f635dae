// What CTAugment learns from: how well probed images are recognised.

import { ShapeError } from '../../../runtime/errors.ts';
import { SEGMENTATION } from '../../../runtime/kernel/generated.ts';
import type { Tensor } from '../../../runtime/tensor.ts';

/**
 * The mean over each image's labelled pixels of the softmax probability of the true class (1 - half the L1 distance to
 * the one-hot label). No gradient.
 * @param logits [n, h, w, classes]
 * @param labels i32 [n, h, w], 255 is ignored
 * @returns f32 [n]; -1 where no pixel of an image has a label
 */
export function proximity(logits: Tensor, labels: Tensor): Tensor {
  const [n, h, w, c] = logits.shape;
  if (logits.rank !== 4 || logits.dtype !== 'f32' || labels.dtype !== 'i32' || labels.size !== n * h * w) {
    throw new ShapeError(
      'proximity',
      `logits [${logits.shape}] ${logits.dtype} and labels [${labels.shape}] ${labels.dtype}`,
      'give f32 [n, h, w, classes] and i32 [n, h, w]',
    );
  }
  const y = logits.device.empty([n], 'f32', 'proximity');
  logits.device.run({
    shaders: SEGMENTATION,
    shader: 'proximity',
    entry: 'forward',
    bindings: { logits, labels, y },
    params: { pixels: h * w, c, ignore: 255 },
    groups: [n, 1, 1],
  });
  return y;
}
