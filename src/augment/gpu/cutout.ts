// CutOut on the GPU: boxes of an image are filled and do not count in the loss.

import { ShapeError } from '../../../runtime/errors.ts';
import { SEGMENTATION } from '../../../runtime/kernel/generated.ts';
import { uniform } from '../../../runtime/ops/index.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { MEAN } from './view.ts';

export interface CutoutOptions<L extends Tensor | undefined, V extends Tensor | undefined> {
  /** i32 [n, h, w]: becomes 255 inside the boxes. */
  labels?: L;
  /** f32 [n, h, w]: becomes 0 inside the boxes. */
  valid?: V;
  /** The colour of the boxes (default: ImageNet's mean) … */
  fill?: readonly [number, number, number];
  /** … or a seed, u32 [4]: every value of every pixel is drawn from U[0, 1) (ST++). */
  noise?: Tensor;
}

/**
 * Fills boxes of images. No gradient: images are inputs.
 * @param x f32 [n, h, w, 3] in [0, 1]
 * @param boxes i32 [n, k, 4]: y0, x0, y1, x1, the ends exclusive; an empty box changes nothing
 * @returns the image, and the labels and validity that were given
 * @example const { image, valid } = cutout(strong, boxes, { valid: view.valid });
 */
export function cutout<L extends Tensor | undefined = undefined, V extends Tensor | undefined = undefined>(
  x: Tensor,
  boxes: Tensor,
  options: CutoutOptions<L, V> = {},
): { image: Tensor; labels: L; valid: V } {
  const { labels, valid, fill = MEAN, noise } = options;
  const [n, h, w, c] = x.shape;
  if (x.rank !== 4 || c !== 3 || x.dtype !== 'f32')
    throw new ShapeError('cutout', `x is [${x.shape}] ${x.dtype}, not f32 [n, h, w, 3]`);
  if (boxes.rank !== 3 || boxes.shape[0] !== n || boxes.shape[2] !== 4 || boxes.dtype !== 'i32')
    throw new ShapeError(
      'cutout',
      `boxes are [${boxes.shape}] ${boxes.dtype} for images [${x.shape}]`,
      `give i32 [${n}, k, 4]`,
    );
  for (const [t, dtype] of [
    [labels, 'i32'],
    [valid, 'f32'],
  ] as const) {
    if (t && (t.dtype !== dtype || t.size !== n * h * w))
      throw new ShapeError('cutout', `[${t.shape}] ${t.dtype} for images [${x.shape}]`, `give ${dtype} [${[n, h, w]}]`);
  }
  const { device } = x;
  const common = {
    shaders: SEGMENTATION,
    shader: 'cutout',
    params: { size: [n, h, w, boxes.shape[1]], fill: [...fill] },
    threads: n * h * w,
  };
  const draws = noise ? uniform(noise, x.shape) : null;
  const image = device.empty(x.shape, 'f32', 'cutout');
  device.run({
    ...common,
    entry: 'forward',
    constants: { NOISE: draws !== null },
    bindings: { boxes, x, noise: draws ?? x, y: image },
  });
  draws?.dispose();
  const cutLabels = labels && device.empty(labels.shape, 'i32', 'cutout labels');
  if (labels && cutLabels)
    device.run({ ...common, entry: 'cutLabels', bindings: { boxes, labels_in: labels, labels: cutLabels } });
  const cutValid = valid && device.empty(valid.shape, 'f32', 'cutout validity');
  if (valid && cutValid)
    device.run({ ...common, entry: 'cutValid', bindings: { boxes, valid_in: valid, valid: cutValid } });
  return { image, labels: cutLabels as L, valid: cutValid as V };
}
