// The results of docs/results.md: trains every scheme on real images and keeps the tables. Hours on two cores, so a run
// that stands in bench/results/NAME.json with the same settings is not made again (without --again), one that was
// stopped continues, and settings of one scheme may change without the others' runs.
//   node --import tsx bench/results.ts [NAME …] [--schemes A,B] [--seeds N] [--data DIR] [--again]
// N seeds (default 3); DIR holds camvid/ and nuclei/ (default: ../shared/data); --schemes: only these; --again: also
// what stands there.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { shellWords } from '../src/cli/common.ts';
import { htmlReport } from '../src/report/html.ts';
import { markdownReport } from '../src/report/text.ts';
import type { Comparison, RunRecord } from '../src/train/records.ts';
import { schemeNames } from '../src/schemes/index.ts';

import { lined } from './json.ts';
/**
 * Batch normalisation sees labelled and other images together, and the pseudo-labels weigh in slowly: without the two
 * the schemes hurt where a batch is a handful of pictures that differ much (bench/notes/nuclei.md). Each set has its
 * own further settings, selected on `val`.
 */
const TOGETHER = [
  'fixmatch.groups=joint',
  'fixmatch.ramp=0.5',
  'fixmatch.tau=0.9',
  'cps.groups=joint',
  'cps.ramp=0.5',
  'pseudoseg.groups=joint',
  'pseudoseg.ramp=0.5',
  'self-training.scales=[0.75,1,1.5]',
];
const set = (...options: string[]): string[] => options.flatMap((o) => ['--set', o]);

const NUCLEI = [
  '--size',
  '96x96',
  '--crop',
  '64x64',
  '--width',
  '8',
  '--batch',
  '8',
  '--steps',
  '1000',
  '--eval-every',
  '250',
  '--judge',
  ...set(...TOGETHER, 'cps.cutmix=null', 'pseudoseg.gamma=1'),
];

/**
 * Arguments of `fewmask compare` after the data set; `first`: a list of the data set, of which only so many lines are
 * the labelled images.
 */
const EXPERIMENTS: Record<string, { data: string; first?: readonly [list: string, lines: number]; args: string[] }> = {
  // Eight labels, of all three kinds of microscopy.
  'nuclei-8': { data: 'nuclei', first: ['labeled_1_16', 8], args: NUCLEI },
  // With 21 labels FixMatch does better without blur and CutMix.
  'nuclei-1-16': {
    data: 'nuclei',
    args: ['--labels', 'labeled_1_16', ...NUCLEI, ...set('fixmatch.cutmix=null', 'fixmatch.strong={"blur":0}')],
  },
  // The reference's small setting (shared/reference): U-Net of width 8, crops of 72x96 from 90x120, batch 8 + 8, 2000
  // steps.
  'camvid-reference': {
    data: 'camvid',
    args: [
      ...[
        '--labels',
        'labeled_1_8',
        '--size',
        '90x120',
        '--crop',
        '72x96',
        '--width',
        '8',
        '--batch',
        '8',
        '--steps',
        '2000',
        '--eval-every',
        '500',
        '--judge',
      ],
      ...set(...TOGETHER, 'fixmatch.classwise=0.95', 'pseudoseg.background=null'),
    ],
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string', default: '../shared/data' },
    schemes: { type: 'string', default: schemeNames().join() },
    seeds: { type: 'string', default: '3' },
    again: { type: 'boolean', default: false },
  },
});
const schemes = values.schemes.split(',');
const strange = schemes.find((s) => !schemeNames().includes(s));
if (strange) throw new Error(`there is no scheme ${strange}; there are ${schemeNames().join(', ')}`);
const unknown = positionals.find((n) => !(n in EXPERIMENTS));
if (unknown) throw new Error(`there is no experiment ${unknown}; there are ${Object.keys(EXPERIMENTS).join(', ')}`);

/**
 * A run as it is kept: with its command, which identifies it; without curves and pictures, which stay in the report.
 * Of the pseudo-labels the last counts are kept, for the tables.
 */
type Kept = RunRecord & { command: string };
const kept = ({ steps, evals, ...run }: Kept): Kept => ({
  ...run,
  steps: steps.filter((s) => s.accepted !== undefined).slice(-1),
  pictures: [],
  evals: evals.map((e) => ({ ...e, confusion: [] })),
});

for (const name of positionals.length ? positionals : Object.keys(EXPERIMENTS)) {
  const { data, first, args } = EXPERIMENTS[name];
  const folder = join(values.data, data);
  const out = join('runs/results', name);
  const json = `bench/results/${name}.json`;
  if (!existsSync(folder)) {
    console.log(`${name}: skipped, ${folder} is absent`);
    continue;
  }
  if (values.again) rmSync(out, { recursive: true, force: true });
  mkdirSync('runs/results', { recursive: true });
  mkdirSync('bench/results', { recursive: true });
  if (first)
    writeFileSync(
      `${out}.txt`,
      readFileSync(join(folder, 'ImageSets/Segmentation', `${first[0]}.txt`), 'utf8')
        .split('\n')
        .slice(0, first[1])
        .join('\n'),
    );
  const options = [...(first ? ['--labels', `${out}.txt`] : []), ...args];
  const command = shellWords(['fewmask', 'compare', data, ...options]);
  // Settings of other schemes do not matter to a run.
  const others = (option: string, scheme: string): boolean =>
    schemeNames().some((s) => s !== scheme && option.startsWith(`${s}.`));
  const commandOf = (scheme: string, seed: number): string =>
    shellWords([
      'fewmask',
      'compare',
      data,
      ...options.filter((o, i) => !others(o, scheme) && !(o === '--set' && others(options[i + 1], scheme))),
      '--schemes',
      scheme,
      '--seeds',
      '1',
      '--first-seed',
      `${seed}`,
    ]);
  const before: { runs: Kept[] } = existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : { runs: [] };
  const again = (r: Kept): boolean => values.again && schemes.includes(r.scheme) && r.seed < Number(values.seeds);
  const runs = before.runs.filter((r) => r.command === commandOf(r.scheme, r.seed) && !again(r));
  for (let seed = 0; seed < Number(values.seeds); seed++) {
    for (const scheme of schemes) {
      if (runs.some((r) => r.scheme === scheme && r.seed === seed)) continue;
      const run = spawnSync(
        process.execPath,
        [
          'dist/fewmask.mjs',
          'compare',
          folder,
          ...options,
          '--schemes',
          scheme,
          '--seeds',
          '1',
          '--first-seed',
          `${seed}`,
          '--out',
          out,
          '--resume',
        ],
        { stdio: ['inherit', 'ignore', 'inherit'] },
      );
      if (run.status !== 0) process.exit(run.status ?? 1);
      runs.push({
        ...JSON.parse(readFileSync(join(out, 'comparison.json'), 'utf8')).runs[0],
        command: commandOf(scheme, seed),
      });
      // In the order of the table, also where one was made again.
      runs.sort((a, b) => a.seed - b.seed || schemeNames().indexOf(a.scheme) - schemeNames().indexOf(b.scheme));
      const all: Comparison = {
        title: name,
        command,
        date: new Date().toISOString().slice(0, 10),
        adapter: [...new Set(runs.map((r) => r.adapter))].join('; '),
        dataset: data,
        runs,
      };
      writeFileSync(json, lined({ ...all, runs: runs.map(kept) }));
      writeFileSync(`bench/results/${name}.md`, markdownReport(all));
      writeFileSync(join(out, 'report.html'), htmlReport(all));
    }
  }
}
