// The options that several commands share: where the data is, how to train.

import { existsSync, readFileSync } from 'node:fs';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { UsageError } from '../../runtime/errors.ts';
import { MOST_SIDE, type DatasetSpec } from '../data/open.node.ts';
import { LEAST_BITS, MOST_BITS } from '../data/pictureRule.ts';
import { decodeText } from '../data/text.ts';
import { networkNames, networkOf, networks, USUAL_NETWORK } from '../nn/networks.ts';
import { checkOptions, schemeNames, schemeOf, schemes } from '../schemes/index.ts';
import { DEFAULTS, resolveConfig, type PartialConfig, type RunConfig } from '../train/config.ts';
import { flagsOf, type FlagOf } from '../train/settings.ts';

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

const whole = (text: string): number => {
  if (!/^\d+$/.test(text.trim())) throw new InvalidArgumentError('give a whole number');
  return Number(text);
};
const number = (text: string): number => {
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

function batch(text: string): { labelled: number; unlabelled: number } {
  const m = /^(\d+)(?:\+(\d+))?$/.exec(text.trim());
  if (!m) throw new InvalidArgumentError('give the images of a batch, as in 8, or 8+16 for labelled + unlabelled');
  return { labelled: Number(m[1]), unlabelled: Number(m[2] ?? m[1]) };
}

function range(text: string): [number, number] {
  const parts = text.split(/[,:-]/).map(Number);
  if (parts.length !== 2 || parts.some((v) => !Number.isFinite(v) || v <= 0) || parts[0] > parts[1])
    throw new InvalidArgumentError('give the smallest and the largest factor, as in 0.5,2');
  return [parts[0], parts[1]];
}

/** "median", or a number for each class. */
function weights(text: string): 'median' | number[] {
  if (text === 'median') return text;
  const list = text.split(',').map(Number);
  if (list.some((v) => !(v > 0 && Number.isFinite(v))))
    throw new InvalidArgumentError('give "median", or a positive number for each class, as in 0.5,1,4');
  return list;
}

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

/** How the text of a flag is read, where its setting says so. */
const READERS: Readonly<Record<NonNullable<FlagOf['reads']>, (text: string) => unknown>> = {
  size: parseSize,
  bytes: parseBytes,
  batch,
  range,
  weights,
};

/** "outputStride" -> "output-stride". */
const dashed = (name: string): string => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

/** The option of the command line for a setting. */
function flagOption({ name = '', value, reads, negated, kind, usual, about }: FlagOf): Option {
  const { input } = kind;
  // A default that says nothing, and one that the command line cannot give, are left out.
  const shown =
    usual === null || typeof usual === 'object' || typeof usual === 'boolean' ? '' : ` (default: ${String(usual)})`;
  const made = new Option(`--${negated ? 'no-' : ''}${dashed(name)}${value ? ` <${value}>` : ''}`, about + shown);
  if (reads) return made.argParser(READERS[reads]);
  if (input?.type === 'choice') {
    if (input.values.every((v) => typeof v === 'string')) return made.choices(input.values as string[]);
    return made.argParser(whole);
  }
  return input?.type === 'number' ? made.argParser(input.whole ? whole : number) : made;
}

/** The flags of the networks' options: one for each name, whatever networks have it. */
function networkFlags(): FlagOf[] {
  const found = new Map<string, FlagOf>();
  for (const { title, options, flags, required } of networks())
    for (const name of flags) {
      const { kind, usual, about } = options[name];
      const { input, words } = kind;
      const named = input?.type === 'choice' && typeof input.values[0] === 'string';
      // The values of a choice of names are listed by the help itself.
      const values = words && !named ? `: ${words}` : '';
      const after = required.includes(name) ? ', required' : ` (${String(usual)})`;
      const text = `${title}: ${about}${values}${after}`;
      const known = found.get(name);
      const flag = known ?? { name, path: ['network', name], kind, usual: null, value: named ? 'kind' : 'n' };
      found.set(name, { ...flag, about: known ? `${known.about}; ${text}` : text });
    }
  return [...found.values()];
}

const allFlags = (): FlagOf[] => [...networkFlags(), ...flagsOf()];

/** Options that say what a training step computes. */
export function addNetworkOptions(command: Command): Command {
  command
    .option('--config <file>', 'settings as JSON; flags override them')
    .addOption(new Option('--network <name>', `architecture (default: ${USUAL_NETWORK.name})`).choices(networkNames()));
  for (const flag of [...networkFlags(), ...flagsOf().filter((f) => f.recorded)]) command.addOption(flagOption(flag));
  return command;
}

/** Options of every command that trains. */
export function addTrainOptions(command: Command): Command {
  addNetworkOptions(command);
  for (const flag of flagsOf().filter((f) => !f.recorded)) command.addOption(flagOption(flag));
  return command
    .addOption(
      new Option(
        '--preset <name>',
        "options of the schemes: small (measured from scratch on few images; default without --pretrained), or the papers'",
      ).choices(['small', 'paper']),
    )
    .option('--cache <size>', 'limit of memory for decoded images (512M)', parseBytes)
    .option(
      '--set <key=value>',
      'an option of the scheme, as in tau=0.9 or fixmatch.tau=0.9; can be repeated',
      (item: string, before: string[] = []) => [...before, item],
    )
    .option(
      '--judge',
      'measure pseudo-labels by the masks of unlabelled images, if there are any (never used for training)',
    )
    .option('--save-every <minutes>', 'minutes between checkpoints', number, 5);
}

/** What the flags of training give; those of settings are read by {@link trainConfig}. */
export interface TrainFlags {
  config?: string;
  network?: string;
  memory?: number;
  cache?: number;
  seed?: number;
  set?: string[];
  saveEvery: number;
  preset?: Preset;
}

/** Options that a scheme begins with: what was measured to work from scratch on few images, or the published ones. */
export type Preset = 'small' | 'paper';

/** The options of the schemes, for the help text. */
export function schemeHelp(): string {
  const lines = schemes().flatMap(({ name, help }) =>
    Object.entries(help).map(([key, about], i) => `  ${(i ? '' : name).padEnd(14)} ${key.padEnd(16)} ${about}`),
  );
  return `\nOptions of the schemes (--set, with their defaults):\n${lines.join('\n')}\n`;
}

/**
 * Scheme options from `--set key=value`: values are JSON where they can be read as such, else text. `scheme.key` speaks
 * to one scheme only.
 */
export function parseSettings(items: readonly string[], scheme: string): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const item of items) {
    const at = item.indexOf('=');
    if (at < 1) throw new UsageError(`--set ${item}`, 'give KEY=VALUE, as in tau=0.9');
    let keys = item.slice(0, at).split('.');
    if (schemeNames().includes(keys[0])) {
      if (keys[0] !== scheme) continue;
      keys = keys.slice(1);
    }
    let value: unknown = item.slice(at + 1);
    try {
      value = JSON.parse(value as string);
    } catch {
      // plain text
    }
    let into = out;
    for (const key of keys.slice(0, -1)) into = (into[key] ??= {}) as Record<string, unknown>;
    into[keys.at(-1)!] = value;
  }
  return out;
}

