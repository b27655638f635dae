// The settings of a training run: plain JSON, checked, with every default said here. Written beside the run and into its checkpoints.

import { UsageError } from '../../runtime/errors.ts';
import { schedule, warmUp } from '../../runtime/optim/schedules.ts';
import type { WeakOptions } from '../augment/weak.ts';
import { NETWORKS, type NetworkConfig } from '../nn/create.ts';

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
  /** Most bytes of GPU memory; null leaves the device's own budget. */
  memory: number | null;
  /** A file of pretrained weights for the encoder (torchvision's names), loaded before training; null starts from scratch. */
  pretrained: string | null;
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
  optimizer: { kind: 'sgd', lr: 0.02, momentum: 0.9, nesterov: false, weightDecay: 1e-4, decayVectors: true, headLr: 1, clip: null },
  schedule: 'poly',
  warmup: 0,
  seed: 0,
  evalEvery: 500,
  evalBatch: 8,
  memory: null,
  pretrained: null,
};

/** A part of a configuration: what a file or the command line says. */
export type PartialConfig = { [K in keyof RunConfig]?: RunConfig[K] extends readonly unknown[] | null ? RunConfig[K] : RunConfig[K] extends object ? Partial<RunConfig[K]> : RunConfig[K] };

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);

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
    const unknown = Object.keys(part).find((k) => !(k in DEFAULTS));
    if (unknown) throw new UsageError(`there is no setting "${unknown}"`, `the settings are ${Object.keys(DEFAULTS).join(', ')}`);
  }
  const kind = parts.map((p) => p.network?.kind).filter(Boolean).at(-1);
  // The other architecture's widths and depths mean nothing for this one.
  const base: RunConfig = kind && kind !== DEFAULTS.network.kind ? { ...DEFAULTS, network: { kind } as NetworkConfig } : DEFAULTS;
  const config = parts.reduce<unknown>(join, base) as RunConfig;
  check(config);
  return config;
}

function check(c: RunConfig): void {
  const whole = (name: string, v: number, least: number, hint?: string): void => {
    if (!Number.isInteger(v) || v < least) throw new UsageError(`${name} is ${v}`, hint ?? `give a whole number of at least ${least}`);
  };
  const from = (name: string, v: number, least: number, strictly = false): void => {
    if (typeof v !== 'number' || !Number.isFinite(v) || v < least || (strictly && v === least)) throw new UsageError(`${name} is ${v}`, `give a number ${strictly ? 'above' : 'of at least'} ${least}`);
  };
  if (!NETWORKS.includes(c.network.kind)) throw new UsageError(`there is no network "${c.network.kind}"`, `choose one of ${NETWORKS.join(', ')}`);
  whole('steps', c.steps, 1, 'give at least one step (--steps)');
  whole('batch.labelled', c.batch.labelled, 1);
  whole('batch.unlabelled', c.batch.unlabelled, 1);
  if (!Array.isArray(c.crop) || c.crop.length !== 2) throw new UsageError(`crop is ${JSON.stringify(c.crop)}`, 'give height and width (--crop 96x128)');
  c.crop.forEach((v) => whole('crop', v, 8));
  whole('warmup', c.warmup, 0);
  whole('seed', c.seed, 0);
  whole('evalEvery', c.evalEvery, 1);
  whole('evalBatch', c.evalBatch, 1);
  if (c.optimizer.kind !== 'sgd' && c.optimizer.kind !== 'adamw') throw new UsageError(`there is no optimiser "${c.optimizer.kind}"`, 'choose sgd or adamw');
  from('optimizer.lr', c.optimizer.lr, 0, true);
  from('optimizer.weightDecay', c.optimizer.weightDecay, 0);
  from('optimizer.momentum', c.optimizer.momentum, 0);
  from('optimizer.headLr', c.optimizer.headLr, 0, true);
  if (c.optimizer.momentum >= 1) throw new UsageError(`optimizer.momentum is ${c.optimizer.momentum}`, 'give a number below 1');
  if (c.optimizer.clip !== null) from('optimizer.clip', c.optimizer.clip, 0, true);
  if (c.memory !== null) from('memory', c.memory, 0, true);
  schedule(c.schedule);
}

/** The learning rate at a step of a stage. @param stageSteps the stage's steps */
export function learningRate(c: RunConfig): (at: { step: number; progress: number }) => number {
  const curve = schedule(c.schedule);
  return ({ step, progress }) => c.optimizer.lr * curve(progress) * warmUp(step, c.warmup);
}
