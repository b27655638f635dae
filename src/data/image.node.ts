// Photographs from files, in Node.

import { readFile } from 'node:fs/promises';
import { DataError } from '../../runtime/errors.ts';
import { loadSharp } from './sharp.node.ts';

export interface Rgb {
  width: number;
  height: number;
  rgb: Uint8Array;
  /** Height and width in the file. */
  stored: readonly [number, number];
  /** EXIF orientation, 1 where there is none. */
  orientation: number;
}

/** The bytes of a file. @throws DataError naming the file and the system's reason */
export async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason = { ENOENT: 'it does not exist', EISDIR: 'it is a folder', EACCES: 'permission denied' }[code ?? ''] ?? code ?? (error as Error).message;
    throw new DataError(`${file} cannot be read: ${reason}`);
  }
}

const undecodable = (file: string, error: unknown): DataError =>
  new DataError(`${file} cannot be decoded: ${(error as Error).message.split('\n')[0]}`, 'the file is damaged, truncated, or no JPEG, PNG or WebP');

/**
 * Decodes JPEG, PNG or WebP into RGB: grey is repeated, transparency dropped, 16 bits shortened to their high 8, CMYK converted by its profile.
 * An EXIF orientation is not applied: masks are drawn on the stored pixels.
 * @param file its name, for errors
 * @param size height and width to resize to: cubic, antialiased when shrinking
 * @throws DataError naming the file, FewmaskError where sharp is not installed
 */
export async function decodeImage(bytes: Uint8Array, file: string, size?: readonly [number, number] | null): Promise<Rgb> {
  const sharp = await loadSharp();
  try {
    const source = sharp(bytes, { failOn: 'truncated' });
    const { width: w, height: h, orientation = 1, hasAlpha } = await source.metadata();
    let pipeline = source.toColourspace('srgb').removeAlpha();
    // In one pass sharp would weigh colours by their alpha as it resizes.
    if (size && hasAlpha) pipeline = sharp(await pipeline.raw().toBuffer(), { raw: { width: w, height: h, channels: 3 } });
    if (size) pipeline = pipeline.resize(size[1], size[0], { fit: 'fill', kernel: 'cubic' });
    const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, rgb: new Uint8Array(data.buffer, data.byteOffset, data.length), stored: [h, w], orientation };
  } catch (error) {
    throw undecodable(file, error);
  }
}

/** Height and width from the header of an image file. @throws DataError naming the file */
export async function imageSize(file: string): Promise<[height: number, width: number]> {
  const sharp = await loadSharp();
  try {
    const { width, height } = await sharp(file).metadata();
    return [height, width];
  } catch (error) {
    throw undecodable(file, error);
  }
}
