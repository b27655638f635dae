// Where the files of a data set lie, and what its lists say. Looks at names only: no image and no mask is opened here.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join, relative, resolve } from 'node:path';
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
  /** Notes on what lies beside them and is passed over: folders, and images of other formats. */
  notes: string[];
  /** From stats.json or a file of names, where there is one. */
  numClasses?: number;
  classNames?: string[];
}

/** Names of image files. */
export const IMAGE = /\.(jpe?g|png|webp)$/i;
const OTHER_FORMATS = /\.(tiff?|bmp|gif|avif|hei[cf]|jp2|jxl|dng|nd2|czi|dcm|npy|svg)$/i;
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

/** What a folder of images holds that is passed over and may have been meant; null where there is nothing. @param known folders that are read by themselves */
function passedOver(path: string, names: readonly string[], known: readonly (string | undefined)[] = []): string | null {
  const own = new Set(known.filter((f) => f !== undefined).map((f) => resolve(f)));
  const others = names.filter((f) => OTHER_FORMATS.test(f)), folders = names.filter((f) => !IMAGE.test(f) && !own.has(resolve(path, f)) && statSync(join(path, f), { throwIfNoEntry: false })?.isDirectory());
  const list = (all: readonly string[]): string => `${all.slice(0, 3).join(', ')}${all.length > 3 ? ` and ${all.length - 3} more` : ''}`;
  const parts = [folders.length > 0 && `folders in it are not searched (${list(folders)})`, others.length > 0 && `only JPEG, PNG and WebP are read (not ${list(others)})`].filter(Boolean);
  return parts.length > 0 ? `${path}: ${parts.join('; ')}` : null;
}

/** Class count and names from stats.json, class_names.txt, classes.txt or class_names.json. */
function described(root: string, fail: Fail): Pick<Layout, 'numClasses' | 'classNames'> {
  const out: Pick<Layout, 'numClasses' | 'classNames'> = {};
  const names = (v: unknown): string[] | undefined => (Array.isArray(v) && v.length > 0 && v.every((n) => typeof n === 'string') ? v : undefined);
  for (const file of ['stats.json', 'class_names.json', 'class_names.txt', 'classes.txt'].map((f) => join(root, f)).filter((f) => existsSync(f))) {
    const text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
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
    const images = byId(spec.images, names, 'images', fail), beside = passedOver(spec.images, names, [spec.masks]);
    if (images.size === 0) throw new DataError(`${spec.images} holds no JPEG, PNG or WebP images`, beside ?? undefined);
    const maskNames = spec.masks === undefined ? [] : folder(spec.masks, 'the mask folder');
    const masks = spec.masks === undefined ? new Map<string, string>() : byId(spec.masks, maskNames, 'masks', fail);
    const notes = [beside, spec.masks === undefined ? null : passedOver(spec.masks, maskNames, [spec.images])].filter((n) => n !== null);
    const root = resolve(spec.images);
    return { name: basename(root), root, listFolder: null, imageFolder: spec.images, maskFolder: spec.masks ?? '(no mask folder)', images, masks, notes, ...described(spec.masks ?? root, fail) };
  }
  const path = spec.path!;
  const inside = folder(path, 'the data set');
  const imageFolder = join(path, 'JPEGImages'), maskFolder = join(path, 'SegmentationClass');
  if (!inside.includes('JPEGImages')) {
    throw new DataError(inside.length === 0 ? `${path} is empty` : `${path} has no folder JPEGImages`, 'give a folder in VOC layout, or use --images and --masks');
  }
  const names = folder(imageFolder, 'the image folder'), maskNames = existsSync(maskFolder) ? folder(maskFolder, 'the mask folder') : [];
  const images = byId(imageFolder, names, 'images', fail), beside = passedOver(imageFolder, names);
  if (images.size === 0) throw new DataError(`${imageFolder} holds no JPEG, PNG or WebP images`, beside ?? undefined);
  const masks = byId(maskFolder, maskNames, 'masks', fail), notes = [beside, passedOver(maskFolder, maskNames)].filter((n) => n !== null);
  return { name: basename(resolve(path)), root: path, listFolder: join(path, LISTS), imageFolder, maskFolder, images, masks, notes, ...described(path, fail) };
}

/** The file of a list that is called by name; null where there is none. */
function namedList(listFolder: string | null, name: string): string | null {
  const file = listFolder && join(listFolder, `${name}.txt`);
  return file && existsSync(file) ? file : null;
}

