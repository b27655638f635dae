// Strong colour augmentation on the GPU.

import { ShapeError } from '../../../runtime/errors.ts';
import { SEGMENTATION } from '../../../runtime/kernel/generated.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { COLOUR_ROW, type ColourSemantics } from '../colour.ts';

const CHUNK = 256;

/**
 * Jitter in each image's own order, greyscale, blur.
 * @param x [n, h, w, 3] in [0, 1]
 * @param table f32 [n, 12]: see `drawColour`
 * @param options.blur false leaves the two blur passes out (when no image is ever blurred)
 */
export function colour(
  x: Tensor,
  table: Tensor,
  options: { semantics?: ColourSemantics; blur?: boolean } = {},
): Tensor {
  const [n, height, width, c] = x.shape;
  if (x.rank !== 4 || c !== 3 || table.size !== n * COLOUR_ROW)
    throw new ShapeError(
      'colour',
      `x is [${x.shape}] and the table [${table.shape}]`,
      `give [n, h, w, 3] and [n, ${COLOUR_ROW}]`,
    );
  const device = x.device;
  const constants = { TENSORFLOW: options.semantics === 'tensorflow' };
  const pixels = n * height * width;
  const chunks = Math.ceil((height * width) / CHUNK);
  const params = { n, height, width, round: 0, chunks, vertical: 0 };
  let y = x;
  const next = (entry: string, extra: Partial<typeof params>, bindings: Record<string, Tensor>): void => {
    const from = y;
    y = device.empty(x.shape, 'f32', 'colour');
    device.run({
      shaders: SEGMENTATION,
      shader: 'colour',
      entry,
      constants: entry === 'jitter' ? constants : {},
      bindings: { table, x: from, y, ...bindings },
      params: { ...params, ...extra },
      threads: pixels,
    });
    if (from !== x) from.dispose();
  };
  for (let round = 0; round < 4; round++) {
    const parts = device.empty([n * chunks, 4], 'f32', 'colour sums');
    const mean = device.empty([n, 4], 'f32', 'colour means');
    device.run({
      shaders: SEGMENTATION,
      shader: 'colour',
      entry: 'sums',
      bindings: { x: y, parts },
      params,
      threads: n * chunks,
    });
    device.run({
      shaders: SEGMENTATION,
      shader: 'colour',
      entry: 'means',
      bindings: { partials: parts, mean },
      params,
      threads: n,
    });
    next('jitter', { round }, { means_in: mean });
    parts.dispose();
    mean.dispose();
  }
  if (options.blur ?? true) {
    next('blur', { vertical: 0 }, {});
    next('blur', { vertical: 1 }, {});
  }
  return y;
}
