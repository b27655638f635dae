// RandAugment: draws of a few random operations for each image. The published tables of strengths differ; none is mixed
// with another here.

import { UsageError } from '../../runtime/errors.ts';
import type { Rng } from '../../runtime/random.ts';
import {
  blended,
  cutoutAround,
  enhance,
  gaussianBlur,
  hue,
  identity,
  OP_ROW,
  posterize,
  rotate,
  shearX,
  shearY,
  solarize,
  solarizeAdd,
  translateX,
  translateY,
  type Row,
  type Size,
} from './operations.ts';
import { choice, flag, nullable, number, numbers, pair, type Kind } from '../options.ts';

/**
 * - `augseg`: AugSeg's list for segmentation: no geometry, so that pixels stay where they are (default).
 * - `cifar`: FixMatch's code for 32x32 images; translations in pixels.
 * - `paper`: the table of FixMatch's paper, strengths uniform.
 * - `imagenet`: FixMatch's code for ImageNet; also inverts, and adds to dark values.
 */
export type RandAugmentTable = 'augseg' | 'cifar' | 'paper' | 'imagenet';

export interface RandAugmentOptions {
  table?: RandAugmentTable;
  /** Probability that a drawn operation is applied (default 1 for `augseg`, else 0.5). */
  probability?: number;
  /** Operations for each image, drawn with replacement: U{lo … hi} (default 1 to 3 for `augseg`, else 2). */
  operations?: readonly [number, number];
  /** Rotations, shears and translations (default true; `augseg` has none). They move labels and validity alike. */
  geometric?: boolean;
  /**
   * Ends with a filled square of this share of the shorter side (default 0.5 for `cifar` and `paper`: 16 of 32 pixels;
   * else none).
   */
  cutout?: number | null;
  /**
   * What fills squares and the outside, [r, g, b] in [0, 1]; null (default): ImageNet's mean, the grey that
   * standardised images call 0.
   */
  fill?: readonly number[] | null;
}

/** What the options may be. */
export const RANDAUGMENT_FIELDS: Readonly<Record<keyof RandAugmentOptions, Kind>> = {
  table: choice('augseg', 'cifar', 'paper', 'imagenet'),
  probability: number({ from: 0, to: 1 }),
  operations: pair({ whole: true, from: 1, to: 16 }),
  geometric: flag,
  cutout: nullable(number({ from: 0, to: 1 })),
  fill: nullable(numbers({ from: 0, to: 1 }, 3)),
};

type Operation = (rng: Rng, size: Size) => Row;

/** Strengths drawn for all operations of a table in the same way. */
interface Strengths {
  factor(rng: Rng): number;
  degrees(rng: Rng): number;
  shear(rng: Rng): number;
  /** Pixels along a side of this length. */
  shift(rng: Rng, side: number): number;
  bits(rng: Rng): number;
  threshold(rng: Rng): number;
}

const sign = (rng: Rng): number => (rng.bernoulli(0.5) ? -1 : 1);
/** Levels 1 … 9 of 10. */
const nine = (rng: Rng): number => 1 + rng.int(9);
/** Levels 0, 0.1 … 1. */
const eleven = (rng: Rng): number => rng.int(11) / 10;

const STRENGTHS: Record<Exclude<RandAugmentTable, 'augseg'>, Strengths> = {
  cifar: {
    factor: (r) => 0.1 + 0.18 * nine(r),
    degrees: (r) => 3 * nine(r) * sign(r),
    shear: (r) => 0.03 * nine(r) * sign(r),
    shift: (r) => nine(r) * sign(r),
    bits: (r) => 4 - Math.floor(0.4 * nine(r)),
    threshold: (r) => 256 - Math.floor(25.6 * nine(r)),
  },
  paper: {
    factor: (r) => r.uniform(0.05, 0.95),
    degrees: (r) => r.uniform(-30, 30),
    shear: (r) => r.uniform(-0.3, 0.3),
    shift: (r, side) => r.uniform(-0.3, 0.3) * side,
    bits: (r) => 4 + r.int(5),
    threshold: (r) => Math.floor(256 * r.uniform()),
  },
  imagenet: {
    factor: (r) => 0.1 + 1.8 * eleven(r),
    degrees: (r) => 30 * eleven(r) * sign(r),
    shear: (r) => 0.3 * eleven(r) * sign(r),
    shift: (r) => 100 * eleven(r) * sign(r),
    bits: (r) => Math.floor(4 * eleven(r)),
    threshold: (r) => Math.floor(256 * eleven(r)),
  },
};

