// Runs a session with a folder: settings and checkpoints beside it, progress on stderr, weights and record at the end.

import { existsSync, readFileSync } from 'node:fs';
import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mib } from '../../runtime/device/pool.ts';
import type { Device } from '../../runtime/device/device.ts';
import { CheckpointError, DataError, errorText, NonFiniteError, UsageError } from '../../runtime/errors.ts';
import { absoluteSpec, isBuiltin, type DatasetSpec } from '../data/open.node.ts';
import { WITHOUT_FILES } from '../data/pictureRule.ts';
import type { Dataset } from '../data/types.ts';
import { oneClassLine } from '../metrics/miou.ts';
import { decimals, duration, share } from '../report/format.ts';
import type { RunRecord, StepPoint } from '../train/records.ts';
import { createScheme } from '../schemes/index.ts';
import type { Checkpoint } from '../train/checkpoint.ts';
import type { RunConfig } from '../train/config.ts';
import { describePretrained } from '../train/pretrained.ts';
import { paletteRows, runSession } from '../train/session.ts';
import type { SessionResult } from '../train/sessionOptions.ts';
import type { Progress } from '../train/trainer.ts';
import type { Output } from './output.ts';
import { sameRun, STARTED, type Started } from './started.ts';
import { forgetStop, hasStopped, stopRun } from './stopped.ts';
import { loadCheckpoint, loadWeights, makeFolder, saveCheckpoint, saveModel, writeWhole } from './store.ts';

export interface RunnerOptions {
  device: Device;
  dataset: Dataset;
  /** What the data set was opened with: written beside the run, so that it can continue. */
  spec: DatasetSpec;
  config: RunConfig;
  folder: string;
  out: Output;
  /** Continue from the folder's checkpoint, where there is one. */
  resume: boolean;
  /** A run that stopped at a non-finite step may continue with changed settings, see `sameRun`. */
  canChange?: boolean;
  signal?: AbortSignal;
  saveEveryMinutes: number;
  judge: boolean;
  /** Bytes of decoded images that are kept. */
  cacheBytes?: number;
  /** Before the progress, where several runs follow each other. */
  title?: string;
  /** Called before the networks are freed. */
  finish?(result: SessionResult): Promise<void>;
}

/** Crops that show less of an image are too small to tell what is there. */
const LEAST_SHOWN = 0.02;

/** The last step before a checkpoint. */
const stepsOf = ({ steps }: Checkpoint): number => steps.at(-1)?.step ?? 0;

const percent = (v: number): string => `${share(v)} %`;

function progressLine(o: RunnerOptions, last: StepPoint, p: Progress): string {
  const terms = Object.entries(last.terms)
    .map(([k, v]) => `${k} ${decimals(v, 3)}`)
    .join(', ');
  const parts = [
    `${o.title ? `${o.title} ` : ''}step ${p.done}/${p.total}`,
    p.stageName !== o.config.scheme ? p.stageName : '',
    `loss ${decimals(last.loss, 4)}${terms ? ` (${terms})` : ''}`,
    `lr ${last.lr.toPrecision(3)}`,
    last.accepted === undefined ? '' : `accepted ${percent(last.accepted)}`,
    last.lossScale === undefined
      ? ''
      : `loss scale ${last.lossScale}${last.skipped ? ` (${last.skipped} skipped)` : ''}`,
    last.pseudoAccuracy === undefined ? '' : `right ${percent(last.pseudoAccuracy)}`,
    `${p.rate.toFixed(p.rate < 10 ? 2 : 0)} steps/s`,
    `ETA ${duration((p.total - p.done) / p.rate)}`,
    mib(o.device.pool.stats.allocated),
  ];
  return parts.filter(Boolean).join('  ');
}

