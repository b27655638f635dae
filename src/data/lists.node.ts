// What lists of images say. They come from many programs and systems: any encoding, line ends, slashes and quotes are
// read.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { DataError } from '../../runtime/errors.ts';
import { fileKind } from './fileKind.ts';
import { IMAGE, LISTS, OTHER_FORMATS, SUFFIXES, type Fail, type Layout } from './layout.node.ts';
import { composed, findPath, type Listings } from './names.node.ts';
import { decodeText, linesOf } from './text.ts';

/** The file of a list that is called by name; null where there is none. */
function namedList(listFolder: string | null, name: string): string | null {
  return listFolder && findPath(join(listFolder, `${name}.txt`));
}

/** Is there a list of this name? */
export function hasList(layout: Layout, name: string): boolean {
  return namedList(layout.listFolder, name) !== null;
}

/**
 * A list as it can be called from any folder: a name stays one, a path becomes absolute.
 * @param path the data set, in VOC layout
 */
export function absoluteList(path: string | undefined, list: string): string {
  return namedList(path === undefined ? null : join(path, LISTS), list) || !findPath(list) ? list : resolve(list);
}

/** A line that cannot be used. */
interface Refused {
  code: 'mask-missing' | 'image-missing' | 'image-format';
  /** What follows the name of the list: `names "x" (line 3), which …`. */
  why: string;
  item: string;
  hint?: string;
}

/** The message for several lines with the same problem, after their number. */
const SEVERAL: Readonly<Record<Refused['code'], (list: string, imageFolder: string) => string>> = {
  'mask-missing': (list) => `masks that ${list} names do not exist`,
  'image-missing': (list, folder) => `entries of ${list} are not in ${folder}`,
  'image-format': (list) => `entries of ${list} have a format that is not read`,
};

/**
 * Reads a list: ids, one per line, with or without extension; paths; or pairs "JPEGImages/a.jpg
 * SegmentationClass/a.png", whose files then count. Names may hold spaces, and may be in quotes; backslashes separate
 * folders, too. The text is UTF-8, UTF-16 or Windows-1252. The id of a path is its name without extension, or the whole
 * path where another file has that id. Blank lines and repeated ids are passed over. What is wrong goes to `fail` and
 * is left out.
 * @param list a name (VOC layout) or the path of a file
 * @param what the split, for errors
 */
export function readList(layout: Layout, list: string, what: string, fail: Fail): string[] {
  const file = namedList(layout.listFolder, list) ?? findPath(list);
  if (file === null) {
    fail(noList(layout, list, what));
    return [];
  }
  const text = readText(file, fail);
  if (text === null) return [];
  const named = `the ${what} list ${file}`;
  const ids = new Set<string>();
  const refused: Refused[] = [];
  const reader = new LineReader(layout);
  linesOf(text).forEach((line, i) => {
    const words = line.trim();
    if (!words) return;
    const found = reader.read(words, i + 1);
    if (typeof found === 'string') ids.add(found);
    else refused.push(found);
  });
  if (ids.size > 0 || refused.length === 1) {
    for (const { code, why, item, hint } of refused) {
      fail(new DataError(`${named} ${why}`, hint), { code, what: SEVERAL[code](named, layout.imageFolder), item });
    }
  } else if (refused.length === 0) fail(new DataError(`${named} is empty`));
  else fail(noneUsed(named, refused, layout));
  return [...ids];
}

function noList({ listFolder }: Layout, list: string, what: string): DataError {
  const files = listFolder && existsSync(listFolder) ? readdirSync(listFolder).filter((f) => f.endsWith('.txt')) : [];
  const there = files
    .slice(0, 12)
    .map((f) => f.slice(0, -4))
    .join(', ');
  return new DataError(
    `there is no list "${list}" for the ${what} images${listFolder ? ` in ${listFolder}` : ''}`,
    there ? `there are ${there}${files.length > 12 ? ', …' : ''}` : 'give the path of a text file with one id a line',
  );
}

/** The text of a list; null where it cannot be read, which `fail` reports. */
function readText(file: string, fail: Fail): string | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    fail(new DataError(`the list ${file} ${code === 'EISDIR' ? 'is a folder' : `cannot be read: ${code}`}`));
    return null;
  }
  const text = decodeText(bytes);
  if (text === null) {
    const what = `the list ${file} is not a text file: it is ${fileKind(bytes)}`;
    fail(new DataError(what, 'save it as UTF-8, one image per line'));
  }
  return text;
}

/** All lines of a list are refused: each kind of reason, with its first line. */
function noneUsed(named: string, refused: readonly Refused[], { imageFolder }: Layout): DataError {
  const reasons = [...new Set(refused.map((r) => r.code))].map((code) => {
    const alike = refused.filter((r) => r.code === code);
    const first = `it ${alike[0].why}`;
    return alike.length === 1 ? first : `${alike.length} ${SEVERAL[code]('it', imageFolder)}; first, ${first}`;
  });
  const usual = 'a line is the name of an image, its path, or the paths of an image and its mask';
  return new DataError(
    `none of the ${refused.length} lines of ${named} can be used: ${reasons.join('; ')}`,
    refused.find((r) => r.hint)?.hint ?? usual,
  );
}

