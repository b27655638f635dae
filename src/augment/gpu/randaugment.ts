// Tables of image operations (RandAugment, CTAugment) applied on the GPU, to images and to the maps that belong to
// them.

import { ShapeError } from '../../../runtime/errors.ts';
import { SEGMENTATION } from '../../../runtime/kernel/generated.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { OP_ROW } from '../operations.ts';
import { MEAN } from './view.ts';

/** Most pixels of an image: sums of 8-bit values over it stay below 2^32. */
const MOST_PIXELS = 2 ** 24;
const LANES = 64;

function slotsOf(name: string, table: Tensor, [n, h, w]: readonly number[]): number {
  const slots = table.shape[1];
  if (table.rank !== 3 || table.shape[0] !== n || table.shape[2] !== OP_ROW || table.dtype !== 'i32') {
    throw new ShapeError(
      name,
      `the table is [${table.shape}] ${table.dtype} for ${n} images`,
      `give i32 [n, slots, ${OP_ROW}]`,
    );
  }
  if (h * w > MOST_PIXELS || Math.max(h, w) > 8192)
    throw new ShapeError(name, `images of ${h}x${w} are too large`, 'use a smaller crop');
  return slots;
}

/**
 * Applies the operations of each image in the order of its slots. The image is rounded to 8 bits first, as Pillow's
 * are; no gradient.
 * @param x [n, h, w, 3] in [0, 1]
 * @param table i32 [n, slots, 16]: see `drawRandAugment`
 * @param options.fill what fills boxes and the outside, in [0, 1] (default: ImageNet's mean)
 * @returns [n, h, w, 3] in [0, 1]
 */
export function applyOperations(x: Tensor, table: Tensor, options: { fill?: readonly number[] | null } = {}): Tensor {
  if (x.rank !== 4 || x.shape[3] !== 3 || x.dtype !== 'f32')
    throw new ShapeError('applyOperations', `x is [${x.shape}] ${x.dtype}`, 'give f32 [n, h, w, 3]');
  const slots = slotsOf('applyOperations', table, x.shape);
  const { device } = x;
  const [n, height, width] = x.shape;
  const pixels = height * width;
  const fill = (options.fill ?? MEAN).reduce((t, v, c) => t + (Math.round(v * 255) << (8 * c)), 0);
  const groups = Math.min(64, Math.ceil(pixels / (LANES * 4)));
  const items = Math.ceil(pixels / (LANES * groups));
  let y = device.empty([n, height, width], 'u32', 'texels');
  device.run({
    shaders: SEGMENTATION,
    shader: 'texels',
    entry: 'quantise',
    bindings: { image: x, y },
    params: { n: n * pixels },
    threads: n * pixels,
  });
  const counts = device.empty([n, 1024], 'u32', 'histograms');
  const lut = device.empty([n, 1024], 'u32', 'look-up tables');
  for (let slot = 0; slot < slots; slot++) {
    const tone = { n, pixels, slot, slots, groups, items };
    device.clear(counts);
    device.run({
      shaders: SEGMENTATION,
      shader: 'tone',
      entry: 'histogram',
      bindings: { table, x: y, counts },
      params: tone,
      groups: [n * groups, 1, 1],
    });
    device.run({
      shaders: SEGMENTATION,
      shader: 'tone',
      entry: 'tables',
      bindings: { table, histograms: counts, luts: lut },
      params: tone,
      threads: 4 * n,
    });
    const from = y;
    y = device.empty([n, height, width], 'u32', 'texels');
    device.run({
      shaders: SEGMENTATION,
      shader: 'randaugment',
      entry: 'apply',
      bindings: { table, x: from, lut, y },
      params: { n, height, width, slot, slots, fill },
      threads: n * pixels,
    });
    from.dispose();
  }
  const result = device.empty(x.shape, 'f32', 'applyOperations');
  device.run({
    shaders: SEGMENTATION,
    shader: 'texels',
    entry: 'scale',
    bindings: { x: y, result },
    params: { n: n * pixels },
    threads: n * pixels,
  });
  for (const t of [y, counts, lut]) t.dispose();
  return result;
}

const bits = new DataView(new ArrayBuffer(4));

/**
 * Moves a map of an image (labels, confidence, validity) as `applyOperations` moves the image: by the nearest pixel;
 * boxes and the outside get `fill`.
 * @param map [n, h, w], f32 or i32
 */
export function moveMap(map: Tensor, table: Tensor, fill: number): Tensor {
  if (map.rank !== 3 || map.dtype === 'f16')
    throw new ShapeError('moveMap', `the map is [${map.shape}] ${map.dtype}`, 'give f32 or i32 [n, h, w]');
  const slots = slotsOf('moveMap', table, map.shape);
  const [n, height, width] = map.shape;
  if (map.dtype === 'f32') bits.setFloat32(0, fill);
  else bits.setInt32(0, fill);
  let y = map;
  for (let slot = 0; slot < slots; slot++) {
    const from = y;
    y = map.device.empty(map.shape, map.dtype, 'moveMap');
    map.device.run({
      shaders: SEGMENTATION,
      shader: 'randaugment',
      entry: 'warp',
      bindings: { table, x: from, y },
      params: { n, height, width, slot, slots, fill: bits.getUint32(0) },
      threads: map.size,
    });
    if (from !== map) from.dispose();
  }
  return y;
}
