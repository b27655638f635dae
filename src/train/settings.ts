// The settings of a run, each declared once: what it may be, its default, what it does, and its flag. The check of a
// configuration, its defaults and type, the flags of the command line and their help come from here.

import { SCHEDULES } from '../../runtime/optim/schedules.ts';
import { WEAK_FIELDS, type WeakOptions } from '../augment/weak.ts';
import type { NetworkConfig } from '../nn/define.ts';
import { networkOf, USUAL_NETWORK } from '../nn/networks.ts';
import {
  choice,
  either,
  fields,
  fill,
  flag,
  inWords,
  isObject,
  kindsOf,
  nullable,
  number,
  numbers,
  object,
  option,
  refuse,
  text,
  type Given,
  type Kind,
  type Option,
  type Options,
  type Values,
} from '../options.ts';

/** How the command line asks for a setting. */
export interface Flag {
  /** Its name (default: the setting's). */
  name?: string;
  /** What stands for its value in the help. */
  value?: string;
  /** How its text is read (default: as the setting's kind says). */
  reads?: 'size' | 'bytes' | 'batch' | 'range' | 'weights';
  /** The field of the setting that it gives (default: the whole of it). */
  field?: string;
  /** The flag says no: `--no-NAME`. */
  negated?: boolean;
  /** Its help, where that differs from the setting's. */
  about?: string;
  /** Also of commands that only record a step. */
  recorded?: boolean;
}

/** A setting, with its flag if it has one. */
export interface Setting<T = unknown, G = T> extends Option<T, G> {
  readonly flag?: Flag;
}

const setting = <T, G>(kind: Kind<T, G>, usual: NoInfer<G>, about: string, flag?: Flag): Setting<T, G> => ({
  ...option(kind, usual, about),
  flag,
});

/** Settings that belong together: an object of them, any of which may be left out. */
const group = <O extends Options>(of: O, about: string): Option<Values<O>, Given<O>> & { readonly of: O } => {
  const kind: Kind<Values<O>, Given<O>> = { ...(fields(kindsOf(of)) as Kind<never>), fill: (given) => fill(of, given) };
  return { ...option(kind, {} as Given<O>, about), of };
};

const whole = number({ whole: true, from: 1 });

const classWeights: Kind<'median' | readonly number[] | null> = inWords(
  '"median", or a list of one positive number for each class',
  nullable(either(choice('median'), numbers({ above: 0 }))),
);

const network: Kind<NetworkConfig> = {
  fits: 'an object of kind and the options of the architecture',
  check(value, name) {
    if (!isObject(value)) refuse(value, name, this.fits);
    const { kind, ...options } = value;
    networkOf(String(kind)).check(options, `${name}.`);
  },
};

/** The usual network, with the options that have flags. */
const usualNetwork = (): NetworkConfig => ({
  kind: USUAL_NETWORK.name,
  ...Object.fromEntries(USUAL_NETWORK.flags.map((key) => [key, USUAL_NETWORK.options[key].usual as unknown])),
});

const OPTIMIZER = {
  kind: setting(choice('sgd', 'adamw'), 'sgd', 'optimiser', { name: 'optimizer', value: 'name' }),
  /** Learning rate at the start (after warm-up). */
  lr: setting(number({ above: 0 }), 0.02, 'learning rate', { value: 'x' }),
  momentum: setting(number({ from: 0, below: 1 }), 0.9, 'momentum of SGD', { value: 'x' }),
  nesterov: setting(flag, false, "momentum of SGD in Nesterov's form", {}),
  weightDecay: setting(number({ from: 0 }), 1e-4, 'weight decay', { value: 'x' }),
  /** Decay biases and the parameters of normalisation as well? */
  decayVectors: setting(flag, true, 'weight decay for biases and batch norm too', {
    negated: true,
    about: 'no weight decay for biases and batch norm',
  }),
  /** A factor for the learning rate of the head (the papers that start from pretrained encoders use 10). */
  headLr: setting(number({ above: 0 }), 1, "factor for the head's learning rate", { value: 'x' }),
  /** Clip the gradients of each network to this norm; null does not. */
  clip: setting(nullable(number({ above: 0 })), null, 'clip gradients to this norm', { value: 'x' }),
};

