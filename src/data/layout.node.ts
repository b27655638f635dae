// Where the files of a data set lie. Looks at names only: no image and no mask is opened here.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { DataError } from '../../runtime/errors.ts';
import { composed, findPath } from './names.node.ts';
import { decodeText, linesOf } from './text.ts';

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
  /** Files by id: the name without extension, in composed Unicode form. */
  images: Map<string, string>;
  masks: Map<string, string>;
  /** Notes on what lies beside them and is passed over: folders, and images of other formats. */
  notes: string[];
  /** From stats.json or a file of names, where there is one. */
  numClasses?: number;
  classNames?: string[];
}

/** Suffixes of images that are read, without the dot. */
export const SUFFIXES = 'jpg|jpeg|jpe|jfif|pjpeg|pjp|png|webp';
/** Names of image files. */
export const IMAGE = new RegExp(`\\.(?:${SUFFIXES})$`, 'i');
const RAW = 'dng|cr2|cr3|nef|arw|orf|rw2|raf';
const SCIENCE = 'nd2|czi|lif|dcm|npy|npz|mat|nii|exr|hdr|fits?';
/** Names of images of other formats. */
export const OTHER_FORMATS = new RegExp(
  `\\.(?:tiff?|bmp|dib|gif|apng|avif|hei[cf]|hif|jp2|j2k|jxl|svg|psd|tga|p[bgnp]m|${RAW}|${SCIENCE})$`,
  'i',
);
/** Folders that systems and archives leave behind. Hidden ones begin with a dot. */
const LEFT_BEHIND = /^(?:__MACOSX|@eaDir|\$RECYCLE\.BIN|System Volume Information|lost\+found)$/i;
/** Where the lists of a VOC layout lie. */
export const LISTS = 'ImageSets/Segmentation';