const withoutSuffix = (name: string): string => name.replace(IMAGE, '');
/** Where an image ends and its mask begins. */
const PAIR = new RegExp(`(?<=\\.(?:${SUFFIXES})["']?)[\\s,;]+`, 'gi');
const QUOTED = /^(["'])((?:(?!\1).)*)\1$/;

/**
 * A path as it is meant: without quotes and "./", with slashes. The first form is the text itself, since a name may
 * hold anything.
 */
function formsOf(text: string): string[] {
  const bare = text
    .trim()
    .replace(/[,;]+$/, '')
    .replace(QUOTED, '$2')
    .trim();
  const slashes = bare
    .replace(/\\/g, '/')
    .replace(/^(?:\.\/+)+/, '')
    .replace(/\/(?:\.?\/)+/g, '/');
  return [...new Set([text, bare, slashes])].filter(Boolean);
}

/** Finds the images that lines name. */
class LineReader {
  private readonly layout: Layout;
  private readonly listings: Listings = new Map();
  private lower: Map<string, string> | null = null;

  constructor(layout: Layout) {
    this.layout = layout;
  }

  /**
   * @returns the id of the image, or why the line is refused. Files that it names by path are entered into the layout.
   */
  read(line: string, number: number): string | Refused {
    const whole = this.anyImage(line);
    if (whole !== undefined) return whole;
    // A pair: the image ends in an extension before a space.
    const pair = QUOTED.exec(line)?.[2] ?? line;
    for (const { 0: gap, index } of pair.matchAll(PAIR)) {
      const id = this.anyImage(pair.slice(0, index));
      const mask = pair.slice(index + gap.length);
      if (id === undefined) continue;
      if (mask && !this.enterMask(id, mask)) {
        const item = formsOf(mask).at(-1)!;
        const why = `names the mask "${item}" (line ${number}), which does not exist`;
        return { code: 'mask-missing', why, item };
      }
      return id;
    }
    return this.missing(line, number);
  }

  private missing(line: string, number: number): Refused {
    const { imageFolder, images } = this.layout;
    const path = formsOf(line).at(-1)!;
    const isThere = (): boolean => (this.fileAt(path) ?? findPath(join(imageFolder, basename(path)))) !== null;
    if (OTHER_FORMATS.test(path) && isThere()) {
      const why = `names "${line}" (line ${number}), whose format is not read`;
      return { code: 'image-format', why, item: line, hint: 'save it as JPEG, PNG or WebP' };
    }
    this.lower ??= new Map([...images.keys()].map((id) => [id.toLowerCase(), id]));
    const name = withoutSuffix(basename(composed(path)));
    const like = this.lower.get(name.toLowerCase());
    const hint = like !== undefined && like !== name ? `there is "${like}": upper and lower case count` : undefined;
    const why = `names "${line}" (line ${number}), which is not in ${imageFolder}`;
    return { code: 'image-missing', why, item: line, hint };
  }

  /** The image that a text names in any of its forms. */
  private anyImage(text: string): string | undefined {
    for (const form of formsOf(text)) {
      const id = this.imageId(form);
      if (id !== undefined) return id;
    }
    return undefined;
  }

  /** The id of an image: an id, the name of a file, or a path; undefined where there is no such image. */
  private imageId(text: string): string | undefined {
    const { images, imageFolder } = this.layout;
    const name = composed(text);
    const bare = withoutSuffix(name);
    if (images.has(name)) return name;
    if (images.has(bare)) return bare;
    const file = text.includes('/') && IMAGE.test(text) ? this.fileAt(text) : null;
    if (file) return this.enter(file);
    return this.isInside(text, imageFolder) && images.has(basename(bare)) ? basename(bare) : undefined;
  }

  /** Gives an image the mask that its line names. @returns false where the mask does not exist */
  private enterMask(id: string, text: string): boolean {
    const { masks, maskFolder } = this.layout;
    const forms = formsOf(text);
    for (const form of forms) {
      const file = this.fileAt(form) ?? findPath(join(maskFolder, form), this.listings);
      if (!file) continue;
      masks.set(id, file);
      return true;
    }
    const mask = forms.at(-1)!;
    if (!this.isInside(mask, maskFolder)) return false;
    // Unlabelled images may name masks that are gone. The mask of another name is not theirs.
    const own = masks.get(id) ?? '';
    if (withoutSuffix(composed(basename(own))) !== withoutSuffix(composed(basename(mask)))) masks.delete(id);
    return true;
  }

  /**
   * A file that a list names by its path, relative to the root (also with a slash in front) or absolute; null where
   * there is none.
   */
  private fileAt(path: string): string | null {
    const inside = findPath(join(this.layout.root, path), this.listings);
    return inside ?? (isAbsolute(path) ? findPath(path, this.listings) : null);
  }

  /** Does a path lead into this folder, or is it a bare name? */
  private isInside(path: string, parent: string): boolean {
    if (!path.includes('/')) return true;
    const wanted = composed(resolve(parent));
    return [join(this.layout.root, path), path].some((p) => composed(resolve(dirname(p))) === wanted);
  }

  /** Enters a file under the first of its names that no other file has. @returns the id */
  private enter(file: string): string {
    const { root, images } = this.layout;
    const path = composed(relative(resolve(root), resolve(file)).split('\\').join('/'));
    const names = [withoutSuffix(basename(path)), withoutSuffix(path), path];
    const id = names.find((n) => !images.has(n) || resolve(images.get(n)!) === resolve(file))!;
    if (!images.has(id)) images.set(id, file);
    return id;
  }
}
