// `fewmask compare`: several schemes and seeds on the same data, steps and initial weights; a table and a report.

import { join } from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../../runtime/errors.ts';
import { isBuiltin, settledSpec } from '../data/open.node.ts';
import type { Dataset } from '../data/types.ts';
import { makePictures } from '../report/previews.ts';
import { htmlReport } from '../report/html.ts';
import { jsonReport, markdownReport, textReport } from '../report/text.ts';
import type { Comparison, RunRecord } from '../train/records.ts';
import { schemeNames, schemeOf } from '../schemes/index.ts';
import { action } from './action.ts';
import { interruptible, openData, openDevice, shellWords, type GlobalFlags } from './common.ts';
import { addDataOptions, dataSpec, numbers, type DataFlags } from './options.ts';
import { addTrainOptions, fileConfig, schemeHelp, trainConfig, type TrainFlags, presetLine } from './trainOptions.ts';
import type { Output } from './output.ts';
import { runOrKeep } from './runner.ts';
import { makeFolder, writeWhole } from './store.ts';

type Flags = GlobalFlags &
  DataFlags &
  TrainFlags & {
    schemes: string;
    seeds: number;
    firstSeed: number;
    out: string;
    resume?: boolean;
    pictures: number;
    markdown?: boolean;
    title?: string;
  };

export function compareCommand(program: Command): void {
  const command = program
    .command('compare')
    .summary('train several schemes and compare them')
    .description(
      'Trains several schemes with several seeds on the same data, with the same steps and the same ' +
        'initial weights for a seed, and compares them in a table, as JSON, and in one HTML page.',
    );
  addTrainOptions(addDataOptions(command))
    .option('--schemes <names>', 'schemes, separated by commas, or all', 'all')
    .option('--seeds <n>', 'number of seeds', numbers.count, 3)
    .option('--first-seed <n>', 'the first of the seeds', numbers.whole, 0)
    .option('--out <dir>', 'folder of the runs and the report', 'runs/compare')
    .option('--resume', 'keep the finished runs of the folder, continue the one that was stopped')
    .option('--pictures <n>', 'images that the report shows', numbers.whole, 4)
    .option('--title <text>', 'title of the report')
    .option('--markdown', 'the table in Markdown')
    .addHelpText(
      'after',
      `${schemeHelp()}
Examples:
  fewmask compare                                    all schemes on the built-in set, three seeds
  fewmask compare photos/ --labels 1/8 --schemes supervised,fixmatch,cps --steps 4000
  fewmask compare photos/ --labels 46 --set fixmatch.tau=0.9 --set cps.weight=1.5 --resume`,
    )
    .action(action(runCompare));
}

async function runCompare(f: Flags, out: Output, path: string | undefined): Promise<number> {
  const schemes = [
    ...new Set(
      (f.schemes.trim() === 'all' ? schemeNames().join() : f.schemes)
        .split(',')
        .map((s) => s.trim())
        .filter(Boolean),
    ),
  ];
  if (schemes.length === 0) throw new UsageError('no scheme is named', `choose among ${schemeNames().join(', ')}`);
  for (const scheme of schemes) schemeOf(scheme);
  const file = fileConfig(f);
  const configs = schemes.map((scheme) => trainConfig(f, scheme, file));
  for (const line of configs.map((config) => presetLine(f, config))) if (line) out.say(line);
  const asked = dataSpec(path, f);
  const dataset = await openData(asked, out, { strict: true });
  const spec = settledSpec(asked, dataset);
  const interrupt = interruptible(out);
  const device = await openDevice({ ...f, memory: f.memory }, out);
  try {
    await makeFolder(f.out);
    const records: RunRecord[] = [];
    const total = f.seeds * schemes.length;
    for (let seed = f.firstSeed; seed < f.firstSeed + f.seeds; seed++) {
      for (const base of configs) {
        const config = { ...base, seed };
        const folder = join(f.out, `${config.scheme}-${seed}`);
        const title = `[${records.length + 1}/${total}] ${config.scheme} seed ${seed}`;
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
          finish: async (result) =>
            void (result.record.pictures = await makePictures(
              device,
              dataset,
              result.scheme,
              pictureIds(dataset, f.pictures),
            )),
        });
        if (interrupted) return 130;
        records.push(record);
      }
    }
    const comparison: Comparison = {
      title:
        f.title ??
        `${dataset.name}: ${dataset.ids('labelled').length} of ${dataset.ids('train').length} images labelled`,
      command: commandLine(),
      date: new Date().toISOString().slice(0, 10),
      adapter: [...new Set(records.map((r) => r.adapter))].join('; '),
      dataset: dataset.name,
      runs: records,
    };
    await writeWhole(join(f.out, 'comparison.json'), JSON.stringify(comparison));
    await writeWhole(join(f.out, 'report.html'), htmlReport(comparison));
    await writeWhole(join(f.out, 'table.md'), markdownReport(comparison));
    const text = textReport(comparison);
    const json = jsonReport(comparison);
    await writeWhole(join(f.out, 'table.json'), json);
    await writeWhole(join(f.out, 'table.txt'), text);
    out.result(f.json ? json : f.markdown ? markdownReport(comparison) : text);
    out.say(`report: ${join(f.out, 'report.html')}`);
    return 0;
  } finally {
    interrupt.release();
    await dataset.close();
    device.close();
  }
}

/**
 * Images for the report, spread over the validation set (where the truth may be shown), else over the unlabelled ones.
 */
function pictureIds(dataset: Dataset, n: number): string[] {
  const ids = [dataset.ids('val'), dataset.ids('test'), dataset.ids('unlabelled')].find((l) => l.length > 0) ?? [];
  return Array.from(
    { length: Math.min(n, ids.length) },
    (_, i) => ids[Math.floor(((i + 0.5) * ids.length) / Math.min(n, ids.length))],
  );
}

/** The command as it was typed, to repeat it. */
function commandLine(): string {
  return shellWords(['fewmask', ...process.argv.slice(2)]);
}
