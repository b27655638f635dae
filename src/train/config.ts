// The settings of a training run: plain JSON, checked, with every default said here. Written beside the run and into
// its checkpoints.

import { UsageError } from '../../runtime/errors.ts';
import { schedule, SCHEDULES, warmUp } from '../../runtime/optim/schedules.ts';
import {
  checkFields,
  choice,
  fields,
  flag,
  inWords,
  isObject,
  nullable,
  number,
  numbers,
  object,
  refuse,
  text,
  type Kind,
} from '../options.ts';
import { WEAK_FIELDS, type WeakOptions } from '../augment/weak.ts';
import { NETWORKS, type NetworkConfig } from '../nn/create.ts';
import type { DeepLabOptions } from '../nn/deeplab.ts';
import type { UNetOptions } from '../nn/unet.ts';

export interface OptimizerConfig {
  kind: 'sgd' | 'adamw';
  /** Learning rate at the start (after warm-up). */
  lr: number;
  momentum: number;
  nesterov: boolean;
  weightDecay: number;
  /** Decay biases and the parameters of normalisation as well? */
  decayVectors: boolean;
  /** A factor for the learning rate of the head (the papers that start from pretrained encoders use 10). */
  headLr: number;
  /** Clip the gradients of each network to this norm; null does not. */
  clip: number | null;
}

export interface RunConfig {
  scheme: string;
  /** The scheme's own options; see its documentation. */
  options: Record<string, unknown>;
  network: NetworkConfig;
  steps: number;
  /** Images of a labelled and of an unlabelled batch. */
  batch: { labelled: number; unlabelled: number };
  /** Height and width of the training crops. */
  crop: readonly [number, number];
  /** Weak views: scale, flip, padding. */
  weak: Omit<WeakOptions, 'crop'>;
  optimizer: OptimizerConfig;
  /** Of the learning rate: poly, cosine, cosine-fixmatch, constant. */
  schedule: string;
  /** Steps over which the learning rate rises from 0. */
  warmup: number;
  seed: number;
  /** Steps between evaluations on the validation images. */
  evalEvery: number;
  /** Images that the evaluation takes at once. */
  evalBatch: number;
  /**
   * What a training step computes in: f32 ('full'), or f16 in convolutions and products, with f32 weights and a dynamic
   * loss scale ('mixed'). Evaluation is f32 either way.
   */
  precision: 'full' | 'mixed';
  /** Most bytes of GPU memory; null leaves the device's own budget. */
  memory: number | null;
  /**
   * A file of weights to begin with, torchvision's for the encoder or this program's for all but the last layer; null
   * starts from scratch.
   */
  pretrained: string | null;
  /** Take pretrained weights that have only a part of the encoder (default false: they are refused). */
  pretrainedPartial: boolean;
}

/** What a run takes where nothing is said. */
export const DEFAULTS: RunConfig = {
  scheme: 'fixmatch',
  options: {},
  network: { kind: 'unet', width: 16, depth: 4 },
  steps: 3000,
  batch: { labelled: 8, unlabelled: 8 },
  crop: [96, 128],
  weak: { range: [0.75, 1.5], flip: 0.5, cover: true },
  optimizer: {
    kind: 'sgd',
    lr: 0.02,
    momentum: 0.9,
    nesterov: false,
    weightDecay: 1e-4,
    decayVectors: true,
    headLr: 1,
    clip: null,
  },
  schedule: 'poly',
  warmup: 0,
  seed: 0,
  evalEvery: 500,
  evalBatch: 8,
  precision: 'full',
  memory: null,
  pretrained: null,
  pretrainedPartial: false,
};

/** A part of a configuration: what a file or the command line says. */
export type PartialConfig = {
  [K in keyof RunConfig]?: RunConfig[K] extends readonly unknown[] | null
    ? RunConfig[K]
    : RunConfig[K] extends object
      ? Partial<RunConfig[K]>
      : RunConfig[K];
};

/** Sizes of layers: channels, dilations. */
const size = number({ whole: true, from: 1 });

/** What the options of each architecture may be; images have three channels. */
const NETWORK_FIELDS: {
  unet: Readonly<Record<Exclude<keyof UNetOptions, Fixed>, Kind>>;
  deeplabv3plus: Readonly<Record<Exclude<keyof DeepLabOptions, Fixed>, Kind>>;
} = {
  unet: {
    width: size,
    depth: number({ whole: true, from: 1, to: 8 }),
    widths: numbers({ whole: true, from: 1 }),
    up: choice('bilinear', 'transpose'),
  },
  deeplabv3plus: {
    depth: choice(18, 34, 50, 101),
    stem: choice('plain', 'deep'),
    stemWidth: size,
    outputStride: choice(8, 16),
    widths: numbers({ whole: true, from: 1 }, 4),
    dilateFirst: flag,
    multiGrid: numbers({ whole: true, from: 1 }),
    rates: numbers({ whole: true, from: 1 }),
    asppChannels: size,
    lowChannels: size,
    decoderChannels: size,
    alignCorners: flag,
    act: choice('relu', 'leaky'),
    norm: fields({ momentum: number({ from: 0, to: 1 }), eps: number({ above: 0 }) }),
  },
};
type Fixed = 'numClasses' | 'seed' | 'channels';

