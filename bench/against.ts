// The engine against its own past: npm run bench -- --against COMMIT [--only PATTERN --rounds N --json FILE]
//
// Both commits are measured in turns, A B B A, so that a machine that warms up or slows down favours neither. A round
// is a process of its own; its time is its median, the ratio is that of the medians over the rounds.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { lined } from './json.ts';
import { median } from './measure.ts';
import type { Report } from './report.ts';

/** A case of which the two rounds-long series are further apart than this has become slower. */
const TOLERATED = 1.05;

const root = fileURLToPath(new URL('..', import.meta.url));
const flags = new Command('npm run bench -- --against COMMIT')
  .description('Times the engine here and at an earlier commit, in turns.')
  .requiredOption('--against <commit>')
  .option('--only <pattern>', 'cases whose name matches this regular expression', '.')
  .option(
    '--rounds <n>',
    'processes for each of the two',
    (text) => {
      if (!(Number.isInteger(Number(text)) && Number(text) > 0)) throw new InvalidArgumentError('give a whole number.');
      return Number(text);
    },
    6,
  )
  .option('--json <file>', 'write the result there')
  .parse()
  .opts<{ against: string; only: string; rounds: number; json?: string }>();

function run(cwd: string, command: string, args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status) throw new Error(`${command} ${args.join(' ')} in ${cwd}:\n${stdout}${stderr}`);
  return stdout.trim();
}

const commit = run(root, 'git', ['rev-parse', '--short', flags.against]);
const folder = mkdtempSync(join(tmpdir(), 'fewmask-against-'));
const old = join(folder, 'old');

function round(checkout: string): Report {
  const file = join(folder, 'round.json');
  run(checkout, process.execPath, [
    ...['--import', 'tsx', 'bench/main.ts', '--engines', 'fewmask', '--quick', '--json', file, '--only', flags.only],
  ]);
  return JSON.parse(readFileSync(file, 'utf8')) as Report;
}

try {
  run(root, 'git', ['worktree', 'add', '--detach', old, commit]);
  for (const modules of ['node_modules', 'bench/node_modules']) symlinkSync(join(root, modules), join(old, modules));
  run(old, 'npm', ['run', 'shaders']);
  const times = new Map<string, { old: number[]; now: number[] }>();
  let head: Report | undefined;
  for (let i = 0; i < flags.rounds; i++)
    for (const which of i % 2 ? (['now', 'old'] as const) : (['old', 'now'] as const)) {
      const report = round(which === 'old' ? old : root);
      head ??= report;
      for (const { name, results } of report.cases) {
        const ms = results.find(({ engine }) => engine === 'fewmask')?.median_ms;
        if (!times.has(name)) times.set(name, { old: [], now: [] });
        if (ms) times.get(name)![which].push(ms);
      }
      console.error(`round ${i + 1} of ${flags.rounds}: ${which}`);
    }
  const both = [...times].filter(([, t]) => t.old.length && t.now.length);
  const rows = both.map(([name, t]) => ({
    name,
    old_ms: median(t.old),
    now_ms: median(t.now),
    ratio: median(t.now) / median(t.old),
    /** Of the least times, which other work on the machine cannot make shorter. */
    ratio_of_least: Math.min(...t.now) / Math.min(...t.old),
  }));
  for (const r of rows)
    console.log(
      `${r.name.padEnd(28)} ${r.old_ms.toPrecision(3).padStart(8)} -> ${r.now_ms.toPrecision(3).padStart(8)} ms` +
        `   ${r.ratio.toFixed(2)} x, least times ${r.ratio_of_least.toFixed(2)} x`,
    );
  if (flags.json)
    writeFileSync(
      flags.json,
      lined({
        adapter: head!.adapter,
        command: `npm run bench -- ${process.argv.slice(2).join(' ')}`,
        old: commit,
        now: run(root, 'git', ['rev-parse', '--short', 'HEAD']),
        cases: rows,
      }),
    );
  const slower = rows.filter((r) => r.ratio > TOLERATED && r.ratio_of_least > TOLERATED);
  for (const r of slower) console.error(`${r.name} is slower: ${r.ratio.toFixed(2)} x the time at ${commit}`);
  process.exitCode = slower.length ? 1 : 0;
} finally {
  spawnSync('git', ['worktree', 'remove', '--force', old], { cwd: root });
  rmSync(folder, { recursive: true, force: true });
}