function classic(s: Strengths, geometric: boolean): Operation[] {
  const moves: Operation[] = [
    (r, size) => rotate(s.degrees(r), size),
    (r) => shearX(s.shear(r)),
    (r) => shearY(s.shear(r)),
    (r, size) => translateX(s.shift(r, size[1])),
    (r, size) => translateY(s.shift(r, size[0])),
  ];
  return [
    () => identity(),
    () => blended('autocontrast'),
    () => blended('equalize'),
    (r) => solarize(s.threshold(r)),
    (r) => enhance('color', s.factor(r)),
    (r) => enhance('contrast', s.factor(r)),
    (r) => enhance('brightness', s.factor(r)),
    (r) => enhance('sharpness', s.factor(r)),
    (r) => posterize(s.bits(r)),
    ...(geometric ? moves : []),
  ];
}

const weak = (r: Rng): number => r.uniform(0.05, 0.95);
const AUGSEG: readonly Operation[] = [
  () => identity(),
  () => blended('autocontrast'),
  () => blended('equalize'),
  (r) => gaussianBlur(r.uniform(0.1, 2)),
  (r) => enhance('contrast', weak(r)),
  (r) => enhance('brightness', weak(r)),
  (r) => enhance('color', weak(r)),
  (r) => enhance('sharpness', weak(r)),
  (r) => posterize(4 + r.int(4)),
  (r) => solarize(1 + r.int(255)),
  (r) => hue(r.uniform(-0.5, 0.5)),
];

function listOf(table: RandAugmentTable, geometric: boolean): readonly Operation[] {
  if (table === 'augseg') return AUGSEG;
  const list = classic(STRENGTHS[table], geometric);
  return table === 'imagenet'
    ? [...list, () => blended('invert'), (r) => solarizeAdd(Math.floor(110 * eleven(r)))]
    : list;
}

/** The options with their defaults, which depend on the table. @throws UsageError for an unknown table */
export function randAugmentDefaults(o: RandAugmentOptions = {}): Required<RandAugmentOptions> {
  const table = o.table ?? 'augseg';
  const own = table === 'augseg';
  if (!own && !STRENGTHS[table])
    throw new UsageError(
      `there is no RandAugment table "${table}"`,
      `choose one of augseg, ${Object.keys(STRENGTHS).join(', ')}`,
    );
  return {
    table,
    probability: o.probability ?? (own ? 1 : 0.5),
    operations: o.operations ?? (own ? [1, 3] : [2, 2]),
    geometric: !own && (o.geometric ?? true),
    cutout: o.cutout === undefined ? (table === 'cifar' || table === 'paper' ? 0.5 : null) : o.cutout,
    fill: o.fill ?? null,
  };
}

/** Rows of the table for each image: the most operations, and one for the final square. */
export function randAugmentSlots(options: RandAugmentOptions = {}): number {
  const o = randAugmentDefaults(options);
  return o.operations[1] + (o.cutout === null ? 0 : 1);
}

/**
 * Draws the operations of n images.
 * @param size height and width of the images
 * @returns i32 [n, slots, 16] for `applyOperations`; rows of zeros leave an image as it is
 */
export function drawRandAugment(rng: Rng, n: number, size: Size, options: RandAugmentOptions = {}): Int32Array {
  const o = randAugmentDefaults(options);
  const slots = randAugmentSlots(o);
  const list = listOf(o.table, o.geometric);
  const [least, most] = o.operations;
  const out = new Int32Array(n * slots * OP_ROW);
  for (let k = 0; k < n; k++) {
    const count = least + rng.int(most - least + 1);
    for (let slot = 0; slot < count; slot++) {
      const op = rng.choice(list);
      if (rng.bernoulli(o.probability)) out.set(op(rng, size), (k * slots + slot) * OP_ROW);
    }
    if (o.cutout === null) continue;
    const side = Math.floor(o.cutout * Math.min(...size));
    out.set(cutoutAround(rng.int(size[0]), rng.int(size[1]), side, size), (k * slots + slots - 1) * OP_ROW);
  }
  return out;
}
