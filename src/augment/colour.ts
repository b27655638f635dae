// Draws of strong colour changes: jitter, greyscale, blur. The table goes to the GPU, where shaders/segmentation/colour.wgsl applies
// it.

import { COLOUR_JITTER } from '../../runtime/kernel/generated.ts';
import type { Rng } from '../../runtime/random.ts';
import { choice, given, number, pair, type Kind } from '../options.ts';

/**
 * Numbers in a row of the table: order of the four operations, their values (brightness, contrast, saturation, hue),
 * jitter on, grey on, sigma.
 */
export const COLOUR_ROW = 12;

/**
 * Torchvision's jitter multiplies; TensorFlow's brightness adds, and its contrast works on each channel's own mean.
 * They are not the same function.
 */
export type ColourSemantics = 'torchvision' | 'tensorflow';

export interface ColourOptions {
  /** Default 'torchvision'. */
  semantics?: ColourSemantics;
  /** Probability of the jitter (default 0.8). */
  probability?: number;
  /**
   * Factors from U(1 - v, 1 + v) (in TensorFlow's semantics brightness is an offset from U(-v, v)). Default 0.5 each.
   */
  brightness?: number;
  contrast?: number;
  saturation?: number;
  /** Hue offset from U(-v, v), in turns (default 0.25). */
  hue?: number;
  /** Probability of greyscale (default 0.2). */
  grey?: number;
  /** Probability of a Gaussian blur (default 0.5), and the range of its sigma in pixels. */
  blur?: number;
  sigma?: readonly [number, number];
}

const probability = number({ from: 0, to: 1 });
const strength = number({ from: 0 });

/** What the options may be. */
export const COLOUR_FIELDS: Readonly<Record<keyof ColourOptions, Kind>> = {
  semantics: choice('torchvision', 'tensorflow'),
  probability,
  brightness: strength,
  contrast: strength,
  saturation: strength,
  hue: number({ from: 0, to: 0.5 }),
  grey: probability,
  blur: probability,
  sigma: pair({ above: 0, to: 20 }),
};

/** ST++, UniMatch: jitter(0.5, 0.5, 0.5, 0.25) p 0.8, grey p 0.2, blur p 0.5 with sigma U(0.1, 2). */
export const STRONG_COLOUR: Required<ColourOptions> = {
  semantics: 'torchvision',
  probability: 0.8,
  brightness: 0.5,
  contrast: 0.5,
  saturation: 0.5,
  hue: 0.25,
  grey: 0.2,
  blur: 0.5,
  sigma: [0.1, 2],
};

/** PseudoSeg: jitter always, in TensorFlow's semantics, no greyscale, no blur. */
export const PSEUDOSEG_COLOUR: Required<ColourOptions> = {
  ...STRONG_COLOUR,
  semantics: 'tensorflow',
  probability: 1,
  grey: 0,
  blur: 0,
};

/** Draws a row for each of n images. */
export function drawColour(rng: Rng, n: number, options: ColourOptions = {}): Float32Array {
  const o = { ...STRONG_COLOUR, ...given(options) };
  const table = new Float32Array(n * COLOUR_ROW);
  const factor = (v: number): number => rng.uniform(Math.max(0, 1 - v), 1 + v);
  for (let k = 0; k < n; k++) {
    const on = rng.bernoulli(o.probability);
    const order = rng.shuffle(Object.values(COLOUR_JITTER));
    const brightness = o.semantics === 'tensorflow' ? rng.uniform(-o.brightness, o.brightness) : factor(o.brightness);
    const values = [brightness, factor(o.contrast), factor(o.saturation), rng.uniform(-o.hue, o.hue)];
    const grey = rng.bernoulli(o.grey);
    const blur = rng.bernoulli(o.blur);
    const sigma = rng.uniform(...o.sigma);
    table.set([...order, ...values, on ? 1 : 0, grey ? 1 : 0, blur ? sigma : 0, 0], k * COLOUR_ROW);
  }
  return table;
}
