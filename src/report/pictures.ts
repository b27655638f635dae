// Pictures of images, labels, confidence and heat maps as PNG: for the report, and for the files of `predict` and
// `cam`. Runs in Node and in browsers.

import { encode } from 'fast-png';
import { ShapeError } from '../../runtime/errors.ts';
import { INFERNO, mapColours, VIRIDIS } from './colormap.ts';

/** Colours of classes: RGB triples in a row, or one triple a class. */
export type Palette = Uint8Array | readonly (readonly number[])[];

/** What VOC draws for the ignored label. */
const IGNORED = [224, 224, 192];

/** 256 x RGB; labels without a colour are black, 255 (ignored) is VOC's cream unless the palette has it. */
function fullPalette(palette: Palette): Uint8Array {
  const flat = palette instanceof Uint8Array ? palette : Uint8Array.from(palette.flatMap((c) => [c[0], c[1], c[2]]));
  const out = new Uint8Array(768);
  out.set(IGNORED, 765);
  out.set(flat.subarray(0, 768));
  // A full table whose last entry was never filled in.
  if (flat.length === 768 && !flat[765] && !flat[766] && !flat[767]) out.set(IGNORED, 765);
  return out;
}

function sized(what: string, length: number, width: number, height: number, perPixel: number): void {
  if (length !== width * height * perPixel)
    throw new ShapeError(what, `${length} values for ${width}x${height}`, `give ${perPixel} a pixel`);
}

/** PNG of RGB bytes, row-major. */
export function rgbPng(rgb: Uint8Array, width: number, height: number): Uint8Array {
  sized('rgbPng', rgb.length, width, height, 3);
  return encode({ width, height, data: rgb, channels: 3, depth: 8 }, { zlib: { level: 6 } });
}

/**
 * Mask as an indexed PNG of 8 bits: its pixel values are the class ids, its palette shows them in colour. What
 * `predict` writes and `decodeMask` reads.
 * @param labels one class id a pixel, 255 = ignored
 * @example writeFile('mask.png', maskPng(labels, width, height, dataset.palette));
 */
export function maskPng(labels: ArrayLike<number>, width: number, height: number, palette: Palette): Uint8Array {
  sized('maskPng', labels.length, width, height, 1);
  const full = fullPalette(palette);
  const colours = Array.from(
    { length: 256 },
    (_, i) => [full[3 * i], full[3 * i + 1], full[3 * i + 2]] as [number, number, number],
  );
  return encode(
    { width, height, data: Uint8Array.from(labels), channels: 1, depth: 8, palette: colours },
    { zlib: { level: 9 } },
  );
}

/** RGB of labels. */
export function colourLabels(labels: ArrayLike<number>, palette: Palette): Uint8Array {
  const full = fullPalette(palette);
  const out = new Uint8Array(labels.length * 3);
  for (let i = 0; i < labels.length; i++)
    out.set(full.subarray(3 * (labels[i] & 255), 3 * (labels[i] & 255) + 3), 3 * i);
  return out;
}

export interface OverlayOptions {
  /** Share of the label's colour inside a region (default 0.5). */
  opacity?: number;
  /** Draw the borders between regions in the full colour (default true). */
  contours?: boolean;
  /** A label through which the image shows unchanged, for instance the background's 0. */
  clear?: number;
}

/** The image blended with the colours of its labels. Ignored pixels (255) show the image. @returns RGB */
export function overlayLabels(
  rgb: Uint8Array,
  labels: ArrayLike<number>,
  width: number,
  height: number,
  palette: Palette,
  options: OverlayOptions = {},
): Uint8Array {
  sized('overlayLabels', rgb.length, width, height, 3);
  sized('overlayLabels', labels.length, width, height, 1);
  const { opacity = 0.5, contours = true, clear } = options;
  const full = fullPalette(palette);
  const out = Uint8Array.from(rgb);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const p = y * width + x;
      const label = labels[p];
      if (label === 255 || label === clear) continue;
      const border =
        contours &&
        ((x > 0 && labels[p - 1] !== label) ||
          (x < width - 1 && labels[p + 1] !== label) ||
          (y > 0 && labels[p - width] !== label) ||
          (y < height - 1 && labels[p + width] !== label));
      const share = border ? 1 : opacity;
      for (let c = 0; c < 3; c++)
        out[3 * p + c] = Math.round(rgb[3 * p + c] + (full[3 * label + c] - rgb[3 * p + c]) * share);
    }
  }
  return out;
}

/** Confidence in [0, 1] in viridis: dark is unsure, yellow is sure. @returns RGB */
export function confidenceColours(confidence: ArrayLike<number>): Uint8Array {
  return mapColours(confidence, VIRIDIS);
}

/**
 * A heat map in [0, 1] (CAM, Grad-CAM) over the greyed image: the hotter, the more of inferno's colour.
 * @returns RGB
 */
export function overlayHeat(rgb: Uint8Array, heat: ArrayLike<number>, width: number, height: number): Uint8Array {
  sized('overlayHeat', rgb.length, width, height, 3);
  sized('overlayHeat', heat.length, width, height, 1);
  const out = mapColours(heat, INFERNO);
  for (let p = 0; p < heat.length; p++) {
    const grey = 0.299 * rgb[3 * p] + 0.587 * rgb[3 * p + 1] + 0.114 * rgb[3 * p + 2];
    const share = 0.15 + 0.65 * Math.min(Math.max(heat[p] || 0, 0), 1);
    for (let c = 0; c < 3; c++) out[3 * p + c] = Math.round(grey + (out[3 * p + c] - grey) * share);
  }
  return out;
}

/** A PNG as a data: URL. */
export function dataUrl(png: Uint8Array): string {
  let text = '';
  for (let i = 0; i < png.length; i += 0x8000) text += String.fromCharCode(...png.subarray(i, i + 0x8000));
  return `data:image/png;base64,${btoa(text)}`;
}
