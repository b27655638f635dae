// The settings that the page offers, and the run that they mean: the same in a browser and in Node.

import { createSynthetic, type SyntheticOptions } from '../data/synthetic.ts';
import type { Dataset } from '../data/types.ts';
import type { SchemeRecord } from '../schemes/define.ts';
import { schemeOf } from '../schemes/index.ts';
import { resolveConfig, type RunConfig } from '../train/config.ts';
import type { SchemeInfo } from './protocol.ts';

export interface RunSettings {
  scheme: string;
  /** Channels of the network's first stage. */
  width: number;
  /** Steps over all stages. */
  steps: number;
  labelled: number;
  unlabelled: number;
  /** Height and width of the images and of the training crops. */
  size: readonly [height: number, width: number];
  /** Images of a labelled and of an unlabelled batch, each. */
  batch: number;
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

/** What the form shows of a scheme. */
export function schemeInfo({ name, title, about, needsUnlabelled, options, small }: SchemeRecord): SchemeInfo {
  const offered = Object.entries(options).flatMap(([key, { kind, usual, about: what }]) => {
    const value: unknown = small[key] ?? usual;
    return kind.input && value !== null ? [{ name: key, about: what, input: kind.input, value }] : [];
  });
  return { name, title, about, labels: needsUnlabelled, options: offered };
}

/**
 * The configuration of a run. Its steps are those of all stages.
 * @throws UsageError naming the setting
 */
export function configOf(s: RunSettings): RunConfig {
  const { steps, options } = schemeOf(s.scheme).within(s.steps);
  return resolveConfig({
    scheme: s.scheme,
    options: { ...options, ...s.options },
    steps,
    seed: s.seed,
    crop: s.size,
    batch: { labelled: s.batch, unlabelled: s.batch },
    // The deepest stage still has a few pixels.
    network: { kind: 'unet', width: s.width, depth: Math.min(...s.size) < 64 ? 3 : 4 },
    optimizer: { lr: s.lr },
    evalEvery: Math.max(LEAST_BETWEEN, Math.round(s.steps / EVALUATIONS)),
  });
}
