// The results of the README: trains every scheme on real images and keeps the tables. Goes on where it was stopped; hours on two cores.
//   node --import tsx bench/results.ts [NAME …] [--seeds N] [--data DIR]      N seeds (default 3); DIR holds camvid/ and nuclei/ (default: ../shared/data)

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Comparison } from '../src/report/types.ts';

/**
 * Batch normalisation sees labelled and other images together, and the pseudo-labels weigh in slowly: without the two the schemes hurt where a batch is
 * a handful of pictures that differ much (bench/NOTES.md). Each set has its own further settings, selected on `val`.
 */
const TOGETHER = ['fixmatch.pseudo=joint', 'fixmatch.ramp=0.5', 'fixmatch.tau=0.9', 'cps.joint=true', 'cps.ramp=0.5', 'pseudoseg.joint=true', 'pseudoseg.ramp=0.5', 'self-training.scales=[0.75,1,1.5]'];
const set = (...options: string[]): string[] => options.flatMap((o) => ['--set', o]);

const NUCLEI = ['--size', '96x96', '--crop', '64x64', '--width', '8', '--batch', '8', '--steps', '1000', '--eval-every', '250', '--judge', ...set(...TOGETHER, 'cps.cutmix=false', 'pseudoseg.gamma=1')];

/** Arguments of `fewmask compare` after the data set; `first`: a list of the data set, of which only so many lines are the labelled images. */
const EXPERIMENTS: Record<string, { data: string; first?: readonly [list: string, lines: number]; args: string[] }> = {
  // Eight labels, of all three kinds of microscopy.
  'nuclei-8': { data: 'nuclei', first: ['labeled_1_16', 8], args: NUCLEI },
  'nuclei-1-16': { data: 'nuclei', args: ['--labels', 'labeled_1_16', ...NUCLEI] },
  // The reference's small setting (shared/reference): U-Net of width 8, crops of 72x96 from 90x120, batch 8 + 8, 2000 steps.
  'camvid-reference': {
    data: 'camvid',
    args: [
      ...['--labels', 'labeled_1_8', '--size', '90x120', '--crop', '72x96', '--width', '8', '--batch', '8', '--steps', '2000', '--eval-every', '500', '--judge'],
      ...set(...TOGETHER, 'fixmatch.classwise=0.95', 'pseudoseg.background=null'),
    ],
  },
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { data: { type: 'string', default: '../shared/data' }, seeds: { type: 'string', default: '3' } } });
const unknown = positionals.find((n) => !(n in EXPERIMENTS));
if (unknown) throw new Error(`there is no experiment ${unknown}; there are ${Object.keys(EXPERIMENTS).join(', ')}`);

for (const name of positionals.length ? positionals : Object.keys(EXPERIMENTS)) {
  const { data, first, args } = EXPERIMENTS[name];
  const folder = join(values.data, data), out = join('runs/results', name);
  if (!existsSync(folder)) {
    console.log(`${name}: skipped, ${folder} is absent`);
    continue;
  }
  mkdirSync('runs/results', { recursive: true });
  if (first) writeFileSync(`${out}.txt`, readFileSync(join(folder, 'ImageSets/Segmentation', `${first[0]}.txt`), 'utf8').split('\n').slice(0, first[1]).join('\n'));
  const run = spawnSync(process.execPath, ['dist/fewmask.mjs', 'compare', folder, ...(first ? ['--labels', `${out}.txt`] : []), ...args, '--seeds', values.seeds, '--out', out, '--resume', '--title', name], { stdio: 'inherit' });
  if (run.status !== 0) process.exit(run.status ?? 1);
  mkdirSync('bench/results', { recursive: true });
  writeFileSync(`bench/results/${name}.md`, readFileSync(join(out, 'table.md')));
  const comparison: Comparison = JSON.parse(readFileSync(join(out, 'comparison.json'), 'utf8'));
  // Curves and pictures stay in the report; what is kept are the settings and the scores.
  const kept = comparison.runs.map(({ steps, evals, pictures, ...run }) => ({ ...run, evals: evals.map(({ confusion, ...e }) => e) }));
  writeFileSync(`bench/results/${name}.json`, `${JSON.stringify({ ...comparison, command: comparison.command.replace(folder, data), runs: kept }, null, 1)}\n`);
}