/** All settings of a run. */
export const SETTINGS = {
  scheme: setting(text, 'fixmatch', 'how the unlabelled images are learned from'),
  /** The scheme's own options; see its documentation. */
  options: setting(object, {}, 'options of the scheme'),
  network: setting(network, usualNetwork(), 'the network and its options'),
  steps: setting(inWords('at least one step (`steps`)', whole), 3000, 'training steps', { value: 'n' }),
  /** Images of a labelled and of an unlabelled batch. */
  batch: {
    ...group(
      { labelled: setting(whole, 8, 'labelled images'), unlabelled: setting(whole, 8, 'unlabelled images') },
      'batch size: labelled + unlabelled images',
    ),
    flag: { value: 'n[+m]', reads: 'batch', recorded: true },
  },
  /** Height and width of the training crops. */
  crop: setting(
    inWords(
      'height and width of at least 8 pixels (`crop 96x128`)',
      numbers({ whole: true, from: 8 }, 2) as Kind<readonly [number, number]>,
    ),
    [96, 128],
    'size of the training crops',
    { value: 'HxW', reads: 'size', recorded: true },
  ),
  /** Weak views: scale, flip, padding. */
  weak: setting(
    fields<Omit<WeakOptions, 'crop'>>(WEAK_FIELDS),
    { range: [0.75, 1.5], flip: 0.5, cover: true },
    'scale, mirroring and padding of weak views',
    { name: 'scale', value: 'lo,hi', reads: 'range', field: 'range', about: 'range of the random scale of weak views' },
  ),
  optimizer: group(OPTIMIZER, 'the optimiser'),
  labelledLoss: setting(
    choice('ce', 'ohem', 'ce+dice'),
    'ce',
    'loss of labelled pixels: cross-entropy, of the hard pixels, or with Dice loss',
    { value: 'kind', recorded: true },
  ),
  /** Factors of the classes in the labelled cross-entropy; 'median': by their frequency in the labelled images. */
  classWeights: setting(
    classWeights,
    null,
    'of the labelled cross-entropy: "median" (by frequency), or a number for each class',
    { value: 'w', reads: 'weights' },
  ),
  /** A moving average of the weights is evaluated beside them; null: none. */
  ema: setting(
    nullable(number({ from: 0, below: 1 })),
    null,
    'decay of a moving average of the weights, evaluated beside them (0.99)',
    { value: 'x' },
  ),
  /** Of the learning rate: poly, cosine, cosine-fixmatch, constant. */
  schedule: setting(choice(...Object.keys(SCHEDULES)), 'poly', 'schedule of the learning rate', { value: 'name' }),
  /** Steps over which the learning rate rises from 0. */
  warmup: setting(number({ whole: true, from: 0 }), 0, 'steps over which the learning rate rises', { value: 'n' }),
  seed: setting(number({ whole: true, from: 0 }), 0, 'seed of the weights, the batches and the augmentations'),
  /** Steps between evaluations on the validation images. */
  evalEvery: setting(whole, 500, 'steps between evaluations', { value: 'n' }),
  /** Images that the evaluation takes at once. */
  evalBatch: setting(whole, 8, 'images that the evaluation takes at once'),
  /**
   * What a training step computes in: f32 ('full'), or f16 in convolutions and products, with f32 weights and a dynamic
   * loss scale ('mixed'). Evaluation is f32 either way.
   */
  precision: setting(
    choice('full', 'mixed'),
    'full',
    'of a training step: full (f32), or mixed (f16 with f32 weights and loss scaling)',
    { value: 'kind', recorded: true },
  ),
  /** Most bytes of GPU memory; null leaves the device's own budget. */
  memory: setting(nullable(number({ above: 0 })), null, 'limit of GPU memory (4G)', {
    value: 'size',
    reads: 'bytes',
    recorded: true,
  }),
  /**
   * A file of weights to begin with, torchvision's for the encoder or this program's for all but the last layer; null
   * starts from scratch.
   */
  pretrained: setting(
    nullable(text),
    null,
    'safetensors file of encoder weights with the names of torchvision or timm',
    { value: 'file' },
  ),
  /** Take pretrained weights that have only a part of the encoder (default false: they are refused). */
  pretrainedPartial: setting(flag, false, 'accept weights with only a part of the encoder; the rest stays random', {}),
} satisfies Record<string, Setting<any, any>>; // eslint-disable-line @typescript-eslint/no-explicit-any

/** A setting that has a flag. */
export interface FlagOf extends Flag {
  /** Where the setting stands in a configuration, as in ['optimizer', 'lr']. */
  path: readonly string[];
  kind: Kind;
  usual: unknown;
  about: string;
}

/** The settings that have flags, in the order of the help. */
export function flagsOf(settings: Options = SETTINGS, path: readonly string[] = []): FlagOf[] {
  return Object.entries(settings).flatMap(([key, s]): FlagOf[] => {
    const { kind, usual, about, flag: shown, of } = s as Setting & { of?: Options };
    const at = [...path, key];
    if (shown)
      return [{ about, ...shown, name: shown.name ?? key, path: shown.field ? [...at, shown.field] : at, kind, usual }];
    return of ? flagsOf(of, at) : [];
  });
}
