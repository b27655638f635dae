// Looks at the images of a set before they are read, and decides how: which way up, and which value of 16-bit images is
// white. Headers are read of all images; values of 16-bit images only, and of those no more than the decision needs;
// masks by their headers, where they can tell.

import { basename } from 'node:path';
import { DataError } from '../../runtime/errors.ts';
import type { DecodePool } from './decodePool.node.ts';
import { imageHeader, type Depth } from './image.node.ts';
import type { Layout } from './layout.node.ts';
import {
  bitsOf,
  isQuarterTurn,
  MOST_BITS,
  shownBy,
  type Header,
  type Orientation,
  type PictureRule,
  type PictureSpec,
} from './pictureRule.ts';
import type { SplitSpec } from './splits.node.ts';
import type { DatasetSplit } from './types.ts';

export interface SurveyOptions extends PictureSpec {
  /** Image files. */
  files: readonly string[];
  /**
   * Those among them whose values decide how many bits are used (default: all). Where none of them has 16 bits, the
   * others decide.
   */
  training?: readonly string[];
  /** The mask of an image, where it may be opened. */
  maskOf?(file: string): string | undefined;
  pool: DecodePool;
}

/** How the images of a set are read. */
export interface Pictures {
  rule: PictureRule;
  /** What was found and decided: lines to be printed. */
  notes: string[];
  /** Images whose headers cannot be read. */
  bad: DataError[];
  /** Headers by file. */
  headers: ReadonlyMap<string, Header>;
  /** Is the EXIF orientation of this image applied? */
  isUpright(file: string): boolean;
  /** Images with an orientation of which no mask tells whether it is to be applied: the default decides. */
  undecided: string[];
}

/** Files that are open at once. */
const PORTION = 32;
/** Where values are rarer than this, they may be marks or defects. */
const RARE = 0.001;

const are = (n: number, what: string, verbs: readonly [one: string, many: string]): string =>
  `${n} ${what}${n === 1 ? '' : 's'} ${verbs[n === 1 ? 0 : 1]}`;

/** Runs `look` for every file, a few at once, in their order; what cannot be read goes to `bad`. */
async function lookAt<T>(
  files: readonly string[],
  look: (file: string) => Promise<T>,
  bad: DataError[],
  enough: (found: ReadonlyMap<string, T>) => boolean = () => false,
): Promise<Map<string, T>> {
  const found = new Map<string, T>();
  for (let i = 0; i < files.length && !enough(found); i += PORTION) {
    const portion = files.slice(i, i + PORTION);
    const results = await Promise.all(
      portion.map((file) =>
        look(file).catch((error: unknown) => {
          if (error instanceof DataError) return error;
          throw error;
        }),
      ),
    );
    results.forEach((result, k) => (result instanceof DataError ? bad.push(result) : found.set(portion[k], result)));
  }
  return found;
}

/**
 * Decides how images are read.
 * @throws FewmaskError where sharp is not installed; files that cannot be read are in `bad`
 */
export async function surveyPictures(o: SurveyOptions): Promise<Pictures> {
  const bad: DataError[] = [];
  const headers = await lookAt([...new Set(o.files)], imageHeader, bad);
  const tagged = [...headers].filter(([, h]) => h.orientation > 1);
  const shown = await masksShow(tagged, o);
  const { orientation, note, decided } = decideOrientation(tagged.length, [...shown.values()], o);
  const deep = [...headers].filter(([, h]) => h.deep).map(([file]) => file);
  const { bits, note: depthNote } = await decideBits(deep, headers.size, o);
  const several = [...headers].filter(([, h]) => h.pages > 1).map(([file]) => basename(file));
  const animated = are(several.length, 'image', ['is an animation', 'are animations']);
  const animations = several.length > 0 && `${animated}, of which the first picture is read (${few(several)})`;
  const asked = o.orientation ?? 'auto';
  return {
    rule: { orientation, bits },
    notes: [note, depthNote, animations].filter((n) => typeof n === 'string'),
    bad,
    headers,
    isUpright: (file) => (asked === 'auto' ? (shown.get(file) ?? orientation) : asked) === 'apply',
    undecided: decided ? [] : tagged.map(([file]) => file),
  };
}

/**
 * Decides how the images of a data set are read. Masks of unlabelled images stay closed, unless they are there to be
 * scored.
 */
export function surveySet(
  layout: Layout,
  ids: Readonly<Record<DatasetSplit, readonly string[]>>,
  spec: PictureSpec & Pick<SplitSpec, 'scored'> & { judge?: boolean },
  pool: DecodePool,
): Promise<Pictures> {
  const { orientation, bits, pictures } = spec;
  const filesOf = (of: readonly string[]): string[] => of.flatMap((id) => layout.images.get(id) ?? []);
  const training = filesOf(ids.train);
  const opened = [...ids.labelled, ...ids.val, ...ids.test, ...(spec.scored && spec.judge ? ids.unlabelled : [])];
  const masks = new Map(opened.map((id) => [layout.images.get(id), layout.masks.get(id)]));
  const files = [...training, ...filesOf([...ids.val, ...ids.test])];
  return surveyPictures({ orientation, bits, pictures, files, training, maskOf: (file) => masks.get(file), pool });
}

/** The first few of many names. */
function few(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;
}

