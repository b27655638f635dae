// What the run of a folder was started with. It continues, or counts as done, only with the same settings and data.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { CheckpointError, UsageError } from '../../runtime/errors.ts';
import { given } from '../options.ts';
import { absoluteSpec, type DatasetSpec } from '../data/open.node.ts';
import { UNRECORDED, type PictureRule } from '../data/pictureRule.ts';
import { DEFAULTS, type RunConfig } from '../train/config.ts';
import type { Model } from './store.ts';

/** Name of the file in a run's folder. */
export const STARTED = 'run.json';

export interface Started {
  config: RunConfig;
  data: DatasetSpec;
  /** How the images were read; absent for the built-in set, and in runs of earlier versions. */
  pictures?: PictureRule;
}

/** The contents of the folder's run.json; null without one. @throws CheckpointError when it cannot be read */
export function readStarted(folder: string): Started | null {
  const file = join(folder, STARTED);
  try {
    const { config, data, pictures } = JSON.parse(readFileSync(file, 'utf8')) as Started;
    if (config && data) return { config, data, ...(pictures && { pictures }) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    if (code) throw new CheckpointError(`${file} cannot be read: ${code}`);
  }
  throw new CheckpointError(
    `${file} contains no settings of a run`,
    'it is damaged; the checkpoint contains the settings, too: give them as flags for another folder',
  );
}

/** Compares settings as files contain them: a missing one is undefined. `but` is not compared. */
function same(was: object, now: object, folder: string, hint: string, but: readonly string[] = []): void {
  const [a, b] = [was, now].map((v) => JSON.parse(JSON.stringify(v)) as Record<string, unknown>);
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (but.includes(key) || isDeepStrictEqual(a[key], b[key])) continue;
    const [old, asked] = [a, b].map((v) => (v[key] === undefined ? 'unset' : JSON.stringify(v[key])));
    throw new UsageError(`the run in ${folder} was started with ${key} ${old}, not ${asked}`, hint);
  }
}

/** Settings of a data set as it was opened before, those given now on top; one kind of data set replaces the other. */
export function onTop(before: DatasetSpec | undefined, { labelsCover, ...now }: DatasetSpec): DatasetSpec {
  // True is the default, and no flag says it.
  const spec: DatasetSpec = { ...before, ...given(labelsCover === false ? { ...now, labelsCover } : now) };
  if (now.images !== undefined && now.path === undefined) delete spec.path;
  if (now.path !== undefined && now.images === undefined)
    for (const key of ['images', 'masks'] as const) if (now[key] === undefined) delete spec[key];
  return spec;
}

/**
 * The data set on which a trained network is scored: that of its run, if none or the same is named; the settings given
 * now on top. Another one is read at the size of the training, and its masks as those of the training where they hold
 * the same values.
 * @param file the network's weights
 * @throws UsageError where no data set is named and none is known
 */
export function scoredOn(file: string, model: Model, asked: DatasetSpec): DatasetSpec {
  const run = readStarted(dirname(file))?.data;
  const { path, images, masks } = absoluteSpec(asked);
  const was = run && absoluteSpec(run);
  const unnamed = asked.path === undefined && asked.images === undefined;
  if (unnamed && !run)
    throw new UsageError(
      `no data set is named, and beside ${file} there is no ${STARTED} that names one`,
      'give the data set; "builtin" is the built-in one',
    );
  const same = unnamed || (was && path === was.path && images === was.images && (masks ?? was.masks) === was.masks);
  const { size, maskValues: trainedValues } = model;
  const pictures = model.pictures ?? UNRECORDED;
  return { ...onTop(same ? run : { size, trainedValues }, asked), scored: model.classNames, pictures };
}

/** @throws UsageError naming what differs: folders, lists, numbers, or how images are read */
export function sameData(was: DatasetSpec, now: DatasetSpec, folder: string): void {
  const hint = 'give the same data set (run.json holds it), or start another run (--out)';
  // The bits that count are those of the rule: asked for or found.
  same(absoluteSpec(was), absoluteSpec(now), folder, hint, ['bits', 'pictures']);
}

/** A configuration with learning rate, clipping, warm-up and precision of another one. */
function withUpdateOf(config: RunConfig, { optimizer: { lr, clip }, warmup, precision }: RunConfig): RunConfig {
  return { ...config, optimizer: { ...config.optimizer, lr, clip }, warmup, precision };
}

/**
 * Compares the run in a folder with what is asked for; the memory budget may differ.
 * @param config the settings in its checkpoint or record
 * @param options.mended learning rate, clipping, warm-up and precision may differ too: the run stopped at a non-finite
 * step
 * @throws UsageError naming what differs, CheckpointError where the folder does not say which data the run has seen
 */
export function sameRun(folder: string, config: object, now: Started, options: { mended?: boolean } = {}): void {
  // Runs of earlier versions do not have these settings.
  const { precision, pretrainedPartial } = DEFAULTS;
  const was = { precision, pretrainedPartial, ...config } as RunConfig;
  const settings = 'resume with the same settings (its config.json holds them), or start another run (--out)';
  same(was, options.mended ? withUpdateOf(now.config, was) : now.config, folder, settings, ['memory']);
  const started = readStarted(folder);
  if (!started)
    throw new CheckpointError(
      `${folder} does not say which data its run has seen (${STARTED} is missing)`,
      'start another run (--out)',
    );
  sameData(started.data, now.data, folder);
  if (!now.pictures) return;
  const hint = 'give the same images and the same --bits and --orientation, or start another run (--out)';
  same(started.pictures ?? UNRECORDED, now.pictures, folder, hint);
}
