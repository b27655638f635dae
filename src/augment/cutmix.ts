// Draws of boxes: CutMix (several boxes, joined by exclusive or) and UniMatch's single box. The GPU makes masks of them
// (shaders/segmentation/mix.wgsl).

import type { Rng } from '../../runtime/random.ts';
import { roundEven } from './operations.ts';
import { flag, number, pair, type Kind } from '../options.ts';

/** Boxes [y0, x0, y1, x1] (end exclusive), i32 [n, k, 4]; an empty box has y0 = y1. */
export type Boxes = Int32Array;

export interface BoxMaskOptions {
  /** Share of the image that the boxes of a mask cover (before overlaps cancel): U(lo, hi). */
  range: readonly [number, number];
  /** Boxes in a mask. */
  boxes: number;
  /** True (default, as published): the partner's pixels inside the boxes; false: outside them. */
  invert?: boolean;
}

/** What the options may be. */
export const BOX_MASK_FIELDS: Readonly<Record<keyof BoxMaskOptions, Kind>> = {
  range: pair({ from: 0, to: 1 }),
  boxes: number({ whole: true, from: 1, to: 64 }),
  invert: flag,
};

/** French et al.: one box of half the image. */
export const FRENCH_BOXES: BoxMaskOptions = { range: [0.5, 0.5], boxes: 1 };
/** CPS: three boxes that share a quarter to a half of the image. */
export const CPS_BOXES: BoxMaskOptions = { range: [0.25, 0.5], boxes: 3 };

/**
 * Height and width of a box that covers a share `a` with the aspect given by u in [0, 1): h = a^u, w = a / h, over
 * sqrt(boxes).
 */
export function boxSize(a: number, u: number, boxes: number, height: number, width: number): [number, number] {
  if (a === 0) return [0, 0];
  const h = Math.exp(u * Math.log(a));
  const s = Math.sqrt(1 / boxes);
  return [roundEven(h * s * height), roundEven((a / h) * s * width)];
}

/** Draws the boxes of n masks. Source: the generator of cutmix-semisup-seg, which CPS shares. */
export function drawBoxes(rng: Rng, n: number, size: readonly [number, number], options: BoxMaskOptions): Boxes {
  const out = new Int32Array(n * options.boxes * 4);
  for (let i = 0; i < n * options.boxes; i++) {
    const [h, w] = boxSize(rng.uniform(...options.range), rng.uniform(), options.boxes, size[0], size[1]);
    const y = roundEven((size[0] - h) * rng.uniform());
    const x = roundEven((size[1] - w) * rng.uniform());
    out.set([y, x, y + h, x + w], 4 * i);
  }
  return out;
}

export interface SingleBoxOptions {
  /** Probability that an image gets a box at all. */
  probability: number;
  /** Share of the crop that the box covers: U(lo, hi). */
  area: readonly [number, number];
  /** Height over width: U(lo, hi). */
  ratio: readonly [number, number];
}

/** What the options may be. */
export const SINGLE_BOX_FIELDS: Readonly<Record<keyof SingleBoxOptions, Kind>> = {
  probability: number({ from: 0, to: 1 }),
  area: pair({ above: 0, to: 1 }),
  ratio: pair({ above: 0 }),
};

/** UniMatch: with probability one half a box of 2 to 40 % of the image. */
export const UNIMATCH_BOX: SingleBoxOptions = { probability: 0.5, area: [0.02, 0.4], ratio: [0.3, 1 / 0.3] };

/** Draws after which a box is made to fit: some areas and ratios never do. The published ones need a few. */
const MOST_DRAWS = 1000;

/**
 * Draws one box for each of n images, again until it lies inside; an empty one where the image gets none.
 * @param keepArea true (UniMatch's CutMix): the area of an image is drawn once, so that large boxes are as frequent as
 *   small ones (mean 21 %);
 *   false (ST++'s CutOut): it is drawn again with ratio and place, which favours small boxes (mean 14 %)
 */
export function drawSingleBoxes(
  rng: Rng,
  n: number,
  [height, width]: readonly [number, number],
  options: SingleBoxOptions,
  keepArea: boolean,
): Boxes {
  const out = new Int32Array(n * 4);
  const drawArea = (): number => rng.uniform(...options.area) * height * width;
  for (let i = 0; i < n; i++) {
    if (!rng.bernoulli(options.probability)) continue;
    let area = drawArea();
    for (let draw = 1; ; draw++) {
      const ratio = rng.uniform(...options.ratio);
      const w = Math.floor(Math.sqrt(area / ratio));
      const h = Math.floor(Math.sqrt(area * ratio));
      const y = rng.int(height);
      const x = rng.int(width);
      if ((y + h > height || x + w > width) && draw < MOST_DRAWS) {
        if (!keepArea) area = drawArea();
        continue;
      }
      const bh = Math.min(h, height);
      const bw = Math.min(w, width);
      const y0 = Math.min(y, height - bh);
      const x0 = Math.min(x, width - bw);
      out.set([y0, x0, y0 + bh, x0 + bw], 4 * i);
      break;
    }
  }
  return out;
}

/**
 * The mask of one image as the GPU makes it: 1 inside an odd number of boxes (with `invert` false: outside). For tests
 * and pictures.
 */
export function rasterise(boxes: Boxes, [height, width]: readonly [number, number], invert = true): Uint8Array {
  const mask = new Uint8Array(height * width).fill(invert ? 0 : 1);
  for (let b = 0; b < boxes.length; b += 4) {
    for (let y = boxes[b]; y < boxes[b + 2]; y++)
      for (let x = boxes[b + 1]; x < boxes[b + 3]; x++) mask[y * width + x] ^= 1;
  }
  return mask;
}