/** The settings of `--config`; none without it. @throws UsageError */
export function fileConfig({ config: file }: TrainFlags): PartialConfig {
  if (file === undefined) return {};
  try {
    const text = decodeText(readFileSync(file));
    if (text === null) throw new Error('it is not a text file');
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
      throw new Error('it contains no settings');
    return parsed;
  } catch (error) {
    throw new UsageError(
      `--config ${file}: ${(error as Error).message}`,
      'give a JSON file of settings, such as the config.json beside a run',
    );
  }
}

/**
 * The settings of a run of `scheme`: defaults (crops no larger than images that are resized), then the parts, then the
 * flags. Options of the scheme that neither names are those of the preset.
 */
export function trainConfig(
  f: TrainFlags & Pick<DataFlags, 'size'>,
  scheme: string,
  ...parts: readonly PartialConfig[]
): RunConfig {
  const flags: PartialConfig = { options: parseSettings(f.set ?? [], scheme) };
  const put = (path: readonly string[], value: unknown): void => {
    let into = flags as Record<string, unknown>;
    for (const key of path.slice(0, -1)) into = (into[key] ??= {}) as Record<string, unknown>;
    into[path.at(-1)!] = value;
  };
  if (f.network !== undefined) put(['network', 'kind'], f.network);
  if (f.seed !== undefined) put(['seed'], f.seed);
  const values = new Map<string, unknown>(Object.entries(f));
  for (const { name = '', path, negated } of allFlags()) {
    const value = values.get(name);
    // A flag that says no is true where it is not given.
    if (value !== undefined && !(negated && value === true)) put(path, value);
  }
  const smaller = f.size && {
    crop: DEFAULTS.crop.map((side, i) => Math.min(side, Math.max(8, f.size![i]))) as [number, number],
  };
  const config = resolveConfig(smaller ?? {}, ...parts, flags, { scheme });
  const { kind, ...options } = config.network;
  networkOf(kind).checkCrop(options, config.crop);
  if (config.pretrained && !existsSync(config.pretrained))
    throw new UsageError(`there is no ${config.pretrained}`, 'give a safetensors file of weights (--pretrained)');
  const preset = f.preset ?? usualPreset(config, parts);
  const withPreset =
    preset === 'small' ? { ...config, options: { ...schemeOf(scheme).small, ...config.options } } : config;
  checkOptions(scheme, withPreset.options);
  return withPreset;
}

/** The preset where none is named: that of the papers with pretrained weights, and where settings come from a run. */
const usualPreset = ({ pretrained }: RunConfig, parts: readonly PartialConfig[]): Preset =>
  pretrained || parts.some((part) => part.options) ? 'paper' : 'small';

/** Says what the preset does to a scheme's options; null where it does nothing, or was asked for. */
export function presetLine(f: TrainFlags, { scheme, options }: RunConfig): string | null {
  const { small } = schemeOf(scheme);
  const taken = Object.keys(small).filter((key) => options[key] === small[key]);
  if (f.preset || taken.length === 0) return null;
  const list = taken.map((key) => `${key}=${JSON.stringify(small[key])}`).join(', ');
  return `${scheme}: from scratch, so with ${list}; --preset paper takes the published options`;
}
