// Views of decoded images on the GPU: scale, crop and flip from a table of draws.

import { ShapeError } from '../../../runtime/errors.ts';
import { SEGMENTATION } from '../../../runtime/kernel/generated.ts';
import type { Tensor } from '../../../runtime/tensor.ts';

/** ImageNet's mean, in [0, 1]: the colour of padding, and what `standardize` subtracts. */
export const MEAN = [0.485, 0.456, 0.406] as const;
export const STD = [0.229, 0.224, 0.225] as const;

export interface View {
  /** [n, h, w, 3] in [0, 1]. */
  image: Tensor;
  /** i32 [n, h, w]; 255 in the padding and where there is no label. */
  labels: Tensor;
  /** f32 [n, h, w]; 0 in the padding. */
  valid: Tensor;
}

/**
 * Samples views.
 * @param texels u32 [n, H, W]: r | g << 8 | b << 16 | label << 24
 * @param sizes i32 [n, 2]: true height and width of each image
 * @param table f32 [n, 8]: see `drawWeak`
 */
export function view(
  texels: Tensor,
  sizes: Tensor,
  table: Tensor,
  size: readonly [number, number],
  padding: readonly [number, number, number] = MEAN,
): View {
  const [n, sourceRows, sourceColumns] = texels.shape;
  if (texels.rank !== 3 || texels.dtype !== 'u32' || sizes.size !== 2 * n || table.size !== 8 * n) {
    throw new ShapeError(
      'view',
      `texels [${texels.shape}], sizes [${sizes.shape}], table [${table.shape}]`,
      'give u32 [n, H, W], i32 [n, 2] and f32 [n, 8]',
    );
  }
  const device = texels.device;
  const [h, w] = size;
  const image = device.empty([n, h, w, 3], 'f32', 'view');
  const labels = device.empty([n, h, w], 'i32', 'view labels');
  const valid = device.empty([n, h, w], 'f32', 'view validity');
  device.run({
    shaders: SEGMENTATION,
    shader: 'view',
    entry: 'forward',
    bindings: { texels, sizes, table, image, labels, valid },
    params: { out_size: [n, h, w, sourceColumns], source_rows: sourceRows, padding: [...padding] },
    threads: n * h * w,
  });
  return { image, labels, valid };
}
