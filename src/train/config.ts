// The configuration of a training run: plain JSON, checked, with every default in it. Written beside the run and into
// its checkpoints.

import { UsageError } from '../../runtime/errors.ts';
import { schedule, warmUp } from '../../runtime/optim/schedules.ts';
import { checkFields, fill, isObject, kindsOf, refuse, type Values } from '../options.ts';
import { SETTINGS } from './settings.ts';

/** The settings of a run; `SETTINGS` says what each is. */
export type RunConfig = Values<typeof SETTINGS>;
export type OptimizerConfig = RunConfig['optimizer'];

/** What a run takes where nothing is said. */
export const DEFAULTS: RunConfig = fill(SETTINGS, {});

/** A part of a configuration: what a file or the command line says. */
export type PartialConfig = {
  [K in keyof RunConfig]?: RunConfig[K] extends readonly unknown[] | null
    ? RunConfig[K]
    : RunConfig[K] extends object
      ? Partial<RunConfig[K]>
      : RunConfig[K];
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
  const config = parts.reduce<RunConfig>((before, part) => {
    const kind = part.network?.kind;
    // Another architecture's widths and depths mean nothing for this one.
    const base = kind !== undefined && kind !== before.network.kind ? { ...before, network: { kind } } : before;
    return join(base, part) as RunConfig;
  }, DEFAULTS);
  checkFields(kindsOf(SETTINGS), config, 'a run');
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
