// Opens a data set in Node: VOC layout, two plain folders, or the built-in scenes. Decoding happens on threads.

import { resolve } from 'node:path';
import { DataError, errorText, UsageError } from '../../runtime/errors.ts';
import { DecodePool, type PoolOptions } from './decodePool.node.ts';
import { imageHeader } from './image.node.ts';
import { amountOf, isAmount } from './labels.node.ts';
import { findFiles } from './layout.node.ts';
import { absoluteList } from './lists.node.ts';
import { vocPalette } from './mask.ts';
import { MaskReader, readMaskRule, type MaskSpec } from './maskReader.node.ts';
import { canonicalMaskValues, parseMaskValues } from './maskValues.ts';
import { findPath } from './names.node.ts';
import { clippedLine, LEAST_BITS, MOST_BITS, sizeOf, type PictureSpec } from './pictureRule.ts';
import { surveySet } from './pictures.node.ts';
import { resolveSplits, type SplitSpec } from './splits.node.ts';
import { createSynthetic, sceneOf, type SyntheticOptions } from './synthetic.ts';
import { texelSample } from './texels.ts';
import type { Dataset, Sample } from './types.ts';

/** Images are resized to at most so many pixels a side. */
export const MOST_SIDE = 16384;

export interface DatasetSpec extends SplitSpec, MaskSpec, PictureSpec {
  /**
   * A folder in VOC layout (JPEGImages, SegmentationClass, ImageSets/Segmentation); "builtin" or nothing: the built-in
   * set.
   */
  path?: string;
  /** Two plain folders instead of `path`, paired by name without extension. Images without a mask are unlabelled. */
  images?: string;
  masks?: string;
  /** The training pool: a list (default: `train` where there is one, else every image that is not in val or test). */
  train?: string;
  /**
   * The labelled images: a list (name or path); or a number ("46") or part ("1/8", "12.5%") of the pool, drawn by
   * `splitSeed`, nested. Default: every image of the pool that has a mask.
   */
  labels?: string;
  /**
   * A list of the unlabelled images (default: the rest of the pool). Their masks may be absent, and are not opened
   * where they are there.
   */
  unlabelled?: string;
  /**
   * Lists (defaults: `val` and `test` where there are such lists); or a number or part of the images with masks, which
   * then leave the pool.
   */
  val?: string;
  test?: string;
  /**
   * Number of classes (default: from stats.json or a file of class names, else the largest id in the masks of labelled,
   * val and test images, plus one).
   */
  classes?: number;
  classNames?: readonly string[];
  /**
   * What the values of masks mean (default: decided by those that occur in labelled, val and test images, see
   * `decideMaskRule`): the value of each class in order ("0,255"); a map ("0:0,128:ignore,255:1", "0-127:0,128-255:1");
   * or "ids": class ids, 255 ignored.
   */
  maskValues?: string;
  /** How masks were read for the training of a network that is to be scored: masks of the same values are read so. */
  trainedValues?: string;
  /** Leave masks that cannot be read to whoever loads them (default: only for a network that is to be scored). */
  tolerant?: boolean;
  /** Height and width to which images and masks are resized as they are read. */
  size?: readonly [number, number];
  splitSeed?: number;
  /**
   * For labels by number or part: draw so that every class is present where possible (default true). The draw then
   * reads the masks of all candidates, once, before training; without it no mask of an image that ends up unlabelled is
   * ever opened.
   */
  labelsCover?: boolean;
  /** The classes of a network that is scored: used where the set declares none. Then no labelled images are needed. */
  scored?: readonly string[];
  /**
   * Let `load` open masks of unlabelled images, to judge pseudo-labels by them; where one is missing or cannot be used,
   * the labels are null.
   */
  judge?: boolean;
  builtin?: SyntheticOptions;
}

/** A data set with what was decided while opening it, to be printed. */
export interface OpenDataset extends Dataset {
  readonly notes: readonly string[];
  /** The setting `maskValues` that was given or found; undefined where the values of masks are simply class ids. */
  readonly maskValues?: string;
  /**
   * Images whose header cannot be read: `load` fails for them. Damage behind the header shows when the image is loaded.
   */
  readonly unreadable: readonly DataError[];
  /** The files of images and masks, used or not: results must not be written over them. */
  files(): string[];
}

/**
 * Opens a data set.
 * @throws UsageError for settings that make no sense, DataError for files, folders and lists that cannot be used
 * @example
 * const data = await openDataset({ path: 'camvid', labels: '1/8' });
 * const sample = await data.load(data.ids('labelled')[0], { labels: true });
 * await data.close();
 */
