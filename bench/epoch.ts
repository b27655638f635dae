// The data of the epoch case: the built-in scenes as JPEGs with PNG masks on the disk, as a data set of photographs
// lies there.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { loadSharp } from '../src/data/sharp.node.ts';
import { drawScene } from '../src/data/synthetic.ts';

const made = new Map<string, Promise<string>>();

async function write(count: number, height: number, width: number): Promise<string> {
  const sharp = await loadSharp();
  const folder = mkdtempSync(join(tmpdir(), 'fewmask-epoch-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const images = join(folder, 'JPEGImages');
  const masks = join(folder, 'SegmentationClass');
  for (const f of [images, masks]) mkdirSync(f);
  for (let i = 0; i < count; i++) {
    const { rgb, labels } = drawScene(1, 0, i, width, height);
    await sharp(rgb, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 92 })
      .toFile(join(images, `${i}.jpg`));
    writeFileSync(join(masks, `${i}.png`), encode({ width, height, data: labels, channels: 1, depth: 8 }));
  }
  return folder;
}

/** A folder in VOC layout of so many images, made once and gone with the process. */
export function epochFolder(count: number, height: number, width: number): Promise<string> {
  const key = `${count} ${height} ${width}`;
  if (!made.has(key)) made.set(key, write(count, height, width));
  return made.get(key)!;
}
