// Draws of CutOut squares. Boxes by area and ratio (ST++) come from drawSingleBoxes. The GPU fills them
// (shaders/segmentation/cutout.wgsl).

import type { Rng } from '../../runtime/random.ts';

/**
 * Half the side of PseudoSeg's square, 50 of its 513 pixels, for another size of the crop.
 * @param size height and width of the crop
 */
export function pseudosegHalf(size: readonly [number, number]): number {
  return Math.max(1, Math.round((50 / 513) * Math.min(...size)));
}

/**
 * Draws a square for each of n images: its centre is uniform over the pixels, what sticks out is clipped at the
 * borders.
 * @param half half the side in pixels
 * @returns rows of y0, x0, y1, x1, the ends exclusive
 */
export function drawCutout(rng: Rng, n: number, [height, width]: readonly [number, number], half: number): Int32Array {
  const out = new Int32Array(4 * n);
  for (let k = 0; k < n; k++) {
    const y = rng.int(height);
    const x = rng.int(width);
    out.set(
      [Math.max(0, y - half), Math.max(0, x - half), Math.min(height, y + half), Math.min(width, x + half)],
      4 * k,
    );
  }
  return out;
}
