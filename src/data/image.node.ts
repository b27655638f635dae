// Photographs from files, in Node.

import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { DataError } from '../../runtime/errors.ts';

export interface Rgb {
  width: number;
  height: number;
  rgb: Uint8Array;
}

/**
 * Decodes JPEG, PNG or WebP into RGB; grey is repeated, transparency dropped, EXIF orientation not applied (masks are drawn on the stored pixels).
 * @param size height and width to resize to: cubic, antialiased when shrinking
 * @throws DataError naming the file
 */
export async function readImage(file: string, size?: readonly [number, number]): Promise<Rgb> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new DataError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
  }
  try {
    let pipeline = sharp(bytes, { failOn: 'truncated' }).toColourspace('srgb').removeAlpha();
    if (size) pipeline = pipeline.resize(size[1], size[0], { fit: 'fill', kernel: 'cubic' });
    const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
    const rgb = info.channels === 3 ? new Uint8Array(data) : Uint8Array.from({ length: info.width * info.height * 3 }, (_, i) => data[Math.floor(i / 3) * info.channels]);
    return { width: info.width, height: info.height, rgb };
  } catch (error) {
    throw new DataError(`${file} cannot be decoded: ${(error as Error).message.split('\n')[0]}`, 'the file is damaged, truncated, or no JPEG, PNG or WebP');
  }
}
