// Learning-rate schedules and ramps: functions of t, the share of the way from 0 to 1 unless said otherwise.

import { args } from '../args.ts';
import { UsageError } from '../errors.ts';

const clip = (t: number): number => Math.min(Math.max(t, 0), 1);

/**
 * (1 - t)^power: the poly schedule of the segmentation literature.
 * @example const lr = 0.01 * poly(step / total);
 */
export function poly(t: number, power = 0.9): number {
  args('poly t:n power?:n', arguments);
  return (1 - clip(t)) ** power;
}

/**
 * cos(7 pi t / 16): FixMatch's; ends at 0.195, not at 0.
 * @example const lr = 0.03 * cosineFixMatch(step / total);
 */
export function cosineFixMatch(t: number): number {
  args('cosineFixMatch t:n', arguments);
  return Math.cos((7 * Math.PI * clip(t)) / 16);
}

/**
 * (cos(pi t) + 1) / 2.
 * @example const lr = 0.01 * cosine(step / total);
 */
export function cosine(t: number): number {
  args('cosine t:n', arguments);
  return 0.5 * (Math.cos(Math.PI * clip(t)) + 1);
}

/**
 * exp(-5 (1 - t)^2): the ramp-up of the Pi-model, temporal ensembling, Mean Teacher.
 * @example const weight = sigmoidRamp(step / 1000);
 */
export function sigmoidRamp(t: number): number {
  args('sigmoidRamp t:n', arguments);
  return Math.exp(-5 * (1 - clip(t)) ** 2);
}

/**
 * t itself, kept within 0 to 1.
 * @example const weight = linearRamp(step / 1000);
 */
export function linearRamp(t: number): number {
  args('linearRamp t:n', arguments);
  return clip(t);
}

/**
 * 1 - (cos(pi t) + 1) / 2.
 * @example const weight = cosineRamp(step / 1000);
 */
export function cosineRamp(t: number): number {
  args('cosineRamp t:n', arguments);
  return 1 - cosine(t);
}

/**
 * 1 - exp(-5 t).
 * @example const weight = logRamp(step / 1000);
 */
export function logRamp(t: number): number {
  args('logRamp t:n', arguments);
  return 1 - Math.exp(-5 * clip(t));
}

/**
 * exp(5 (t - 1)).
 * @example const weight = expRamp(step / 1000);
 */
export function expRamp(t: number): number {
  args('expRamp t:n', arguments);
  return Math.exp(5 * (clip(t) - 1));
}

/**
 * exp(-(e - E + 50)^2 / 200) over the last 50 of `epochs`: temporal ensembling's ramp-down.
 * @example const weight = rampDown(epoch, 300);
 */
export function rampDown(epoch: number, epochs: number): number {
  args('rampDown epoch:n epochs:n', arguments);
  const into = epoch - epochs + 50;
  return into <= 0 ? 1 : Math.exp(-((0.5 * into) ** 2) / 50);
}

/**
 * (step + 1) / warm over the first `warm` steps, counted from 0: the first has 1 / warm, the last of them 1; then 1.
 * Without a warm-up (`warm` of 0) always 1.
 * @example const lr = 0.01 * warmUp(step, 500);
 */
export function warmUp(step: number, warm: number): number {
  args('warmUp step:n warm:n', arguments);
  return warm > 0 ? Math.min(1, (step + 1) / warm) : 1;
}

/** The learning-rate schedules by name. */
export const SCHEDULES = { poly, cosine, 'cosine-fixmatch': cosineFixMatch, constant: (_: number) => 1 } as const;
/** Name of a schedule. */
export type ScheduleName = keyof typeof SCHEDULES;

/**
 * A schedule from its name. @throws UsageError when there is none of that name
 * @example const lr = 0.01 * schedule('poly')(step / total);
 */
export function schedule(name: string): (t: number) => number {
  args('schedule name:s', arguments);
  const found = Object.hasOwn(SCHEDULES, name) ? SCHEDULES[name as ScheduleName] : null;
  if (!found)
    throw new UsageError(`there is no schedule "${name}"`, `choose one of ${Object.keys(SCHEDULES).join(', ')}`);
  return found;
}
