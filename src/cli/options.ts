// The options that several commands share: where the data is, how to train.

import { existsSync, readFileSync } from 'node:fs';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { UsageError } from '../../runtime/errors.ts';
import { given } from '../options.ts';
import { MOST_SIDE, type DatasetSpec } from '../data/open.node.ts';
import { LEAST_BITS, MOST_BITS } from '../data/pictureRule.ts';
import { decodeText } from '../data/text.ts';
import { NETWORKS } from '../nn/create.ts';
import { checkOptions, schemeNames, schemes } from '../schemes/index.ts';
import { DEFAULTS, resolveConfig, type PartialConfig, type RunConfig } from '../train/config.ts';
import { SCHEDULES } from '../../runtime/optim/schedules.ts';

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

/** Options that say what a training step computes. */
export function addNetworkOptions(command: Command): Command {
  return command
    .option('--config <file>', 'settings as JSON; flags override them')
    .addOption(new Option('--network <name>', 'architecture').choices(NETWORKS))
    .option('--width <n>', 'U-Net: channels of the first level', whole)
    .option('--depth <n>', 'U-Net: levels; DeepLabV3+ (required): 18, 34, 50 or 101', whole)
    .option('--output-stride <n>', 'DeepLabV3+: 8 or 16', whole)
    .addOption(new Option('--stem <kind>', 'DeepLabV3+: stem of the ResNet').choices(['plain', 'deep']))
    .option('--batch <n[+m]>', 'batch size: labelled + unlabelled images', batch)
    .option('--crop <HxW>', 'size of the training crops', parseSize)
    .addOption(
      new Option(
        '--precision <kind>',
        'of a training step: full (f32, default), or mixed (f16 with f32 weights and loss scaling)',
      ).choices(['full', 'mixed']),
    )
    .option('--memory <size>', 'limit of GPU memory (4G)', parseBytes);
}

/** Options of every command that trains. */
export function addTrainOptions(command: Command): Command {
  return addNetworkOptions(command)
    .option('--pretrained <file>', 'safetensors file of encoder weights with the names of torchvision or timm')
    .option('--pretrained-partial', 'accept weights with only a part of the encoder; the rest stays random')
    .option('--steps <n>', 'training steps', whole)
    .option('--scale <lo,hi>', 'range of the random scale of weak views', range)
    .addOption(new Option('--optimizer <name>', 'optimiser').choices(['sgd', 'adamw']))
    .option('--lr <x>', 'learning rate', number)
    .option('--head-lr <x>', "factor for the head's learning rate", number)
    .option('--momentum <x>', 'momentum of SGD', number)
    .option('--nesterov', "momentum of SGD in Nesterov's form")
    .option('--weight-decay <x>', 'weight decay', number)
    .option('--no-decay-vectors', 'no weight decay for biases and batch norm')
    .option('--clip <x>', 'clip gradients to this norm', number)
    .addOption(new Option('--schedule <name>', 'schedule of the learning rate').choices(Object.keys(SCHEDULES)))
    .option('--warmup <n>', 'steps over which the learning rate rises', whole)
    .option('--eval-every <n>', 'steps between evaluations', whole)
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

export interface TrainFlags {
  config?: string;
  network?: 'unet' | 'deeplabv3plus';
  width?: number;
  depth?: number;
  outputStride?: number;
  stem?: 'plain' | 'deep';
  pretrained?: string;
  pretrainedPartial?: boolean;
  steps?: number;
  batch?: { labelled: number; unlabelled: number };
  crop?: [number, number];
  scale?: [number, number];
  optimizer?: 'sgd' | 'adamw';
  lr?: number;
  headLr?: number;
  momentum?: number;
  nesterov?: boolean;
  weightDecay?: number;
  decayVectors?: boolean;
  clip?: number;
  schedule?: string;
  warmup?: number;
  evalEvery?: number;
  precision?: 'full' | 'mixed';
  memory?: number;
  cache?: number;
  seed?: number;
  set?: string[];
  saveEvery: number;
}

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

/** Sizes that no network can have. @throws UsageError */
function checkNetwork({ network, crop }: RunConfig): void {
  const among = (name: string, value: number | undefined, choice: readonly number[]): void => {
    if (value !== undefined && !choice.includes(value))
      throw new UsageError(`the network's ${name} is ${value}`, `choose one of ${choice.join(', ')}`);
  };
  if (network.kind === 'deeplabv3plus') {
    among('depth', network.depth, [18, 34, 50, 101]);
    among('output stride', network.outputStride, [8, 16]);
    return;
  }
  const { width = 1, depth = 1 } = network;
  if (!Number.isInteger(width) || width < 1)
    throw new UsageError(`the network's width is ${width}`, 'give the channels of the first level (--width 16)');
  // Each level has half the size of the one before.
  const most = 1 + Math.floor(Math.log2(Math.min(...crop)));
  if (!Number.isInteger(depth) || depth < 1 || depth > most)
    throw new UsageError(
      `the network's depth is ${depth}`,
      `a crop of ${crop.join('x')} takes 1 to ${most} levels (--depth)`,
    );
}

/**
 * The settings of a run of `scheme`: defaults (crops no larger than images that are resized), then the parts, then the
 * flags.
 */
export function trainConfig(
  f: TrainFlags & Pick<DataFlags, 'size'>,
  scheme: string,
  ...parts: readonly PartialConfig[]
): RunConfig {
  const network = given({
    kind: f.network,
    width: f.width,
    depth: f.depth,
    outputStride: f.outputStride,
    stem: f.stem,
  }) as PartialConfig['network'];
  const flags: PartialConfig = given({
    network: Object.keys(network!).length ? network : undefined,
    steps: f.steps,
    batch: f.batch,
    crop: f.crop,
    weak: f.scale && { range: f.scale },
    schedule: f.schedule,
    warmup: f.warmup,
    evalEvery: f.evalEvery,
    precision: f.precision,
    memory: f.memory,
    seed: f.seed,
    pretrained: f.pretrained,
    pretrainedPartial: f.pretrainedPartial,
    optimizer: given({
      kind: f.optimizer,
      lr: f.lr,
      headLr: f.headLr,
      momentum: f.momentum,
      nesterov: f.nesterov,
      weightDecay: f.weightDecay,
      decayVectors: f.decayVectors === false ? false : undefined,
      clip: f.clip,
    }),
    options: parseSettings(f.set ?? [], scheme),
  });
  const smaller = f.size && {
    crop: DEFAULTS.crop.map((side, i) => Math.min(side, Math.max(8, f.size![i]))) as [number, number],
  };
  const config = resolveConfig(smaller ?? {}, ...parts, flags, { scheme });
  checkNetwork(config);
  if (config.pretrained && !existsSync(config.pretrained))
    throw new UsageError(`there is no ${config.pretrained}`, 'give a safetensors file of weights (--pretrained)');
  checkOptions(scheme, config.options);
  return config;
}