/** Trains in a folder, from its start or from a checkpoint. @returns the record and whether the run was interrupted */
export async function runInFolder(o: RunnerOptions): Promise<{ record: RunRecord; interrupted: boolean }> {
  const { device, dataset, config, folder, out } = o;
  await makeFolder(folder);
  const resume = o.resume ? await loadCheckpoint(folder) : null;
  if (resume) {
    const now = { config, data: o.spec, pictures: dataset.pictures };
    sameRun(folder, resume.config, now, { mended: o.canChange && hasStopped(folder) });
  } else if (!o.resume && existsSync(join(folder, 'checkpoint.json')))
    throw new UsageError(`${folder} already contains a run`, 'use --resume to continue it, or another folder (--out)');
  await writeWhole(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  const started: Started = { config, data: absoluteSpec(o.spec), pictures: dataset.pictures };
  await writeWhole(join(folder, STARTED), `${JSON.stringify(started, null, 2)}\n`);
  const log = join(folder, 'log.jsonl');
  const lines = (points: readonly StepPoint[]): string => points.map((p) => `${JSON.stringify(p)}\n`).join('');
  // Steps after the checkpoint were logged, and are done again.
  await writeWhole(log, lines(resume?.steps ?? []));
  let logged = Promise.resolve();
  if (resume) out.say(`${o.title ? `${o.title}: ` : ''}resuming after step ${stepsOf(resume)}`);
  else await forgetStop(folder);
  let unsaved = null as Error | null;
  let saved = false;
  let pretrained = '';
  let kept = resume ? stepsOf(resume) : null;
  const model = {
    network: config.network,
    classNames: dataset.classNames,
    palette: paletteRows(dataset),
    pictures: dataset.pictures ?? WITHOUT_FILES,
    ...(!isBuiltin(o.spec) && { size: o.spec.size, maskValues: o.spec.maskValues }),
  };
  const origin = { scheme: config.scheme, seed: config.seed, dataset: dataset.name };
  const result = await runSession({
    device,
    dataset,
    config,
    resume: resume ?? undefined,
    judge: o.judge,
    cacheBytes: o.cacheBytes,
    signal: o.signal,
    saveEvery: 60 * o.saveEveryMinutes,
    makeScheme: (c, options) => createScheme(config.scheme, c, options),
    pretrained: config.pretrained ? await loadWeights(config.pretrained) : undefined,
    hooks: {
      onStart({ parameters, steps, sourceSize }) {
        out.say(
          `${o.title ? `${o.title}: ` : ''}${config.scheme}, ${config.network.kind}, ` +
            `${parameters.toLocaleString('en')} parameters, ${steps} steps, seed ${config.seed}`,
        );
        const shown = (config.crop[0] * config.crop[1]) / (sourceSize[0] * sourceSize[1]);
        if (shown < LEAST_SHOWN)
          out.warn(
            `a crop of ${config.crop.join('x')} shows ${percent(shown)} of an image of ${sourceSize.join('x')}: ` +
              'the network sees little of what surrounds a pixel; --size HxW resizes the images, --crop makes ' +
              'larger crops',
          );
      },
      onPretrained(report) {
        // Schemes with several networks load the same file for each.
        const line = describePretrained(report);
        if (!o.resume && line !== pretrained) out.say(`${o.title ? `${o.title}: ` : ''}${(pretrained = line)}`);
      },
      onMemory: (stage, bytes) =>
        out.say(`${o.title ? `${o.title}: ` : ''}${stage}: a step takes ${mib(bytes)} of GPU memory`),
      onSteps(points, progress) {
        out.progress(progressLine(o, points.at(-1)!, progress));
        logged = logged.then(() => appendFile(log, lines(points))).catch(() => undefined);
      },
      onEval(e, progress) {
        const at = `${o.title ? `${o.title} ` : ''}step ${progress.done}/${progress.total}`;
        const worthless = oneClassLine(e.confusion, dataset.classNames) ? '  (not two classes in the masks)' : '';
        const average = e.ema ? ` (moving average ${percent(e.ema.miou)})` : '';
        out.say(
          `${at}  ${e.split} mIoU ${percent(e.miou)}${average}  pixel accuracy ${percent(e.pixelAccuracy)}${worthless}`,
        );
      },
      onWarning: (message) => out.warn(message),
      async save(checkpoint) {
        try {
          await saveCheckpoint(folder, checkpoint);
          unsaved = null;
          saved = true;
          kept = stepsOf(checkpoint);
          await forgetStop(folder);
        } catch (error) {
          if (!(error instanceof CheckpointError)) throw error;
          // Training continues, and the next save may succeed; the last checkpoint is still there.
          out.warn(errorText(error));
          unsaved = error;
          saved = false;
        }
      },
      async onTrained({ last, best, ema, scheme }, step) {
        const whole = { ...model, ...(scheme.ensemble && { ensemble: scheme.ensemble }) };
        await saveModel(join(folder, 'last.safetensors'), { ...whole, origin: { ...origin, step }, state: last });
        if (best)
          await saveModel(join(folder, 'best.safetensors'), {
            ...whole,
            origin: { ...origin, step: best.step, valMiou: best.miou },
            state: best.state,
          });
        else await rm(join(folder, 'best.safetensors'), { force: true });
        if (ema)
          await saveModel(join(folder, 'ema.safetensors'), { ...whole, origin: { ...origin, step }, state: ema });
        else await rm(join(folder, 'ema.safetensors'), { force: true });
      },
    },
  }).catch(async (error: unknown) => {
    await logged;
    if (error instanceof DataError && saved) {
      throw new DataError(
        `${error.message}; what was trained until then is saved`,
        `${error.hint ?? 'fix the data'}, then use --resume; fewmask inspect finds all damaged files at once`,
      );
    }
    if (error instanceof NonFiniteError) {
      throw await stopRun(error, { folder, config, kept, canChange: o.canChange ?? false });
    }
    throw error;
  });
  out.endProgress();
  try {
    await logged;
    if (result.interrupted) {
      if (unsaved) throw unsaved;
      return { record: result.record, interrupted: true };
    }
    await o.finish?.(result);
    await writeWhole(join(folder, 'record.json'), JSON.stringify(result.record));
    // What was trained is kept first.
    if (unsaved) throw unsaved;
    return { record: result.record, interrupted: false };
  } finally {
    result.dispose();
  }
}

/**
 * The record of a run that has ended; null where there is none.
 * @throws UsageError when it had other settings or other data
 */
function finished(folder: string, now: Started): RunRecord | null {
  const file = join(folder, 'record.json');
  if (!existsSync(file)) return null;
  let record: RunRecord;
  try {
    record = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new CheckpointError(`${file} cannot be read: ${(error as Error).message}`, 'delete it to repeat the run');
  }
  sameRun(folder, record.config, now);
  return record;
}

/** One of several runs in a row: the record of one that has ended is kept where they are resumed. */
export async function runOrKeep(o: RunnerOptions): Promise<{ record: RunRecord; interrupted: boolean }> {
  const { config, spec, dataset, folder, out } = o;
  const done = o.resume ? finished(folder, { config, data: spec, pictures: dataset.pictures }) : null;
  if (done) {
    out.say(`${o.title}: done before`);
    return { record: done, interrupted: false };
  }
  // Each run is measured from an empty pool.
  o.device.pool.trim();
  const ended = await runInFolder(o);
  if (ended.interrupted) out.say('stopped; to continue, repeat the command with --resume');
  return ended;
}