export async function openDataset(spec: DatasetSpec, options: PoolOptions = {}): Promise<OpenDataset> {
  checkSpec(spec);
  const pool = new DecodePool(options);
  try {
    return isBuiltin(spec)
      ? openBuiltin(spec, pool)
      : await openFiles(spec, pool, options.warn ?? ((message) => console.error(message)));
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** Is the built-in set meant? */
export function isBuiltin(spec: DatasetSpec): boolean {
  return spec.images === undefined && (spec.path === undefined || spec.path === 'builtin');
}

/** The same data set, called in a way that holds in any folder: paths of folders and lists become absolute. */
export function absoluteSpec(spec: DatasetSpec): DatasetSpec {
  const out: DatasetSpec = { ...spec };
  if (isBuiltin(spec)) return { ...out, path: 'builtin' };
  for (const key of ['path', 'images', 'masks'] as const) {
    if (out[key] !== undefined) out[key] = resolve(findPath(out[key]) ?? out[key]);
  }
  for (const key of ['train', 'labels', 'unlabelled', 'val', 'test'] as const)
    if (out[key] !== undefined && !isAmount(out[key])) out[key] = absoluteList(spec.path, out[key]);
  if (out.maskValues !== undefined) out.maskValues = canonicalMaskValues(out.maskValues);
  return out;
}

/** The settings with which a data set was opened, with how its masks are read: to open it again in the same way. */
export function settledSpec(spec: DatasetSpec, { maskValues }: Pick<OpenDataset, 'maskValues'>): DatasetSpec {
  return maskValues === undefined ? spec : { ...spec, maskValues };
}

/** Settings that the built-in set does not take, and why. */
const FOREIGN = [
  ['train', 'has its own lists'],
  ['unlabelled', 'has its own lists'],
  ['classes', 'has its own classes'],
  ['classNames', 'has its own classes'],
  ['maskValues', 'has its own masks'],
  ['orientation', 'is drawn: it has no image files'],
  ['bits', 'is drawn: it has no image files'],
] as const;

/** @throws UsageError */
export function checkSpec(spec: DatasetSpec): void {
  if (spec.path !== undefined && (spec.images !== undefined || spec.masks !== undefined))
    throw new UsageError(
      `both the data set ${spec.path} and plain folders are given`,
      'give a folder in VOC layout, or `images` and `masks`',
    );
  if (spec.masks !== undefined && spec.images === undefined) throw new UsageError('`masks` is given without `images`');
  for (const classes of [spec.classes, spec.classNames?.length]) if (classes !== undefined) checkClassCount(classes);
  const twice = spec.classNames?.find((name, i, all) => all.indexOf(name) !== i);
  if (twice !== undefined)
    throw new UsageError(`two classes are named "${twice}"`, 'give each a different name (`classNames`)');
  if (spec.classes !== undefined && spec.classNames && spec.classNames.length > spec.classes)
    throw new UsageError(
      `${spec.classNames.length} names for ${spec.classes} classes`,
      'give as many (`classNames`, `classes`)',
    );
  if (spec.maskValues !== undefined) parseMaskValues(spec.maskValues);
  if (isBuiltin(spec)) {
    const foreign = FOREIGN.find(([key]) => spec[key] !== undefined);
    if (foreign) {
      const [key, why] = foreign;
      throw new UsageError(`the built-in set ${why}`, `leave out \`${key}\`, or give a folder of images`);
    }
    if (spec.builtin?.train !== undefined && spec.builtin.train < 1)
      throw new UsageError(
        `${spec.builtin.train} training images of the built-in set`,
        'give at least one (`builtin.train`)',
      );
  } else if (spec.builtin)
    throw new UsageError(
      `settings of the built-in set are given with ${spec.path ?? spec.images}`,
      'leave out `builtin.train`',
    );
  checkPictures(spec);
  if (spec.size && spec.size.some((v) => !Number.isInteger(v) || v < 1 || v > MOST_SIDE))
    throw new UsageError(
      `a size of ${spec.size.join('x')}`,
      'give height and width in pixels, such as 180x240 (`size`)',
    );
}

/** @throws UsageError */
export function checkPictures({ orientation, bits }: PictureSpec): void {
  if (orientation !== undefined && !['auto', 'apply', 'ignore'].includes(orientation)) {
    throw new UsageError(`orientation is "${orientation}"`, 'choose one of auto, apply, ignore (`orientation`)');
  }
  if (bits !== undefined && !(Number.isInteger(bits) && bits >= LEAST_BITS && bits <= MOST_BITS)) {
    throw new UsageError(`${bits} bits per channel`, `give ${LEAST_BITS} to ${MOST_BITS} (\`bits\`)`);
  }
}

/** @throws UsageError */
export function checkClassCount(classes: number): void {
  if (!(Number.isInteger(classes) && classes >= 2 && classes <= 255))
    throw new UsageError(`${classes} classes`, 'give 2 to 255 (`classes`)');
}

function openBuiltin(spec: DatasetSpec, pool: DecodePool): OpenDataset {
  const o: SyntheticOptions = { ...spec.builtin };
  if (spec.size) [o.height, o.width] = spec.size;
  if (spec.splitSeed !== undefined) o.splitSeed = spec.splitSeed;
  const whole = o.train ?? createSynthetic().ids('train').length;
  if (spec.labels !== undefined) {
    const n = amountOf(spec.labels, whole, 'labels');
    if (n === null)
      throw new UsageError(
        `the built-in set has no list "${spec.labels}"`,
        'give a number of labelled images or a part such as 1/8 (`labels`)',
      );
    o.labelled = n;
  }
  for (const split of ['val', 'test'] as const) {
    if (spec[split] === undefined) continue;
    const n = amountOf(spec[split], whole, split);
    if (n === null)
      throw new UsageError(`the built-in set has no list "${spec[split]}"`, `give a number of images (\`${split}\`)`);
    o[split] = n;
  }
  const set = createSynthetic(o);
  return {
    ...set,
    notes: [],
    unreadable: [],
    files: () => [],
    async load(id, { labels }): Promise<Sample> {
      const scene = sceneOf(id, o);
      const { width, height, texels } = await pool.run({ kind: 'scene', ...scene, labels });
      return texelSample(id, width, height, texels, labels);
    },
    close: () => pool.close(),
  };
}

async function openFiles(spec: DatasetSpec, pool: DecodePool, warn: (message: string) => void): Promise<OpenDataset> {
  const fail = (error: DataError): never => {
    throw error;
  };
  const layout = findFiles(spec, fail);
  const reader = new MaskReader(pool, layout);
  const { ids, notes } = await resolveSplits(layout, spec, fail, (id) => reader.shown(id, spec.maskValues));
  const declared = spec.classes ?? spec.classNames?.length ?? layout.numClasses ?? spec.scored?.length;
  if (declared !== undefined) checkClassCount(declared);
  const rule = await readMaskRule(reader, ids, spec, declared);
  if ('error' in rule) throw rule.error;
  const { numClasses } = rule;
  const values = rule.map?.table ?? null;
  notes.push(...rule.notes);
  const names = spec.classNames ?? layout.classNames ?? spec.scored ?? [];
  const withLabels = new Set([...ids.labelled, ...ids.val, ...ids.test]);
  const pictures = await surveySet(layout, ids, spec, pool);
  notes.push(...pictures.notes);
  const bits = pictures.rule.bits ?? MOST_BITS;
  let toldOfClipping = false;
  const size = spec.size ?? null;
  const fileOf = (id: string): string =>
    layout.images.get(id) ?? fail(new DataError(`there is no image "${id}" in ${layout.imageFolder}`));
  const read = async (id: string, mask: string | null): Promise<Sample> => {
    const image = fileOf(id);
    const reading = { size, bits, upright: pictures.isUpright(image) };
    const job = { kind: 'file', image, mask, numClasses, values, ...reading } as const;
    const { width, height, texels, clipped = 0 } = await pool.run(job);
    if (clipped > 0 && !toldOfClipping) {
      toldOfClipping = true;
      warn(`${clippedLine(image, clipped, bits)}; further images are not reported`);
    }
    return texelSample(id, width, height, texels, mask !== null);
  };
  /** Masks for judging that cannot be used: the truth of their images is unknown. */
  const useless = new Set<string>();

  return {
    name: layout.name,
    notes,
    maskValues: rule.setting,
    unreadable: pictures.bad,
    files: () => [...layout.images.values(), ...layout.masks.values()],
    pictures: pictures.rule,
    numClasses,
    classNames: Array.from({ length: numClasses }, (_, i) => names[i] ?? `class ${i}`),
    palette: vocPalette(),
    ids: (split) => [...ids[split]],
    async load(id, { labels }): Promise<Sample> {
      if (!labels) return read(id, null);
      const mask = layout.masks.get(id);
      if (withLabels.has(id))
        return read(id, mask ?? fail(new DataError(`"${id}" has no mask in ${layout.maskFolder}`)));
      if (!spec.judge)
        throw new DataError(
          `the labels of the unlabelled image "${id}" were asked for`,
          'masks of unlabelled images are not opened',
        );
      if (mask === undefined || useless.has(id)) return read(id, null);
      try {
        return await read(id, mask);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        const sample = await read(id, null); // fails where the image is to blame
        useless.add(id);
        warn(`nothing is judged by the mask of the unlabelled image "${id}": ${errorText(error)}`);
        return sample;
      }
    },
    async maxSize(wanted = ids.train): Promise<[number, number]> {
      if (size) return [size[0], size[1]];
      const found: [number, number] = [0, 0];
      // In portions: a file each is open at once.
      for (let i = 0; i < wanted.length; i += 32) {
        const portion = wanted.slice(i, i + 32).map(async (id) => {
          const file = fileOf(id);
          return sizeOf(pictures.headers.get(file) ?? (await imageHeader(file)), pictures.isUpright(file));
        });
        for (const [h, w] of await Promise.all(portion)) {
          found[0] = Math.max(found[0], h);
          found[1] = Math.max(found[1], w);
        }
      }
      return found;
    },
    close: () => pool.close(),
  };
}
