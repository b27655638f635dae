// CutOut on the GPU.

import { ShapeError } from '../../../runtime/errors.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { MEAN } from './view.ts';

export interface CutOutOptions {
  /** ImageNet's mean, middle grey, or noise: each channel of each pixel uniform in [0, 1). */
  fill: 'mean' | 'grey' | 'noise';
  /** u32 [4] from `StepContext.randomSeed`; needed for noise. */
  seed?: Tensor;
}

const GREY = [0.5, 0.5, 0.5] as const;
const bits = new DataView(new ArrayBuffer(4));

/**
 * Fills one box of each image. Labels in it become 255, validity 0. No gradient.
 * @param image [n, h, w, 3] in [0, 1]
 * @param boxes i32 [n, 4]: y0, x0, y1, x1, end exclusive (see `drawSingleBoxes`)
 * @param labels i32 [n, h, w]
 * @param valid f32 [n, h, w]
 */
export function cutOut<L extends Tensor | undefined = undefined, V extends Tensor | undefined = undefined>(
  image: Tensor, boxes: Tensor, options: CutOutOptions, labels?: L, valid?: V,
): { image: Tensor; labels: L; valid: V } {
  const [n, height, width, c] = image.shape;
  if (image.rank !== 4 || c !== 3 || image.dtype !== 'f32') throw new ShapeError('cutOut', `the image is [${image.shape}] ${image.dtype}`, 'give f32 [n, h, w, 3]');
  if (boxes.size !== 4 * n || boxes.dtype !== 'i32') throw new ShapeError('cutOut', `the boxes are [${boxes.shape}] ${boxes.dtype} for ${n} images`, 'give i32 [n, 4]');
  const noise = options.fill === 'noise';
  if (noise && (options.seed?.size !== 4 || options.seed.dtype !== 'u32')) throw new ShapeError('cutOut', 'noise needs a seed', 'give u32 [4] from StepContext.randomSeed');
  const { device } = image;
  const size = [n, height, width], threads = n * height * width;
  const y = device.empty(image.shape, 'f32', 'cutOut');
  device.run({
    shader: 'cutout', entry: 'forward', constants: { NOISE: noise }, bindings: { boxes, x: image, seed: options.seed ?? boxes, y },
    params: { size, value: 0, colour: options.fill === 'grey' ? [...GREY] : [...MEAN] }, threads,
  });
  const cover = (map: Tensor | undefined, dtype: 'i32' | 'f32', value: number): Tensor | undefined => {
    if (!map) return undefined;
    if (map.size !== threads || map.dtype !== dtype) throw new ShapeError('cutOut', `a map is [${map.shape}] ${map.dtype} for images [${image.shape}]`, `give ${dtype} [n, h, w]`);
    if (dtype === 'i32') bits.setInt32(0, value);
    else bits.setFloat32(0, value);
    const covered = device.empty(map.shape, dtype, 'cutOut');
    device.run({ shader: 'cutout', entry: 'cover', bindings: { boxes, values: map, covered }, params: { size, value: bits.getUint32(0), colour: [0, 0, 0] }, threads });
    return covered;
  };
  return { image: y, labels: cover(labels, 'i32', 255) as L, valid: cover(valid, 'f32', 0) as V };
}
