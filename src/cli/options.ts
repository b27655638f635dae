// The options that several commands share: where the data is, and how values are read.

import { InvalidArgumentError, Option, type Command } from 'commander';
import { MOST_SIDE, type DatasetSpec } from '../data/open.node.ts';
import { LEAST_BITS, MOST_BITS } from '../data/pictureRule.ts';

/** "96x128" -> [96, 128]; "96" -> [96, 96]. */
export function parseSize(text: string): [number, number] {
  const m = /^(\d+)(?:x(\d+))?$/.exec(text.trim());
  if (!m) throw new InvalidArgumentError('give HEIGHTxWIDTH in pixels, as in 96x128');
  return [Number(m[1]), Number(m[2] ?? m[1])];
}

/** The same, or "own", null: images as they are. */
export function parseSeenSize(text: string): [number, number] | null {
  if (text.trim() === 'own') return null;
  const size = parseSize(text);
  if (size.some((v) => v < 1 || v > MOST_SIDE))
    throw new InvalidArgumentError(`give height and width from 1 to ${MOST_SIDE} pixels, or "own"`);
  return size;
}

/** "512", "512M", "4G": mebibytes when no unit is given. */
export function parseBytes(text: string): number {
  const m = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?$/i.exec(text.trim());
  if (!m) throw new InvalidArgumentError('give a size such as 512M or 4G');
  return Math.round(Number(m[1]) * 1024 ** ' kmgt'.indexOf((m[2] || 'm').toLowerCase()));
}

export const whole = (text: string): number => {
  if (!/^\d+$/.test(text.trim())) throw new InvalidArgumentError('give a whole number');
  return Number(text);
};

export const number = (text: string): number => {
  if (text.trim() === '' || !Number.isFinite(Number(text))) throw new InvalidArgumentError('give a number');
  return Number(text);
};

/** At least one. */
const count = (text: string): number => {
  const n = whole(text);
  if (n < 1) throw new InvalidArgumentError('give at least 1');
  return n;
};

export const numbers = { whole, count, number };

const MASK_VALUES_HELP =
  'what the values of masks mean (default: detected, and printed): the value of each class in ' +
  'order, as in 0,255; a map, as in 0:0,128:ignore,255:1 or 0-127:0,128-255:1; or "ids": class ids, 255 ignored';

/** Bits a channel that 16-bit images may use. */
function bits(text: string): number {
  const n = whole(text);
  if (n < LEAST_BITS || n > MOST_BITS) throw new InvalidArgumentError(`give ${LEAST_BITS} to ${MOST_BITS}`);
  return n;
}

/** Options that say how images are read. @param usual what is done without them */
export function addPictureOptions(command: Command, usual: { orientation: string; bits: string }): Command {
  const about = `EXIF orientation of images: apply, ignore, or auto (${usual.orientation})`;
  return command
    .addOption(new Option('--orientation <how>', about).choices(['auto', 'apply', 'ignore']))
    .option('--bits <n>', `bits used by 16-bit images, 8 to 16; 2^n - 1 is white (default: ${usual.bits})`, bits);
}

export interface PictureFlags {
  orientation?: 'auto' | 'apply' | 'ignore';
  bits?: number;
}

/** Options of every command that reads a data set. @param size how `--size` is read */
export function addDataOptions(command: Command, size: (text: string) => [number, number] | null = parseSize): Command {
  const training = size === parseSize;
  const usual = {
    orientation: `default: whichever fits the masks; where they cannot tell, ${training ? 'apply' : 'as in the training'}`,
    bits: training ? 'as the training images show' : 'as in the training',
  };
  command
    .argument(
      '[data]',
      'a folder in VOC layout, or "builtin" for the built-in procedural set (default: ' +
        `${size === parseSize ? 'builtin' : 'that of the run'})`,
    )
    .option('--images <dir>', 'plain folder of images (instead of DATA)')
    .option('--masks <dir>', 'plain folder of masks, paired with the images by name')
    .option('--labels <which>', 'labelled images: a fraction (1/8), a number (46), or a list')
    .option('--unlabelled <list>', 'list of unlabelled images (default: the rest of the training pool)')
    .option(
      '--val <which>',
      'validation images, for choosing: a list (default: val), or a number or fraction of the images with masks',
    )
    .option(
      '--test <which>',
      'test images, for reporting: a list (default: test), or a number or fraction of the images with masks',
    )
    .option('--classes <n>', 'number of classes (default: as found)', whole)
    .option('--class-names <names>', 'names of the classes, separated by commas')
    .option('--mask-values <map>', MASK_VALUES_HELP)
    .option(
      '--size <HxW>',
      `resize images and masks as they are read${size === parseSize ? '' : ' (default: as in the training); "own": no resizing'}`,
      size,
    )
    .option('--split-seed <n>', 'seed of the labelled/unlabelled draw', whole)
    .option('--no-labels-cover', 'draw labelled images without covering every class; no other masks are read')
    .option('--builtin-images <n>', 'training images of the built-in set', count);
  return addPictureOptions(command, usual);
}

export interface DataFlags extends PictureFlags {
  images?: string;
  masks?: string;
  labels?: string;
  unlabelled?: string;
  val?: string;
  test?: string;
  classes?: number;
  classNames?: string;
  maskValues?: string;
  size?: [number, number] | null;
  splitSeed?: number;
  builtinImages?: number;
  judge?: boolean;
  labelsCover?: boolean;
}

/** The data set that the flags describe. @param path undefined where none is given */
export function dataSpec(path: string | undefined, f: DataFlags): DatasetSpec {
  const { images, masks, labels, unlabelled, val, test, classes, maskValues, splitSeed, judge, labelsCover } = f;
  const size = f.size ?? undefined;
  const spec: DatasetSpec = {
    path,
    images,
    masks,
    labels,
    unlabelled,
    val,
    test,
    classes,
    maskValues,
    size,
    splitSeed,
    judge,
    labelsCover,
  };
  if (f.orientation !== undefined) spec.orientation = f.orientation;
  if (f.bits !== undefined) spec.bits = f.bits;
  if (f.classNames) spec.classNames = f.classNames.split(',').map((s) => s.trim());
  if (f.builtinImages !== undefined) spec.builtin = { train: f.builtinImages };
  return spec;
}
