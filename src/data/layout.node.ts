// Where the files of a data set lie, and what its lists say. Looks at names only: no image and no mask is opened here.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { DataError } from '../../runtime/errors.ts';

/** Things that are wrong in the same way: `what` follows their number ("labelled images have no mask"). */
export interface Alike {
  code: string;
  what: string;
  item: string;
}

/** Told of what is wrong; throws, or notes it and returns. */
export type Fail = (error: DataError, alike?: Alike) => void;

export interface Layout {
  name: string;
  /** The folder that lists' paths are relative to. */
  root: string;
  /** Where lists are looked for by name; null in plain folders. */
  listFolder: string | null;
  /** What the image and mask folders are called in messages. */
  imageFolder: string;
  maskFolder: string;
  /** Files by id. */
  images: Map<string, string>;
  masks: Map<string, string>;
  /** From stats.json or a file of names, where there is one. */
  numClasses?: number;
  classNames?: string[];
}

/** Names of image files. */
export const IMAGE = /\.(jpe?g|png|webp)$/i;
const LISTS = 'ImageSets/Segmentation';

function folder(path: string, what: string): string[] {
  if (!existsSync(path)) throw new DataError(`${what} ${path} does not exist`);
  if (!statSync(path).isDirectory()) throw new DataError(`${what} ${path} is not a folder`);
  try {
    return readdirSync(path).filter((f) => !f.startsWith('.')).sort();
  } catch (error) {
    throw new DataError(`${what} ${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** Files of a folder by name without extension. */
function byId(path: string, names: readonly string[], what: string, fail: Fail): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of names.filter((f) => IMAGE.test(f))) {
    const id = name.slice(0, -extname(name).length);
    const other = files.get(id);
    if (other) fail(new DataError(`${path} holds two ${what} named "${id}": ${basename(other)} and ${name}`, 'names without extension must differ'));
    else files.set(id, join(path, name));
  }
  return files;
}

/** Class count and names from stats.json, class_names.txt, classes.txt or class_names.json. */
function described(root: string, fail: Fail): Pick<Layout, 'numClasses' | 'classNames'> {
  const out: Pick<Layout, 'numClasses' | 'classNames'> = {};
  const names = (v: unknown): string[] | undefined => (Array.isArray(v) && v.length > 0 && v.every((n) => typeof n === 'string') ? v : undefined);
  for (const file of ['stats.json', 'class_names.json', 'class_names.txt', 'classes.txt'].map((f) => join(root, f)).filter((f) => existsSync(f))) {
    const text = readFileSync(file, 'utf8');
    if (file.endsWith('.txt')) {
      out.classNames ??= names(text.split(/\r?\n/).map((l) => l.trim()).filter(Boolean));
      continue;
    }
    try {
      const parsed = JSON.parse(text) as { num_classes?: unknown; class_names?: unknown } | unknown[];
      out.classNames ??= names(Array.isArray(parsed) ? parsed : parsed.class_names);
      if (!Array.isArray(parsed) && Number.isInteger(parsed.num_classes)) out.numClasses = parsed.num_classes as number;
    } catch (error) {
      fail(new DataError(`${file} is not valid JSON: ${(error as Error).message}`));
    }
  }
  out.numClasses ??= out.classNames?.length;
  return out;
}

/**
 * Finds images and masks, in VOC layout (`path`) or in two plain folders (`images`, `masks`), paired by name without extension.
 * @throws DataError where nothing can be found; what can be passed over goes to `fail`
 */
export function findFiles(spec: { path?: string; images?: string; masks?: string }, fail: Fail): Layout {
  if (spec.images !== undefined) {
    const names = folder(spec.images, 'the image folder');
    const images = byId(spec.images, names, 'images', fail);
    if (images.size === 0) throw new DataError(`${spec.images} holds no JPEG, PNG or WebP images`);
    const masks = spec.masks === undefined ? new Map<string, string>() : byId(spec.masks, folder(spec.masks, 'the mask folder'), 'masks', fail);
    const root = resolve(spec.images);
    return { name: basename(root), root, listFolder: null, imageFolder: spec.images, maskFolder: spec.masks ?? '(no mask folder)', images, masks, ...described(spec.masks ?? root, fail) };
  }
  const path = spec.path!;
  const inside = folder(path, 'the data set');
  const imageFolder = join(path, 'JPEGImages'), maskFolder = join(path, 'SegmentationClass');
  if (!inside.includes('JPEGImages')) {
    throw new DataError(inside.length === 0 ? `${path} is empty` : `${path} has no folder JPEGImages`, 'give a folder in VOC layout, or use --images and --masks');
  }
  const images = byId(imageFolder, folder(imageFolder, 'the image folder'), 'images', fail);
  if (images.size === 0) throw new DataError(`${imageFolder} holds no JPEG, PNG or WebP images`);
  const masks = existsSync(maskFolder) ? byId(maskFolder, folder(maskFolder, 'the mask folder'), 'masks', fail) : new Map<string, string>();
  return { name: basename(resolve(path)), root: path, listFolder: join(path, LISTS), imageFolder, maskFolder, images, masks, ...described(path, fail) };
}

/** Is there a list of this name? */
export function hasList(layout: Layout, name: string): boolean {
  return layout.listFolder !== null && existsSync(join(layout.listFolder, `${name}.txt`));
}

/**
 * Reads a list: ids, one a line, with or without extension; or pairs "JPEGImages/a.jpg SegmentationClass/a.png", whose files then count. Blank lines and repeated ids
 * are passed over. What is wrong goes to `fail` and is left out.
 * @param list a name (VOC layout) or the path of a file
 * @param what the split, for errors
 */
export function readList(layout: Layout, list: string, what: string, fail: Fail): string[] {
  const named = layout.listFolder === null ? null : join(layout.listFolder, `${list}.txt`);
  const file = named && existsSync(named) ? named : list;
  if (!existsSync(file)) {
    const there = layout.listFolder && existsSync(layout.listFolder) ? readdirSync(layout.listFolder).filter((f) => f.endsWith('.txt')).map((f) => f.slice(0, -4)) : [];
    const known = there.length ? `there are ${there.slice(0, 12).join(', ')}${there.length > 12 ? ', …' : ''}` : 'give the path of a text file with one id a line';
    fail(new DataError(`there is no list "${list}" for the ${what} images${layout.listFolder ? ` in ${layout.listFolder}` : ''}`, known));
    return [];
  }
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    fail(new DataError(`the list ${file} ${code === 'EISDIR' ? 'is a folder' : `cannot be read: ${code}`}`));
    return [];
  }
  const ids = new Set<string>();
  text.replace(/^\uFEFF/, '').split(/\r?\n/).forEach((line, i) => {
    const words = line.trim();
    if (!words) return;
    const id = entry(layout, words);
    if (id === null) fail(new DataError(`the ${what} list ${file} names "${words}" (line ${i + 1}), which is not in ${layout.imageFolder}`), { code: 'image-missing', what: `entries of the ${what} list ${file} are not in ${layout.imageFolder}`, item: words });
    else ids.add(id);
  });
  if (ids.size === 0) fail(new DataError(`the ${what} list ${file} is empty`));
  return [...ids];
}

/** The id that a line means; files that it names by path are entered. */
function entry(layout: Layout, line: string): string | null {
  if (layout.images.has(line)) return line; // an id may hold spaces
  const [image, mask] = line.split(/\s+/);
  const id = basename(image).replace(IMAGE, '');
  const at = join(layout.root, image);
  if (image.includes('/') && IMAGE.test(image) && existsSync(at)) layout.images.set(id, at);
  if (!layout.images.has(id)) return null;
  if (mask !== undefined && existsSync(join(layout.root, mask))) layout.masks.set(id, join(layout.root, mask));
  return id;
}
