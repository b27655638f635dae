// Masks from PNG files: class ids are grey values or palette indices, never colours.

import { decode, hasPngSignature } from 'fast-png';
import { DataError } from '../../runtime/errors.ts';
import { fileKind } from './fileKind.ts';

export interface Mask {
  width: number;
  height: number;
  /** One class id a pixel, row-major; 255 is ignored. */
  labels: Uint8Array;
  /** RGB of the file's palette, where it has one. */
  palette: Uint8Array | null;
  /** What the file is: "grey, 8 bits". */
  form: string;
}

/** One value per byte from rows of 1, 2 or 4 bits, each of which starts at a byte. */
function unpack(data: Uint8Array, width: number, height: number, depth: number): Uint8Array {
  const out = new Uint8Array(width * height);
  const perByte = 8 / depth;
  const stride = Math.ceil(width / perByte);
  const top = (1 << depth) - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const shift = 8 - depth * (1 + (x % perByte));
      out[y * width + x] = (data[y * stride + Math.floor(x / perByte)] >> shift) & top;
    }
  }
  return out;
}

/**
 * Decodes a mask. Grey or palette, 1, 2, 4 or 8 bits; RGB is taken only where every pixel is grey, transparency only
 * where it says nothing that the greys do not.
 * @param name the file, for errors
 * @throws DataError for anything else
 */
export function decodeMask(bytes: Uint8Array, name: string): Mask {
  if (!hasPngSignature(bytes)) {
    const what = `${name} is not a PNG file: it is ${fileKind(bytes)}`;
    throw new DataError(what, 'masks are PNG files whose values are class ids');
  }
  // The decoder takes interlaced rows for whole bytes. In the header, bit depth and interlacing stand in bytes 24 and
  // 28.
  if (bytes[28] === 1 && bytes[24] < 8)
    throw new DataError(
      `${name} is an interlaced PNG of ${bytes[24]} bit${bytes[24] > 1 ? 's' : ''} per pixel, which cannot be read`,
      'save it without interlacing, or with 8 bits',
    );
  let image;
  try {
    image = decode(bytes);
  } catch (error) {
    throw new DataError(`${name} cannot be read: ${(error as Error).message}`, 'the file is damaged or truncated');
  }
  const { width, height, channels, depth, data } = image;
  if (depth === 16) throw new DataError(`${name} has 16 bits per pixel`, 'masks hold class ids of up to 8 bits');
  const bytes8 = data as Uint8Array;
  const palette = image.palette ? Uint8Array.from(image.palette.flatMap((c) => c.slice(0, 3))) : null;
  const alpha = channels === 2 || channels === 4;
  const what = palette ? 'palette' : channels < 3 ? 'grey' : 'grey stored as RGB';
  const form = `${what}${alpha ? ' with alpha' : ''}, ${depth} bit${depth > 1 ? 's' : ''}`;
  if (channels === 1) {
    const labels = depth < 8 ? unpack(bytes8, width, height, depth) : Uint8Array.from(bytes8);
    return { width, height, palette, form, labels };
  }
  const labels = new Uint8Array(width * height);
  for (let p = 0; p < labels.length; p++) {
    const at = p * channels;
    labels[p] = bytes8[at];
    if (channels >= 3 && (bytes8[at] !== bytes8[at + 1] || bytes8[at] !== bytes8[at + 2])) {
      throw new DataError(
        `${name} is a colour picture, not a mask of class ids`,
        'save masks as grey or palette PNG whose values are 0, 1, 2, … and 255 for ignored pixels',
      );
    }
  }
  if (alpha) checkAlpha(labels, bytes8, channels, name);
  return { width, height, labels, palette, form };
}

/**
 * Greys are labels, and transparency adds nothing: it is the same everywhere, or transparent pixels are 0.
 * @throws DataError where the object is drawn by transparency, so that the greys would be read wrongly
 */
function checkAlpha(labels: Uint8Array, bytes: Uint8Array, channels: number, name: string): void {
  const opacity = (p: number): number => bytes[p * channels + channels - 1];
  const hint = 'save masks as grey or palette PNG without transparency, whose values are class ids';
  if (labels.every((_, p) => opacity(p) === opacity(0))) return;
  if (labels.every((v) => v === labels[0])) {
    const message = `${name} holds its object in the transparency (alpha) alone: its grey is ${labels[0]} everywhere`;
    throw new DataError(message, hint);
  }
  const clear = labels.findIndex((v, p) => v !== 0 && opacity(p) === 0);
  if (clear < 0) return;
  const message = `${name} has transparent pixels whose grey is ${labels[clear]}`;
  throw new DataError(`${message}: what is seen is not what would be read`, hint);
}

/** The colours of the PASCAL VOC release: 256 x RGB. */
export function vocPalette(): Uint8Array {
  const palette = new Uint8Array(768);
  for (let i = 0; i < 256; i++) {
    for (let c = i, bit = 7; c > 0; c >>= 3, bit--) {
      palette[3 * i] |= (c & 1) << bit;
      palette[3 * i + 1] |= ((c >> 1) & 1) << bit;
      palette[3 * i + 2] |= ((c >> 2) & 1) << bit;
    }
  }
  return palette;
}
