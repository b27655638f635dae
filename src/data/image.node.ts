// Photographs from files, in Node.

import { open, readFile } from 'node:fs/promises';
import type { Sharp } from 'sharp';
import { DataError } from '../../runtime/errors.ts';
import { fileKind, HEAD_BYTES, isAnimatedPng, isReadable } from './fileKind.ts';
import { sizeOf, type Header } from './pictureRule.ts';
import { loadSharp } from './sharp.node.ts';

export interface Reading {
  /** Height and width to resize to: cubic, antialiased when shrinking. */
  size?: readonly [number, number] | null;
  /** Apply the EXIF orientation (default false: the stored pixels). */
  upright?: boolean;
  /** Bits that 16-bit images use (default 16): their high 8 are kept, and what is larger is white. */
  bits?: number;
}

export interface Rgb {
  width: number;
  height: number;
  rgb: Uint8Array;
  /** Height and width before resizing. */
  own: readonly [number, number];
  header: Header;
  /** Share of the values of a 16-bit image that are beyond `bits`. */
  clipped: number;
}

/** How often each bit length occurs among the values of a 16-bit image. */
export interface Depth {
  largest: number;
  /** [17] values of 0 bits (zero), 1 bit, …, 16 bits. */
  lengths: Float64Array;
}

/** Codes of the system in words. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
};

function unreadable(file: string, error: unknown): DataError {
  const { code } = error as NodeJS.ErrnoException;
  return new DataError(`${file} cannot be read: ${REASONS[code ?? ''] ?? code ?? (error as Error).message}`);
}

/** The bytes of a file. @throws DataError naming the file and the system's reason */
export async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** The first bytes of a file. @throws DataError */
async function readStart(file: string): Promise<Uint8Array> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** A file whose content is not an image that is read. @param bytes the file, or its beginning */
function wrongKind(file: string, bytes: Uint8Array): DataError | null {
  const kind = fileKind(bytes);
  if (isReadable(kind)) return null;
  return new DataError(`${file} cannot be decoded: it is ${kind}`, 'only JPEG, PNG and WebP images are read');
}

function damaged(file: string, error: unknown): DataError {
  const why = (error as Error).message.split('\n')[0];
  return new DataError(`${file} cannot be decoded: ${why}`, 'the file is damaged or truncated');
}

async function headerOf(source: Sharp, start: Uint8Array): Promise<Header & { hasAlpha: boolean }> {
  const { width, height, orientation = 1, depth, pages = 1, hasAlpha } = await source.metadata();
  return {
    stored: [height, width],
    // Programs write 0 and other values where they know of no orientation.
    orientation: orientation >= 1 && orientation <= 8 ? orientation : 1,
    deep: depth === 'ushort',
    pages: isAnimatedPng(start) ? Math.max(2, pages) : pages,
    hasAlpha,
  };
}

/** Values of a 16-bit image: three a pixel, without transparency. */
interface Deep {
  values: Uint16Array;
  width: number;
  height: number;
}

/** The values as they are stored: a colour profile, which is made for the whole range, is left aside. */
async function deepValues(bytes: Uint8Array, upright: boolean): Promise<Deep> {
  const sharp = await loadSharp();
  let source = sharp(bytes, { failOn: 'truncated', ignoreIcc: true });
  if (upright) source = source.autoOrient();
  const pipeline = source.removeAlpha().toColourspace('rgb16').raw({ depth: 'ushort' });
  const { data, info } = await pipeline.toBuffer({ resolveWithObject: true });
  const values = new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
  return { values, width: info.width, height: info.height };
}

/**
 * Decodes JPEG, PNG or WebP into RGB, by content whatever the suffix: grey is repeated, transparency dropped, CMYK
 * converted by its profile; of an animation the first picture is taken. Of 16-bit files the high 8 of the `bits` that
 * are used are kept.
 * @param file its name, for errors
 * @throws DataError naming the file and what it is, FewmaskError where sharp is not installed
 */
export async function decodeImage(bytes: Uint8Array, file: string, reading: Reading = {}): Promise<Rgb> {
  const { size, upright = false, bits = 16 } = reading;
  const sharp = await loadSharp();
  const wrong = wrongKind(file, bytes);
  if (wrong) throw wrong;
  try {
    let source = sharp(bytes, { failOn: 'truncated' });
    const { hasAlpha, ...header } = await headerOf(source, bytes);
    const raw = (data: Uint8Array, width: number, height: number): Sharp =>
      sharp(data, { raw: { width, height, channels: 3 } });
    let clipped = 0;
    let own: [number, number] | undefined;
    let pipeline: Sharp;
    if (header.deep && bits < 16) {
      const { values, width, height } = await deepValues(bytes, upright);
      const top = 2 ** bits - 1;
      let beyond = 0;
      const rgb = new Uint8Array(values.length);
      for (let i = 0; i < values.length; i++) {
        if (values[i] > top) beyond++;
        rgb[i] = Math.min(values[i], top) >> (bits - 8);
      }
      clipped = beyond / values.length;
      own = [height, width];
      pipeline = raw(rgb, width, height);
    } else {
      if (upright) source = source.autoOrient();
      pipeline = source.toColourspace('srgb').removeAlpha();
      if (size && hasAlpha) {
        // In one pass sharp would weigh colours by their alpha as it resizes.
        const whole = await pipeline.raw().toBuffer({ resolveWithObject: true });
        pipeline = raw(whole.data, whole.info.width, whole.info.height);
      }
    }
    if (size) pipeline = pipeline.resize(size[1], size[0], { fit: 'fill', kernel: 'cubic' });
    const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    own ??= sizeOf(header, upright) as [number, number];
    return { width, height, rgb: new Uint8Array(data.buffer, data.byteOffset, data.length), own, header, clipped };
  } catch (error) {
    throw damaged(file, error);
  }
}

/** The header of an image file. @throws DataError naming the file and what it is */
export async function imageHeader(file: string): Promise<Header> {
  const sharp = await loadSharp();
  const start = await readStart(file);
  const wrong = wrongKind(file, start);
  if (wrong) throw wrong;
  try {
    const { hasAlpha: _, ...header } = await headerOf(sharp(file), start);
    return header;
  } catch (error) {
    throw damaged(file, error);
  }
}

/** Which values a 16-bit image holds; transparency does not count. @throws DataError naming the file */
export async function imageDepth(file: string): Promise<Depth> {
  const bytes = await readBytes(file);
  const wrong = wrongKind(file, bytes);
  if (wrong) throw wrong;
  try {
    const { values } = await deepValues(bytes, false);
    const lengths = new Float64Array(17);
    let largest = 0;
    for (const v of values) {
      lengths[32 - Math.clz32(v)]++;
      if (v > largest) largest = v;
    }
    return { largest, lengths };
  } catch (error) {
    throw damaged(file, error);
  }
}
