// Small data sets in temporary folders.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';

export const WIDTH = 12;
export const HEIGHT = 8;
const folders: string[] = [];

export function tempFolder(): string {
  const root = mkdtempSync(join(tmpdir(), 'fewmask-'));
  folders.push(root);
  return root;
}

export function removeFolders(): void {
  folders.splice(0).forEach((f) => rmSync(f, { recursive: true, force: true }));
}

export function jpeg(value: number, width = WIDTH, height = HEIGHT): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: { r: value, g: 128, b: 10 } } })
    .jpeg()
    .toBuffer();
}

/** A grey mask of one id, or of the ids given. */
export function mask(value: number | readonly number[], width = WIDTH, height = HEIGHT): Uint8Array {
  const ids = typeof value === 'number' ? [value] : value;
  return encode({
    width,
    height,
    channels: 1,
    depth: 8,
    data: Uint8Array.from({ length: width * height }, (_, i) => ids[i % ids.length]),
  });
}

export function colourMask(): Uint8Array {
  return encode({
    width: WIDTH,
    height: HEIGHT,
    channels: 3,
    depth: 8,
    data: Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => i % 251),
  });
}

/** Writes files by path; folders are made. */
export function write(root: string, files: Record<string, string | Uint8Array>): void {
  for (const [path, data] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), data);
  }
}

/**
 * A set in VOC layout, three classes: labelled a and b, unlabelled c and d, v for validation. The masks of c and d are
 * a text file and a folder: whoever opens them fails.
 */
export async function vocFolder(change?: (root: string) => void | Promise<void>): Promise<string> {
  const root = tempFolder();
  for (const [i, id] of ['a', 'b', 'c', 'd', 'v'].entries())
    write(root, { [`JPEGImages/${id}.jpg`]: await jpeg(50 * i) });
  write(root, {
    'SegmentationClass/a.png': mask([0, 2]),
    'SegmentationClass/b.png': mask(1),
    'SegmentationClass/v.png': mask(2),
    'SegmentationClass/c.png': 'not a picture',
  });
  mkdirSync(join(root, 'SegmentationClass/d.png'));
  const lists = { labelled: 'a\nb\n', unlabelled: 'c\nd\n', train: 'a\nb\nc\nd\n', val: 'v\n' };
  write(
    root,
    Object.fromEntries(Object.entries(lists).map(([name, text]) => [`ImageSets/Segmentation/${name}.txt`, text])),
  );
  await change?.(root);
  return root;
}

/** A lossless colour image whose every pixel differs, with an EXIF orientation. */
export function tagged(
  orientation: number,
  width: number,
  height: number,
  format: 'png' | 'webp' | 'jpeg' = 'png',
): Promise<Buffer> {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => [i % 251, (7 * i) % 256, 200][i % 3]);
  const image = sharp(data, { raw: { width, height, channels: 3 } }).withMetadata({ orientation });
  return (format === 'webp' ? image.webp({ lossless: true }) : image[format]()).toBuffer();
}

/** A 16-bit grey PNG that repeats these values. */
export function deep(values: readonly number[], width = WIDTH, height = HEIGHT): Uint8Array {
  const data = Uint16Array.from({ length: width * height }, (_, i) => values[i % values.length]);
  return encode({ width, height, channels: 1, depth: 16, data });
}
