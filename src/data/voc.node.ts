// Data sets in the layout of PASCAL VOC: JPEGImages, SegmentationClass, ImageSets/Segmentation/LIST.txt.

import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { DataError, UsageError } from '../../runtime/errors.ts';
import { readImage } from './image.node.ts';
import { decodeMask, resizeLabels, vocPalette } from './mask.ts';
import type { Dataset, Sample } from './types.ts';

export interface VocOptions {
  root: string;
  /** Names of lists in ImageSets/Segmentation, or paths of list files. */
  lists: { train?: string; labelled: string; unlabelled?: string; val?: string; test?: string };
  numClasses: number;
  classNames?: readonly string[];
  /** Height and width to which images and masks are resized as they are read. */
  size?: readonly [number, number];
}

type Split = 'labelled' | 'unlabelled' | 'val' | 'test' | 'train';

const EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp'];

async function readList(root: string, list: string): Promise<string[]> {
  const named = join(root, 'ImageSets/Segmentation', `${list}.txt`);
  const file = existsSync(named) ? named : list;
  if (!existsSync(file)) throw new DataError(`there is no list "${list}" in ${join(root, 'ImageSets/Segmentation')}`, 'name one of its files without .txt, or give the path of a list');
  const ids = (await readFile(file, 'utf8')).split(/\r?\n/).map((l) => l.trim()).filter(Boolean);
  if (ids.length === 0) throw new DataError(`the list ${file} is empty`);
  return ids.map((line) => basename(line.split(/\s+/)[0]).replace(/\.(jpe?g|png|webp)$/i, ''));
}

/**
 * Opens a data set in VOC layout. Masks are opened for ids that are asked for with labels, and for no others: those of unlabelled images may be
 * absent, and are not looked at if they are there.
 */
export async function openVoc(o: VocOptions): Promise<Dataset> {
  const images = join(o.root, 'JPEGImages');
  if (!existsSync(images)) throw new DataError(`${o.root} has no folder JPEGImages`, 'give a folder in VOC layout, or use --images and --masks');
  const files = new Map((await readdir(images)).filter((f) => EXTENSIONS.includes(extname(f).toLowerCase())).map((f) => [f.slice(0, -extname(f).length), join(images, f)]));
  if (files.size === 0) throw new DataError(`${images} holds no JPEG, PNG or WebP images`);
  const splits = new Map<Split, string[]>();
  for (const [split, list] of Object.entries(o.lists) as [Split, string | undefined][]) if (list) splits.set(split, await readList(o.root, list));
  const labelled = splits.get('labelled')!;
  if (!splits.has('train')) splits.set('train', [...new Set([...labelled, ...(splits.get('unlabelled') ?? [])])]);
  if (!splits.has('unlabelled')) {
    const known = new Set(labelled);
    splits.set('unlabelled', splits.get('train')!.filter((id) => !known.has(id)));
  }
  for (const [split, ids] of splits) {
    const missing = ids.find((id) => !files.has(id));
    if (missing) throw new DataError(`the ${split} list names "${missing}", which is not in ${images}`);
  }
  if (o.numClasses < 2 || o.numClasses > 255) throw new UsageError(`${o.numClasses} classes`, 'give 2 to 255 (--classes)');
  return {
    name: basename(o.root),
    numClasses: o.numClasses,
    classNames: o.classNames ? [...o.classNames] : Array.from({ length: o.numClasses }, (_, i) => `class ${i}`),
    palette: vocPalette(),
    ids: (split) => splits.get(split) ?? [],
    async load(id, { labels }): Promise<Sample> {
      const file = files.get(id);
      if (!file) throw new DataError(`there is no image "${id}" in ${images}`);
      const mask = labels ? await readMask(join(o.root, 'SegmentationClass', `${id}.png`), o.numClasses) : null;
      const image = await readImage(file, o.size);
      if (!mask) return { id, ...image, labels: null };
      const scaled = o.size ? resizeLabels(mask.labels, [mask.height, mask.width], o.size) : mask.labels;
      if (!o.size && (mask.width !== image.width || mask.height !== image.height)) {
        throw new DataError(`the mask of "${id}" is ${mask.width}x${mask.height}, the image ${image.width}x${image.height}`, 'masks must have the size of their images');
      }
      return { id, ...image, labels: scaled };
    },
    async close() {},
  };
}

async function readMask(file: string, numClasses: number) {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch {
    throw new DataError(`the labelled image has no mask ${file}`, 'remove it from the list of labelled images, or add the mask');
  }
  const mask = decodeMask(bytes, file);
  const wrong = mask.labels.find((v) => v >= numClasses && v !== 255);
  if (wrong !== undefined) throw new DataError(`${file} has class id ${wrong}, but there are ${numClasses} classes (0 to ${numClasses - 1}; 255 is ignored)`, 'raise --classes or mend the mask');
  return mask;
}
