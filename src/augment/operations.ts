// Image operations with their strengths, as rows of the table that shaders/segmentation/randaugment.wgsl reads. What an operation
// does is Pillow's definition of it.

import { ShapeError } from '../../runtime/errors.ts';
import { RANDAUGMENT_METHOD, RANDAUGMENT_OPERATION } from '../../runtime/kernel/generated.ts';

/**
 * Numbers in a row: operation, value, blend, method, six of an affine map (or from there on ten weights of a blur), box
 * y0 x0 y1 x1, 0, 0.
 */
export const OP_ROW = 16;
/**
 * Factors and shares are in 1/4096: so fine that no eye sees it, so coarse that products with 8-bit values are exact.
 */
export const OP_ONE = 4096;
/** Weights of a Gaussian are in 1/2048. */
export const BLUR_ONE = 2048;

export type Row = readonly number[];
/** Height and width. */
export type Size = readonly [number, number];
/** Output pixel (x, y) shows the input at (a x + b y + c, d x + e y + f), nearest; outside there is filling. */
export type Affine = readonly [number, number, number, number, number, number];

/** Operations with a strength L between the image (0) and their result (1). */
export type Blended = 'autocontrast' | 'equalize' | 'invert' | 'smooth' | 'blur';
/**
 * Operations with a factor: 0 a flat image (without colour, contrast, light, sharpness), 1 the image, above 1 more of
 * it.
 */
export type Enhancement = 'color' | 'contrast' | 'brightness' | 'sharpness';
/** Pillow's filters, in the order of CTAugment's parameter. */
export const RESAMPLING = ['lanczos', 'bicubic', 'bilinear', 'box', 'hamming', 'nearest'] as const;

const row = (
  op: keyof typeof RANDAUGMENT_OPERATION,
  value = 0,
  blend = 1,
  method = 0,
  tail: readonly number[] = [],
): Row => {
  const out = [RANDAUGMENT_OPERATION[op], value, Math.round(blend * OP_ONE), method, ...tail];
  return [...out, ...Array<number>(OP_ROW - out.length).fill(0)];
};

const fixed = (v: number): number => Math.floor(v * 65536 + 0.5);

/** The affine map in 1/65536, moved to pixel centres as Pillow does. */
function fixedAffine([a, b, c, d, e, f]: Affine): number[] {
  return [fixed(a), fixed(b), fixed(c + a * 0.5 + b * 0.5), fixed(d), fixed(e), fixed(f + d * 0.5 + e * 0.5)];
}

export const identity = (): Row => row('identity');

/** @param strength 0 leaves the image, 1 gives the operation's result */
export const blended = (op: Blended, strength = 1): Row => row(op, 0, strength);

export const enhance = (op: Enhancement, factor: number): Row => row(op, 0, factor);

/** Inverts values >= threshold (0 … 256). */
export const solarize = (threshold: number): Row => row('solarize', threshold);

/** Adds to values below 128. */
export const solarizeAdd = (addition: number): Row => row('solarizeAdd', addition);

/** Keeps the highest 0 … 8 bits. */
export const posterize = (bits: number): Row => row('posterize', bits);

/** Moves the hue by a share of a turn, as torchvision does on 8-bit images: through 8-bit HSV, in 1/256 of a turn. */
export const hue = (turns: number): Row => row('hue', Math.trunc(turns * 255) & 255);

/** The weights 0 … radius of a Gaussian in 1/2048; both sides sum to exactly 2048. @throws ShapeError above sigma 3 */
export function gaussianWeights(sigma: number): number[] {
  const radius = Math.ceil(3 * sigma);
  if (!(sigma > 0) || radius > 9)
    throw new ShapeError('gaussianBlur', `sigma is ${sigma}`, 'give 0 < sigma <= 3 pixels');
  const raw = Array.from({ length: radius + 1 }, (_, d) => Math.exp((-0.5 * d * d) / (sigma * sigma)));
  const total = 2 * raw.reduce((s, v) => s + v, 0) - raw[0];
  const weights = raw.map((v) => Math.round((v / total) * BLUR_ONE));
  weights[0] = BLUR_ONE - 2 * weights.slice(1).reduce((s, v) => s + v, 0);
  return weights;
}

/** A true Gaussian (Pillow's GaussianBlur approximates it by boxes). Sigma in pixels, at most 3. */
export function gaussianBlur(sigma: number): Row {
  const weights = gaussianWeights(sigma);
  return row('gaussian', 0, 1, weights.length - 1, weights);
}

export const affine = (map: Affine): Row => row('affine', 0, 1, 0, fixedAffine(map));

/** Degrees against the clock, about the image's centre. */
export function rotate(degrees: number, [height, width]: Size): Row {
  const angle = (-degrees * Math.PI) / 180;
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  const cx = width / 2;
  const cy = height / 2;
  return affine([c, s, cx - c * cx - s * cy, -s, c, cy + s * cx - c * cy]);
}

export const shearX = (v: number): Row => affine([1, v, 0, 0, 1, 0]);
export const shearY = (v: number): Row => affine([1, 0, 0, v, 1, 0]);
/** Pixels; positive moves the content to the left. */
export const translateX = (pixels: number): Row => affine([1, 0, pixels, 0, 1, 0]);
/** Pixels; positive moves the content up. */
export const translateY = (pixels: number): Row => affine([1, 0, 0, 0, 1, pixels]);

/**
 * Cuts a share (below one half) from each side and enlarges the rest to the whole. The maps are moved by the nearest
 * pixel.
 */
export function rescale(share: number, method: (typeof RESAMPLING)[number], [height, width]: Size): Row {
  const y0 = roundEven(share * height);
  const y1 = roundEven(height * (1 - share));
  const x0 = roundEven(share * width);
  const x1 = roundEven(width * (1 - share));
  const map = fixedAffine([(x1 - x0) / width, 0, x0, 0, (y1 - y0) / height, y0]);
  return row('rescale', 0, 1, RANDAUGMENT_METHOD[method], [...map, y0, x0, y1, x1]);
}

/** Fills a box (end exclusive). Labels in it are ignored. */
export function cutout([y0, x0, y1, x1]: readonly [number, number, number, number]): Row {
  return row('cutout', 0, 1, 0, [...Array<number>(6).fill(0), y0, x0, y1, x1]);
}

/** A square of `side` pixels around (y, x), cut off at the borders, as FixMatch has it. */
export function cutoutAround(y: number, x: number, side: number, [height, width]: Size): Row {
  const half = Math.floor(side / 2);
  return cutout([Math.max(0, y - half), Math.max(0, x - half), Math.min(height, y + half), Math.min(width, x + half)]);
}

/** Rounds halves to even, as Python and NumPy do. */
export function roundEven(v: number): number {
  const r = Math.round(v);
  return Math.abs(v - Math.trunc(v)) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}
