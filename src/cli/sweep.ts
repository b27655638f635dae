// `fewmask sweep`: a search over options by the validation images; a table and the best settings.

import { join } from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../../runtime/errors.ts';
import { isBuiltin, settledSpec } from '../data/open.node.ts';
import type { Dataset } from '../data/types.ts';
import { share } from '../report/format.ts';
import type { RunRecord } from '../train/records.ts';
import { DEFAULTS, type RunConfig } from '../train/config.ts';
import { flagsOf } from '../train/settings.ts';
import { action } from './action.ts';
import { interruptible, openData, openDevice, type GlobalFlags } from './common.ts';
import { addDataOptions, dataSpec, numbers, type DataFlags } from './options.ts';
import type { Output } from './output.ts';
import { runOrKeep } from './runner.ts';
import { makeFolder, writeWhole } from './store.ts';
import { addTrainOptions, fileConfig, presetLine, schemeHelp, trainConfig, type TrainFlags } from './trainOptions.ts';
import { gridPoints, parseVaried, pointText, randomPoints, type Point } from './varied.ts';

type Flags = GlobalFlags &
  DataFlags &
  TrainFlags & { scheme?: string; vary?: string[]; random?: number; out: string; resume?: boolean };

/** A run of the search. */
interface Row {
  point: Point;
  /** mIoU on val: the best evaluation, the last weights, and their moving average where there is one. */
  best: number;
  last: number;
  ema?: number;
}

export function sweepCommand(program: Command): void {
  const command = program
    .command('sweep')
    .summary('search for the best options')
    .description(
      'Trains one scheme with different options and the same seed, and ranks the runs by their best score on the ' +
        'validation images. The test images are not looked at.',
    );
  addTrainOptions(addDataOptions(command))
    .option('--scheme <name>', 'the scheme (default: fixmatch)')
    .option('--seed <n>', 'seed of the runs and of drawn points', numbers.whole)
    .option(
      '--vary <key=values>',
      'an option of the scheme, or a flag without its dashes, with values, as in tau=0.8,0.9, or a range to draw ' +
        'from, as in lr=0.001..0.1; can be repeated',
      (item: string, before: string[] = []) => [...before, item],
    )
    .option('--random <n>', 'draw so many points (default: every combination of the values)', numbers.count)
    .option('--out <dir>', 'folder of the runs and the table', 'runs/sweep')
    .option('--resume', 'keep the finished runs of the folder, continue the one that was stopped')
    .addHelpText(
      'after',
      `${schemeHelp()}
Examples:
  fewmask sweep photos/ --labels 46 --vary tau=0.8,0.9,0.95 --vary ramp=0,0.5
  fewmask sweep photos/ --labels 46 --scheme cps --random 12 --vary weight=0.05..2 --vary lr=0.002..0.02
  fewmask train photos/ --labels 46 --config runs/sweep/best.json`,
    )
    .action(action(runSweep));
}

/** The settings of a point: what the command line can say is said, the rest is for the scheme. */
function configOf(f: Flags, scheme: string, point: Point): RunConfig {
  const flags = { ...f } as Flags & Record<string, unknown>;
  const set = [...(f.set ?? [])];
  const known = new Set(flagsOf().map(({ name }) => name));
  for (const [key, v] of Object.entries(point)) {
    const name = key.replace(/-(.)/g, (_, c: string) => c.toUpperCase());
    if (known.has(name)) (flags as Record<string, unknown>)[name] = v;
    else set.push(`${key}=${JSON.stringify(v)}`);
  }
  return trainConfig({ ...flags, set }, scheme, fileConfig(f));
}

const valOf = (points: RunRecord['last']): RunRecord['last'][number] => points.find((e) => e.split === 'val')!;

async function runSweep(f: Flags, out: Output, path: string | undefined): Promise<number> {
  const varied = (f.vary ?? []).map(parseVaried);
  if (varied.length === 0)
    throw new UsageError('nothing is varied', 'name options and their values: --vary tau=0.8,0.9');
  const scheme = f.scheme ?? fileConfig(f).scheme ?? DEFAULTS.scheme;
  const seed = f.seed ?? DEFAULTS.seed;
  const points = f.random ? randomPoints(varied, f.random, seed) : gridPoints(varied);
  // All are checked before the first one runs.
  const configs = points.map((point) => configOf(f, scheme, point));
  const preset = presetLine(f, configs[0]);
  if (preset) out.say(preset);
  const asked = dataSpec(path, f);
  const opened = await openData(asked, out, { strict: true });
  // Scores on test would be chosen among, too.
  const dataset: Dataset = { ...opened, ids: (split) => (split === 'test' ? [] : opened.ids(split)) };
  const spec = settledSpec(asked, opened);
  const interrupt = interruptible(out);
  try {
    if (dataset.ids('val').length === 0)
      throw new UsageError('there are no validation images to choose by', 'name some, as in --val 20');
    const device = await openDevice({ ...f, memory: f.memory }, out);
    try {
      await makeFolder(f.out);
      const rows: Row[] = [];
      for (const [i, config] of configs.entries()) {
        const folder = join(f.out, String(i));
        const title = `[${i + 1}/${configs.length}] ${pointText(points[i])}`;
        const { record, interrupted } = await runOrKeep({
          device,
          dataset,
          spec,
          config,
          folder,
          out,
          title,
          resume: f.resume ?? false,
          signal: interrupt.signal,
          saveEveryMinutes: f.saveEvery,
          cacheBytes: f.cache,
          judge: spec.judge ?? isBuiltin(spec),
        });
        if (interrupted) return 130;
        rows.push({
          point: points[i],
          best: valOf(record.best).miou,
          last: valOf(record.last).miou,
          ema: valOf(record.last).ema?.miou,
        });
      }
      const order = rows.map((_, i) => i).sort((a, b) => rows[b].best - rows[a].best);
      const table = tableOf(order.map((i) => rows[i]));
      await writeWhole(join(f.out, 'table.txt'), table);
      const ranked = order.map((i) => ({ run: i, ...rows[i] }));
      await writeWhole(join(f.out, 'table.json'), `${JSON.stringify(ranked, null, 2)}\n`);
      await writeWhole(join(f.out, 'best.json'), `${JSON.stringify(configs[order[0]], null, 2)}\n`);
      out.result(f.json ? JSON.stringify(ranked) : table.trimEnd());
      out.say(`the best settings: ${join(f.out, 'best.json')} (train --config)`);
      return 0;
    } finally {
      device.close();
    }
  } finally {
    interrupt.release();
    await dataset.close();
  }
}

/** The runs, best first. */
function tableOf(rows: readonly Row[]): string {
  const averaged = rows.some((r) => r.ema !== undefined);
  const head = ['best', 'last', ...(averaged ? ['EMA'] : []), 'options'];
  const lines = rows.map((r) => [
    share(r.best),
    share(r.last),
    ...(averaged ? [share(r.ema ?? null)] : []),
    pointText(r.point),
  ]);
  const line = (cells: readonly string[]): string =>
    cells.map((c, i) => (i === cells.length - 1 ? c : c.padStart(6))).join('  ');
  return `mIoU on val in percent, best first\n${[head, ...lines].map(line).join('\n')}\n`;
}