const network: Kind = {
  fits: 'an object of kind and the options of the architecture',
  check(value, name) {
    if (!isObject(value)) refuse(value, name, this.fits);
    const { kind, ...options } = value;
    if (!NETWORKS.includes(kind as NetworkConfig['kind']))
      throw new UsageError(`there is no network "${String(kind)}"`, `choose one of ${NETWORKS.join(', ')}`);
    checkFields(NETWORK_FIELDS[kind as NetworkConfig['kind']], options, `the network ${String(kind)}`, `${name}.`);
    if (kind === 'deeplabv3plus' && options.depth === undefined)
      throw new UsageError(
        'the network deeplabv3plus has no depth',
        `give ${NETWORK_FIELDS.deeplabv3plus.depth.fits} (\`depth\`)`,
      );
  },
};

/** What the settings may be. */
const RUN_FIELDS: Readonly<Record<keyof RunConfig, Kind>> = {
  scheme: text,
  options: object,
  network,
  steps: inWords('at least one step (`steps`)', number({ whole: true, from: 1 })),
  batch: fields({ labelled: number({ whole: true, from: 1 }), unlabelled: number({ whole: true, from: 1 }) }),
  crop: inWords('height and width of at least 8 pixels (`crop 96x128`)', numbers({ whole: true, from: 8 }, 2)),
  weak: fields(WEAK_FIELDS),
  optimizer: fields({
    kind: choice('sgd', 'adamw'),
    lr: number({ above: 0 }),
    momentum: number({ from: 0, below: 1 }),
    nesterov: flag,
    weightDecay: number({ from: 0 }),
    decayVectors: flag,
    headLr: number({ above: 0 }),
    clip: nullable(number({ above: 0 })),
  } satisfies Record<keyof OptimizerConfig, Kind>),
  schedule: choice(...Object.keys(SCHEDULES)),
  warmup: number({ whole: true, from: 0 }),
  seed: number({ whole: true, from: 0 }),
  evalEvery: number({ whole: true, from: 1 }),
  evalBatch: number({ whole: true, from: 1 }),
  precision: choice('full', 'mixed'),
  memory: nullable(number({ above: 0 })),
  pretrained: nullable(text),
  pretrainedPartial: flag,
};

/** The later of two values; objects are joined key by key. */
function join(base: unknown, over: unknown): unknown {
  if (over === undefined) return base;
  if (!isObject(base) || !isObject(over)) return over;
  const out: Record<string, unknown> = { ...base };
  for (const [k, v] of Object.entries(over)) out[k] = join(base[k], v);
  return out;
}

/**
 * Joins parts over the defaults, the last one strongest, and checks the whole.
 * @throws UsageError naming the setting
 */
export function resolveConfig(...parts: readonly PartialConfig[]): RunConfig {
  for (const part of parts) {
    if (!isObject(part))
      refuse(part, 'the whole of the settings', 'a JSON object, such as the config.json beside a run');
    const unknown = Object.keys(part).find((k) => !Object.hasOwn(DEFAULTS, k));
    if (unknown)
      throw new UsageError(`there is no setting "${unknown}"`, `the settings are ${Object.keys(DEFAULTS).join(', ')}`);
  }
  const kind = parts
    .map((p) => p.network?.kind)
    .filter(Boolean)
    .at(-1);
  // The other architecture's widths and depths mean nothing for this one.
  const base: RunConfig =
    kind && kind !== DEFAULTS.network.kind ? { ...DEFAULTS, network: { kind } as NetworkConfig } : DEFAULTS;
  const config = parts.reduce<unknown>(join, base) as RunConfig;
  checkFields(RUN_FIELDS, config, 'a run');
  return config;
}

/** Describes changes of learning rate, clipping, warm-up and precision between two configurations; empty if none. */
export function changedSettings(before: RunConfig, now: RunConfig): string {
  const of = ({ optimizer, warmup, precision = DEFAULTS.precision }: RunConfig): Record<string, unknown> => ({
    'learning rate': optimizer.lr,
    'gradient clipping': optimizer.clip ?? 'off',
    'warm-up': warmup,
    precision,
  });
  const was = of(before);
  return Object.entries(of(now))
    .filter(([name, v]) => v !== was[name])
    .map(([name, v]) => `${name} ${v} instead of ${was[name]}`)
    .join(', ');
}

/** The learning rate at a step of a stage. @param stageSteps the stage's steps */
export function learningRate(c: RunConfig): (at: { step: number; progress: number }) => number {
  const curve = schedule(c.schedule);
  return ({ step, progress }) => c.optimizer.lr * curve(progress) * warmUp(step, c.warmup);
}
