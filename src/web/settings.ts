// The settings that the page offers, and the run that they mean: the same in a browser and in Node.

import { createSynthetic, type SyntheticOptions } from '../data/synthetic.ts';
import type { Dataset } from '../data/types.ts';
import type { SchemeRecord } from '../schemes/define.ts';
import { schemeOf } from '../schemes/index.ts';
import { resolveConfig, type RunConfig } from '../train/config.ts';
import type { NetworkConfig, NetworkRecord } from '../nn/define.ts';
import { networkOf } from '../nn/networks.ts';
import type { Options } from '../options.ts';
import type { Asked, NetworkInfo, SchemeInfo } from './protocol.ts';

export interface RunSettings {
  scheme: string;
  /** The network and its options. */
  network: NetworkConfig;
  /** Steps over all stages. */
  steps: number;
  labelled: number;
  unlabelled: number;
  /** Height and width of the images and of the training crops. */
  size: readonly [height: number, width: number];
  /** Images of a labelled and of an unlabelled batch, each. */
  batch: number;
  optimizer: RunConfig['optimizer']['kind'];
  lr: number;
  seed: number;
  /** Options of the scheme. */
  options: Readonly<Record<string, unknown>>;
}

/** Validation images: enough for a curve, few enough for a software adapter. */
const VALIDATION = 16;
/** Evaluations of a run, and the fewest steps between two: on a software adapter one costs as much as several steps. */
const EVALUATIONS = 20;
const LEAST_BETWEEN = 10;

/** The data set of a run: scenes of the built-in set. */
export function datasetOf({ labelled, unlabelled, size: [height, width] }: RunSettings): Dataset {
  const options: SyntheticOptions = { height, width, train: labelled + unlabelled, labelled, val: VALIDATION, test: 0 };
  return createSynthetic(options);
}

/** The options that a form can ask for. */
function asked(options: Options, small: Readonly<Record<string, unknown>>): Asked[] {
  return Object.entries(options).flatMap(([name, { kind, usual, about }]) => {
    const value: unknown = small[name] ?? usual;
    return kind.input && value !== null ? [{ name, about, input: kind.input, value }] : [];
  });
}

/** What the form shows of a scheme. */
export function schemeInfo({ name, title, about, needsUnlabelled, options, small }: SchemeRecord): SchemeInfo {
  return { name, title, about, labels: needsUnlabelled, options: asked(options, small) };
}

/** What the form shows of a network: the options that the command line has flags for. */
export function networkInfo({ name, title, about, options, flags, small }: NetworkRecord): NetworkInfo {
  const offered = Object.fromEntries(flags.map((key) => [key, options[key]]));
  return { name, title, about, options: asked(offered, small) };
}

/**
 * The configuration of a run. Its steps are those of all stages.
 * @throws UsageError naming the setting
 */
export function configOf(s: RunSettings): RunConfig {
  const { steps, options } = schemeOf(s.scheme).within(s.steps);
  const { kind, ...ofNetwork } = s.network;
  networkOf(kind).checkCrop(ofNetwork, s.size);
  return resolveConfig({
    scheme: s.scheme,
    options: { ...schemeOf(s.scheme).small, ...options, ...s.options },
    steps,
    seed: s.seed,
    crop: s.size,
    batch: { labelled: s.batch, unlabelled: s.batch },
    network: s.network,
    optimizer: { kind: s.optimizer, lr: s.lr },
    evalEvery: Math.max(LEAST_BETWEEN, Math.round(s.steps / EVALUATIONS)),
  });
}