/** Is there a list of this name? */
export function hasList(layout: Layout, name: string): boolean {
  return namedList(layout.listFolder, name) !== null;
}

/** A list as it can be called from any folder: a name stays one, a path becomes absolute. @param path the data set, in VOC layout */
export function absoluteList(path: string | undefined, list: string): string {
  return namedList(path === undefined ? null : join(path, LISTS), list) || !existsSync(list) ? list : resolve(list);
}

/**
 * Reads a list: ids, one a line, with or without extension; paths; or pairs "JPEGImages/a.jpg SegmentationClass/a.png", whose files then count. Names may hold spaces.
 * The id of a path is its name without extension, or the whole path where another file has that id. Blank lines and repeated ids are passed over. What is wrong goes to
 * `fail` and is left out.
 * @param list a name (VOC layout) or the path of a file
 * @param what the split, for errors
 */
export function readList(layout: Layout, list: string, what: string, fail: Fail): string[] {
  const file = namedList(layout.listFolder, list) ?? list;
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
    const { id, lost } = entry(layout, words);
    if (id !== undefined) ids.add(id);
    else if (lost !== undefined) fail(new DataError(`the ${what} list ${file} names the mask "${lost}" (line ${i + 1}), which does not exist`), { code: 'mask-missing', what: `masks that the ${what} list ${file} names do not exist`, item: lost });
    else fail(new DataError(`the ${what} list ${file} names "${words}" (line ${i + 1}), which is not in ${layout.imageFolder}`), { code: 'image-missing', what: `entries of the ${what} list ${file} are not in ${layout.imageFolder}`, item: words });
  });
  if (ids.size === 0) fail(new DataError(`the ${what} list ${file} is empty`));
  return [...ids];
}

/** A file that a list names by its path, relative to the root (also with a slash in front) or absolute; null where there is none. */
function fileAt(layout: Layout, path: string): string | null {
  return [join(layout.root, path), ...(isAbsolute(path) ? [path] : [])].find((f) => existsSync(f)) ?? null;
}

/** Does a path lead into this folder, or is it a bare name? */
const inside = (layout: Layout, path: string, parent: string): boolean => !path.includes('/') || [join(layout.root, path), path].some((p) => resolve(dirname(p)) === resolve(parent));

/** Enters a file under the first of its names that no other file has. @returns the id */
function enter(layout: Layout, file: string): string {
  const path = relative(resolve(layout.root), resolve(file)).split('\\').join('/');
  const names = [basename(path).replace(IMAGE, ''), path.replace(IMAGE, ''), path];
  const id = names.find((n) => !layout.images.has(n) || resolve(layout.images.get(n)!) === resolve(file))!;
  if (!layout.images.has(id)) layout.images.set(id, file);
  return id;
}

/** The id of an image: an id, the name of a file, or a path; undefined where there is no such image. */
function imageId(layout: Layout, text: string): string | undefined {
  const bare = text.replace(IMAGE, '');
  if (layout.images.has(text)) return text;
  if (layout.images.has(bare)) return bare;
  const file = text.includes('/') && IMAGE.test(text) ? fileAt(layout, text) : null;
  if (file) return enter(layout, file);
  return inside(layout, text, layout.imageFolder) && layout.images.has(basename(bare)) ? basename(bare) : undefined;
}

/** What a line means: the id of its image, or the mask that it names and that is nowhere. Files that it names by path are entered. */
function entry(layout: Layout, line: string): { id?: string; lost?: string } {
  const whole = imageId(layout, line);
  if (whole !== undefined) return { id: whole };
  // A pair: the image ends in an extension before a space.
  for (const { index } of line.matchAll(/(?<=\.(?:jpe?g|png|webp))\s+/gi)) {
    const id = imageId(layout, line.slice(0, index)), mask = line.slice(index).trim();
    if (id === undefined) continue;
    const file = fileAt(layout, mask) ?? [join(layout.maskFolder, mask)].find((f) => existsSync(f));
    if (file) layout.masks.set(id, file);
    else if (!inside(layout, mask, layout.maskFolder)) return { lost: mask };
    // Unlabelled images may name masks that are gone. The mask of another name is not theirs.
    else if (basename(layout.masks.get(id) ?? '').replace(IMAGE, '') !== basename(mask).replace(IMAGE, '')) layout.masks.delete(id);
    return { id };
  }
  return {};
}