/** What a folder holds, sorted: without hidden files and what systems leave behind. @throws DataError */
export function folder(path: string, what: string): string[] {
  if (!existsSync(path)) throw new DataError(`${what} ${path} does not exist`);
  if (!statSync(path).isDirectory()) throw new DataError(`${what} ${path} is not a folder`);
  try {
    return readdirSync(path)
      .filter((f) => !f.startsWith('.') && !LEFT_BEHIND.test(f))
      .sort();
  } catch (error) {
    throw new DataError(`${what} ${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** Files of a folder by name without extension. */
function byId(path: string, names: readonly string[], what: string, fail: Fail): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of names.filter((f) => IMAGE.test(f))) {
    const id = composed(name.slice(0, -extname(name).length));
    const other = files.get(id);
    if (other === undefined) files.set(id, join(path, name));
    else {
      const alike = composed(basename(other)) === composed(name);
      const message =
        `${path} holds two ${what} named "${id}": ${basename(other)} and ${name}` +
        (alike ? ', which differ in their Unicode form only (NFC and NFD)' : '');
      fail(new DataError(message, 'names without extension must differ'));
    }
  }
  return files;
}

/**
 * What a folder of images holds that is passed over and may have been meant; null where there is nothing.
 * @param names files and folders in it
 * @param known folders that are read by themselves
 */
export function passedOver(
  path: string,
  names: readonly string[],
  known: readonly (string | undefined)[] = [],
): string | null {
  const own = new Set(known.filter((f) => f !== undefined).map((f) => resolve(f)));
  const others = names.filter((f) => OTHER_FORMATS.test(f));
  const folders = names.filter(
    (f) =>
      !IMAGE.test(f) && !own.has(resolve(path, f)) && statSync(join(path, f), { throwIfNoEntry: false })?.isDirectory(),
  );
  const list = (all: readonly string[]): string =>
    `${all.slice(0, 3).join(', ')}${all.length > 3 ? ` and ${all.length - 3} more` : ''}`;
  const parts = [
    folders.length > 0 && `folders in it are not searched (${list(folders)})`,
    others.length > 0 && `only JPEG, PNG and WebP are read (not ${list(others)})`,
  ].filter(Boolean);
  return parts.length > 0 ? `${path}: ${parts.join('; ')}` : null;
}

/** Class count and names from stats.json, class_names.txt, classes.txt or class_names.json. */
function described(root: string, fail: Fail): Pick<Layout, 'numClasses' | 'classNames'> {
  const out: Pick<Layout, 'numClasses' | 'classNames'> = {};
  const names = (v: unknown): string[] | undefined =>
    Array.isArray(v) && v.length > 0 && v.every((n) => typeof n === 'string') ? v : undefined;
  for (const file of ['stats.json', 'class_names.json', 'class_names.txt', 'classes.txt']
    .map((f) => join(root, f))
    .filter((f) => existsSync(f))) {
    const text = decodeText(readFileSync(file));
    if (text === null) {
      fail(new DataError(`${file} is not a text file`, 'save it as UTF-8'));
      continue;
    }
    if (file.endsWith('.txt')) {
      out.classNames ??= names(
        linesOf(text)
          .map((l) => l.trim())
          .filter(Boolean),
      );
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
 * Finds images and masks, in VOC layout (`path`) or in two plain folders (`images`, `masks`), paired by name without
 * extension.
 * @throws DataError where nothing can be found; what can be passed over goes to `fail`
 */
export function findFiles(named: { path?: string; images?: string; masks?: string }, fail: Fail): Layout {
  const stored = (path: string | undefined): string | undefined => path && (findPath(path) ?? path);
  const spec = { path: stored(named.path), images: stored(named.images), masks: stored(named.masks) };
  if (spec.images !== undefined) {
    const names = folder(spec.images, 'the image folder');
    const images = byId(spec.images, names, 'images', fail);
    const beside = passedOver(spec.images, names, [spec.masks]);
    if (images.size === 0)
      throw new DataError(`${spec.images} contains no JPEG, PNG or WebP images`, beside ?? undefined);
    const maskNames = spec.masks === undefined ? [] : folder(spec.masks, 'the mask folder');
    const masks = spec.masks === undefined ? new Map<string, string>() : byId(spec.masks, maskNames, 'masks', fail);
    const notes = [beside, spec.masks === undefined ? null : passedOver(spec.masks, maskNames, [spec.images])].filter(
      (n) => n !== null,
    );
    const root = resolve(spec.images);
    return {
      name: basename(root),
      root,
      listFolder: null,
      imageFolder: spec.images,
      maskFolder: spec.masks ?? '(no mask folder)',
      images,
      masks,
      notes,
      ...described(spec.masks ?? root, fail),
    };
  }
  const path = spec.path!;
  const inside = folder(path, 'the data set');
  const imageFolder = join(path, 'JPEGImages');
  const maskFolder = join(path, 'SegmentationClass');
  if (!inside.includes('JPEGImages')) {
    throw new DataError(
      inside.length === 0 ? `${path} is empty` : `${path} has no folder JPEGImages`,
      'give a folder in VOC layout, or use `images` and `masks`',
    );
  }
  const names = folder(imageFolder, 'the image folder');
  const maskNames = existsSync(maskFolder) ? folder(maskFolder, 'the mask folder') : [];
  const images = byId(imageFolder, names, 'images', fail);
  const beside = passedOver(imageFolder, names);
  if (images.size === 0)
    throw new DataError(`${imageFolder} contains no JPEG, PNG or WebP images`, beside ?? undefined);
  const masks = byId(maskFolder, maskNames, 'masks', fail);
  const notes = [beside, passedOver(maskFolder, maskNames)].filter((n) => n !== null);
  return {
    name: basename(resolve(path)),
    root: path,
    listFolder: join(path, LISTS),
    imageFolder,
    maskFolder,
    images,
    masks,
    notes,
    ...described(path, fail),
  };
}
