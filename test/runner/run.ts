// npm test [-- PATTERN …], npm run test:quick: runs test files, each in a process of its own, so that a crash names its
// file.
//
//   PATTERN      files whose path matches one of these regular expressions (default: all)
//   --quick      files that need neither a GPU nor a browser nor the built command line
//   --jobs N     files that run at the same time (default 1: tests share the adapter)
//   --minutes N  most minutes for one file (default 15)
//
// Exit code 1 when a test fails, a file ends without a summary, or nothing matches.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { needsOf, testFiles } from './files.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SLOWEST = 10;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '15' },
  },
});
const jobs = Number(values.jobs);
const minutes = Number(values.minutes);
if (!(Number.isInteger(jobs) && jobs > 0 && minutes > 0)) {
  console.error('usage: npm test [-- PATTERN … --quick --jobs N --minutes N]');
  process.exit(2);
}

interface Result {
  file: string;
  seconds: number;
  passed: number;
  skipped: number;
  failed: number;
  /** What the process printed, when something is wrong. */
  trouble: string;
  /** Lines that say what was left out. */
  notes: string[];
}

/** Runs one file. @returns its counts, as uvu prints them */
function run(file: string): Promise<Result> {
  const start = performance.now();
  return new Promise((done) => {
    const child = spawn(process.execPath, ['--import', 'tsx', file], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (d: string) => (output += d));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, minutes * 60_000);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const text = stripVTControlCharacters(output);
      const count = (word: string): number =>
        [...text.matchAll(new RegExp(`^\\s+${word}:\\s+(\\d+)`, 'gm'))].reduce((n, m) => n + Number(m[1]), 0);
      const total = count('Total');
      const passed = count('Passed');
      const skipped = count('Skipped');
      const ended = late
        ? `took more than ${minutes} minutes`
        : signal
          ? `was ended by ${signal}`
          : total === 0
            ? 'ended without a summary'
            : null;
      const wrong = ended ?? (code !== 0 ? `ended with code ${code}` : null);
      const shown = output
        .split('\n')
        .filter((l) => !/^Warning: maxDynamic/.test(l))
        .join('\n')
        .trim();
      done({
        file,
        passed,
        skipped,
        failed: Math.max(total - passed - skipped, wrong ? 1 : 0),
        seconds: (performance.now() - start) / 1000,
        trouble: wrong ? `${file} ${wrong}\n${shown}\n` : '',
        notes: text.split('\n').filter((l) => /\bskipped\b/i.test(l) && !/^\s+Skipped:/.test(l)),
      });
    });
  });
}

const files = testFiles(root).filter((f) => positionals.length === 0 || positionals.some((p) => new RegExp(p).test(f)));
const chosen = values.quick ? files.filter((f) => needsOf(root, f).size === 0) : files;
if (chosen.length === 0) {
  console.error(`no test file matches ${positionals.join(' ')}`);
  process.exit(1);
}

const results: Result[] = [];
const left = [...chosen];
async function work(): Promise<void> {
  for (let file = left.shift(); file !== undefined; file = left.shift()) {
    const r = await run(file);
    results.push(r);
    const counts = `${r.passed} passed${r.skipped ? `, ${r.skipped} skipped` : ''}${r.failed ? `, ${r.failed} FAILED` : ''}`;
    console.log(
      `${String(results.length).padStart(String(chosen.length).length)}/${chosen.length}  ${r.file}  ${counts}  ${r.seconds.toFixed(1)} s`,
    );
    for (const note of r.notes) console.log(`    ${note}`);
    if (r.trouble) console.log(`\n${r.trouble}`);
  }
}
const begin = performance.now();
await Promise.all(Array.from({ length: Math.min(jobs, chosen.length) }, work));

const sum = (key: 'passed' | 'skipped' | 'failed'): number => results.reduce((n, r) => n + r[key], 0);
const slow = results.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
if (results.length > SLOWEST)
  console.log(`\nslowest files:\n${slow.map((r) => `  ${r.seconds.toFixed(1).padStart(6)} s  ${r.file}`).join('\n')}`);
const bad = results.filter((r) => r.trouble);
console.log(
  `\n${results.length} files, ${sum('passed')} passed, ${sum('skipped')} skipped, ${sum('failed')} ` +
    `failed, ${((performance.now() - begin) / 1000).toFixed(0)} s`,
);
if (bad.length > 0) console.log(`failed: ${bad.map((r) => r.file).join(', ')}`);
process.exitCode = bad.length > 0 ? 1 : 0;