/** What masks show by their size: of images whose orientation exchanges height and width, and that are not square. */
async function masksShow(
  tagged: readonly [file: string, header: Header][],
  o: SurveyOptions,
): Promise<Map<string, Orientation>> {
  const telling = tagged.filter(
    ([
      file,
      {
        orientation,
        stored: [h, w],
      },
    ]) => isQuarterTurn(orientation) && h !== w && o.maskOf?.(file),
  );
  // A mask that cannot be read is reported when it is loaded.
  const masks = await lookAt(
    telling.map(([file]) => file),
    (file) => imageHeader(o.maskOf!(file)!),
    [],
  );
  const shown = new Map<string, Orientation>();
  for (const [file, header] of telling) {
    const mask = masks.get(file);
    const by = mask && shownBy(header, mask.stored);
    if (by) shown.set(file, by);
  }
  return shown;
}

interface OrientationDecision {
  /** For images whose masks do not tell. */
  orientation: Orientation;
  /** What is done and why. */
  note?: string;
  /** False where nothing but the default decides. */
  decided: boolean;
}

/**
 * The rule for images whose masks do not tell.
 * @param n images that have an orientation
 * @param shown what masks show
 */
function decideOrientation(n: number, shown: readonly Orientation[], o: PictureSpec): OrientationDecision {
  const upright = shown.filter((s) => s === 'apply').length;
  const stored = shown.length - upright;
  const asked = o.orientation === 'auto' ? undefined : o.orientation;
  const before = o.pictures?.orientation;
  const majority = upright > stored ? 'apply' : stored > upright ? 'ignore' : undefined;
  const orientation = asked ?? majority ?? before ?? 'apply';
  const decided = n === 0 || shown.length > 0 || (asked ?? before) !== undefined;
  if (n === 0) return { orientation, decided };
  const done = orientation === 'apply' ? 'it is applied, as viewers do' : 'it is ignored: the stored pixels are read';
  const note = (why: string): string => `${are(n, 'image', ['has', 'have'])} an EXIF orientation: ${done}${why}`;
  const fit = (k: number): string => are(k, 'mask', ['fits', 'fit']);
  if (asked) return { orientation, decided, note: note(` (\`orientation ${asked}\`)`) };
  if (upright > 0 && stored > 0) {
    const each = `${fit(upright)} the rotated image, ${stored} the stored pixels`;
    return { orientation, decided, note: note(`, except where masks do not fit (${each}; \`orientation\`)`) };
  }
  if (majority) {
    const which = upright > 0 ? 'the rotated image' : 'the stored pixels';
    return { orientation, decided, note: note(` (${fit(shown.length)} ${which})`) };
  }
  if (before) return { orientation, decided, note: note(', as in the training (`orientation`)') };
  const advice = '; no mask tells by its size. If masks are drawn on the stored pixels, give `orientation ignore`';
  return { orientation, decided, note: note(advice) };
}

/**
 * The bits that 16-bit images use, with a line on why.
 * @param deep the 16-bit images
 * @param all how many images there are
 */
async function decideBits(
  deep: readonly string[],
  all: number,
  o: SurveyOptions,
): Promise<{ bits: number | null; note?: string }> {
  const known = o.bits ?? o.pictures?.bits ?? null;
  if (deep.length === 0) return { bits: known };
  const images = are(all, 'image', ['has', 'have']);
  const have = `${deep.length < all ? `${deep.length} of ` : ''}${images} 16 bits per channel`;
  const others = deep.length < all ? '; 8-bit images are read as they are' : '';
  const white = (bits: number): string => `${2 ** bits - 1} is white`;
  if (o.bits !== undefined) return { bits: known, note: `${have}: ${white(o.bits)} (\`bits ${o.bits}\`)${others}` };
  if (known !== null) return { bits: known, note: `${have}: ${white(known)}, as in the training (\`bits\`)${others}` };
  const training = new Set(o.training ?? deep);
  const deciding = deep.filter((file) => training.has(file));
  const look = (file: string): Promise<Depth> => o.pool.run({ kind: 'depth', image: file });
  // Once the whole range is in use, further values change nothing.
  const full = (sofar: ReadonlyMap<string, Depth>): boolean =>
    [...sofar.values()].some(({ largest }) => bitsOf(largest) === MOST_BITS);
  const found = await lookAt(deciding.length > 0 ? deciding : deep, look, [], full);
  if (found.size === 0) return { bits: MOST_BITS };
  const [file, { largest }] = [...found].reduce((a, b) => (b[1].largest > a[1].largest ? b : a));
  const bits = bitsOf(largest);
  const most = bitsOfMost([...found.values()]);
  const dark =
    most < bits
      ? `; ${100 * (1 - RARE)} % of the values are below ${2 ** most}: if images look too dark, give \`bits ${most}\``
      : '';
  const why = `the largest value is ${largest} (${basename(file)})`;
  return { bits, note: `${have}, and ${why}: ${white(bits)} (\`bits\`)${dark}${others}` };
}

/** The bits that nearly all values use. */
function bitsOfMost(depths: readonly Depth[]): number {
  const counts = new Float64Array(MOST_BITS + 1);
  for (const { lengths } of depths) lengths.forEach((v, i) => (counts[i] += v));
  let left = RARE * counts.reduce((a, b) => a + b, 0);
  let length = MOST_BITS;
  while (length > 0 && counts[length] <= left) left -= counts[length--];
  return bitsOf(2 ** length - 1);
}
