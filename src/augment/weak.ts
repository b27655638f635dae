// Draws of weak views: scale, crop, rotation, flip. The table goes to the GPU, where shaders/segmentation/view.wgsl samples by it.

import type { Rng } from '../../runtime/random.ts';
import { choice, fields, flag, number, numbers, pair, type Kind } from '../options.ts';

export interface WeakOptions {
  /** Size of the crop. */
  crop: readonly [number, number];
  /** The image is scaled by U(lo, hi) (default: not at all) … */
  range?: readonly [number, number];
  /** … or, where this is given, by one of these … */
  choice?: readonly number[];
  /** … or, where this is given, so that its long side is U(lo, hi) times this many pixels. */
  longSide?: { base: number; range: readonly [number, number] };
  /** Probability of a mirrored view (default 0.5). */
  flip?: number;
  /** The view is turned about its middle by up to so many degrees either way (default 0); corners are then padding. */
  rotate?: number;
  /** Where an image lies in a crop that is larger than it (default 'right-bottom': the padding is right and below). */
  pad?: 'centre' | 'right-bottom';
  /**
   * Enlarge images that are smaller than the crop after scaling, instead of padding (as the reference implementation
   * does).
   */
  cover?: boolean;
}

/** What the options may be; the crop is the run's. */
export const WEAK_FIELDS: Readonly<Record<Exclude<keyof WeakOptions, 'crop'>, Kind>> = {
  range: pair({ above: 0 }),
  choice: numbers({ above: 0 }),
  longSide: fields({ base: number({ above: 0 }), range: pair({ above: 0 }) }, { all: true }),
  flip: number({ from: 0, to: 1 }),
  rotate: number({ from: 0, to: 180 }),
  pad: choice('centre', 'right-bottom'),
  cover: flag,
};

/** Numbers in a row of the table. */
export const VIEW_ROW = 8;

/**
 * Draws a row [y0, x0, sy, sx, flip, validHeight, validWidth, angle] for each image: output pixel (i, j), mirrored to j =
 * w - 1 - j when flip is 1 and turned by {@link turned}, samples the source at y = y0 + (i + 0.5) sy - 0.5 and x = x0 +
 * (j + 0.5) sx - 0.5.
 * @param sizes height, width of each image
 */
export function drawWeak(rng: Rng, sizes: Int32Array, options: WeakOptions): Float32Array {
  const n = sizes.length / 2;
  const [h, w] = options.crop;
  const table = new Float32Array(n * VIEW_ROW);
  for (let k = 0; k < n; k++) {
    const height = sizes[2 * k];
    const width = sizes[2 * k + 1];
    let scale = 1;
    // A range is there by default, so the others go first.
    if (options.longSide)
      scale = (options.longSide.base * rng.uniform(...options.longSide.range)) / Math.max(height, width);
    else if (options.choice) scale = rng.choice(options.choice);
    else if (options.range) scale = rng.uniform(...options.range);
    let sh = Math.max(1, Math.floor(height * scale));
    let sw = Math.max(1, Math.floor(width * scale));
    if (options.cover) {
      sh = Math.max(sh, h);
      sw = Math.max(sw, w);
    }
    const offset = (scaled: number, crop: number): number => {
      if (scaled >= crop) return rng.int(scaled - crop + 1);
      return options.pad === 'centre' ? -Math.floor((crop - scaled) / 2) : 0;
    };
    const top = offset(sh, h);
    const left = offset(sw, w);
    const sy = height / sh;
    const sx = width / sw;
    const flip = rng.bernoulli(options.flip ?? 0.5) ? 1 : 0;
    const angle = options.rotate ? (rng.uniform(-options.rotate, options.rotate) * Math.PI) / 180 : 0;
    table.set([top * sy, left * sx, sy, sx, flip, sh - top, sw - left, angle], k * VIEW_ROW);
  }
  return table;
}

/** Where pixel (i, j) of a view lies before the view is turned by an angle (radians) about its middle. */
export function turned(
  i: number,
  j: number,
  angle: number,
  [h, w]: readonly [height: number, width: number],
): [i: number, j: number] {
  const [y, x] = [i - (h - 1) / 2, j - (w - 1) / 2];
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [(h - 1) / 2 + c * y + s * x, (w - 1) / 2 + c * x - s * y];
}

/** The table that shows each image whole, unscaled, from its top left corner. */
export function identityViews(n: number): Float32Array {
  const table = new Float32Array(n * VIEW_ROW);
  for (let k = 0; k < n; k++) table.set([0, 0, 1, 1, 0, 1e9, 1e9, 0], k * VIEW_ROW);
  return table;
}
