// Runs the parts of the bundle, started by run.sh: finds a place for results and the driver, then doctor, check,
// benchmark or training, each in a process of its own.

import { spawnSync } from 'node:child_process';
import {
  accessSync,
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findDriver, tries, type Adapter, type Try } from './driver.ts';

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const USAGE =
  'usage: sh run.sh [--out FOLDER] [doctor | check | bench | train | fewmask] [options of that part]\n ' +
  '      without a part: doctor, check, bench. README.txt beside run.sh says more.';
const PARTS = ['doctor', 'check', 'bench', 'train', 'fewmask'];

/** The first folder that can be written to, made. */
function writable(...folders: (string | undefined)[]): string {
  for (const folder of folders) {
    if (!folder) continue;
    try {
      mkdirSync(folder, { recursive: true });
      accessSync(folder, constants.W_OK);
      return folder;
    } catch {
      // The next one, then.
    }
  }
  console.error(`none of these folders can be written to: ${folders.filter(Boolean).join(', ')}`);
  process.exit(1);
}

const args = process.argv.slice(2);
let asked: string | undefined;
if (args[0] === '--out') {
  if (!args[1]) {
    console.error(USAGE);
    process.exit(2);
  }
  asked = args[1];
  args.splice(0, 2);
}
if (args[0] === '--help' || (args.length && !PARTS.includes(args[0]))) {
  (args[0] === '--help' ? console.log : console.error)(USAGE);
  process.exit(args[0] === '--help' ? 0 : 2);
}

const own = `fewmask-bench-${process.getuid?.()}`;
const out = asked
  ? writable(asked)
  : writable(
      process.env.OUT,
      join(here, 'results'),
      join(process.cwd(), 'fewmask-results'),
      join(tmpdir(), own, 'results'),
    );
const cache = writable(
  process.env.FEWMASK_CACHE,
  join(here, 'cache'),
  join(tmpdir(), own, 'cache'),
  join(out, 'cache'),
);
const temporary = writable(tmpdir(), join(cache, 'tmp'));

const base: NodeJS.ProcessEnv = {
  ...process.env,
  FEWMASK_CACHE: cache,
  XDG_CACHE_HOME: cache,
  FEWMASK_BENCH_ROOT: here,
  TMPDIR: temporary,
  // The caches of compiled shaders of NVIDIA's driver and of Mesa.
  __GL_SHADER_DISK_CACHE_PATH: cache,
  MESA_SHADER_CACHE_DIR: cache,
  HOME: process.env.HOME && existsSync(process.env.HOME) ? process.env.HOME : cache,
};

const log = join(out, 'driver.txt');
writeFileSync(log, '');

/**
 * The adapter that an environment leads to, or why there is none; what the Vulkan loader says of drivers that it could
 * not load goes to driver.txt.
 */
function probe({ env }: Try): Adapter | string {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [join(here, 'bench/probe.mjs')], {
    env: { ...base, ...env, VK_LOADER_DEBUG: 'error,warn' },
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 2 ** 24,
  });
  const said = stderr.split('\n').filter((line) => line.trim() && !line.startsWith('Warning: max'));
  appendFileSync(
    log,
    said
      .slice(0, 40)
      .map((line) => `    ${line.slice(0, 300)}\n`)
      .join(''),
  );
  const line = stdout.split('\n').find((l) => l.startsWith('{'));
  if (!line) return `Dawn ended with ${signal ?? `exit code ${status}`}`;
  const answer = JSON.parse(line) as Adapter | { error: string };
  return 'error' in answer ? answer.error : answer;
}

/** Runs a program of the bundle, its output shown and kept. @returns its exit code */
function run(script: string, given: string[], file?: string): number {
  const target = file && join(out, file);
  // Standard output is shown when it has ended, progress at once.
  const fd = target ? openSync(target, 'w+') : null;
  const { status, signal } = spawnSync(process.execPath, [join(here, script), ...given], {
    env,
    stdio: ['inherit', fd ?? 'inherit', 'inherit'],
    cwd: target ? out : process.cwd(),
  });
  if (fd !== null) {
    const chunk = Buffer.alloc(1 << 16);
    for (let at = 0, n = 1; n > 0; at += n)
      process.stdout.write(chunk.subarray(0, (n = readSync(fd, chunk, 0, chunk.length, at))).toString());
    closeSync(fd);
  }
  if (signal) console.error(`${script} was ended by ${signal}`);
  return status ?? 1;
}

const { chosen, adapter } = findDriver(
  tries({ carried: join(here, 'lib'), cache, libraries: process.env.LD_LIBRARY_PATH ?? '' }),
  probe,
  (line) => appendFileSync(log, `${line}\n`),
);
const env: NodeJS.ProcessEnv = { ...base, ...chosen.env };
console.error(
  `adapter: ${adapter ? `${adapter.description} (${adapter.kind}; ${chosen.why})` : `none; ${log} says what was tried`}`,
);
if (adapter?.kind !== 'hardware' && existsSync('/dev/nvidiactl')) {
  console.error(
    `There is an NVIDIA GPU, but its Vulkan driver was not found or does not load: ${log} says why. In a ` +
      'container: NVIDIA_DRIVER_CAPABILITIES=all; else VK_DRIVER_FILES=.../nvidia_icd.json',
  );
}
console.error(`results: ${out}`);
if (!adapter) process.exit(1);

const doctor = (): number => run('dist/fewmask.mjs', ['doctor'], 'doctor.txt');
const check = (more: string[]): number =>
  run('bench/gpu.mjs', ['--check', '--json', join(out, 'check.json'), ...more], 'check.txt');
const bench = (more: string[]): number => run('bench/gpu.mjs', ['--json', join(out, 'gpu.json'), ...more], 'gpu.txt');
const TRAINING = [
  'compare',
  'builtin',
  '--seeds',
  '1',
  '--builtin-images',
  '120',
  '--labels',
  '12',
  '--val',
  '24',
  '--test',
  '48',
  '--size',
  '48x64',
  '--crop',
  '48x64',
  '--width',
  '8',
  '--batch',
  '4',
  '--optimizer',
  'adamw',
  '--lr',
  '0.004',
  '--steps',
  '120',
  '--eval-every',
  '40',
  '--set',
  'fixmatch.tau=0.8',
  '--set',
  'fixmatch.groups=separate',
];

const [part, ...rest] = args;
let code: number;
if (part === 'doctor') code = doctor();
else if (part === 'check') code = check(rest);
else if (part === 'bench') code = bench(rest);
else if (part === 'train') {
  rmSync(join(out, 'train'), { recursive: true, force: true });
  code = run('dist/fewmask.mjs', [...TRAINING, '--out', join(out, 'train'), ...rest]);
} else if (part === 'fewmask') code = run('dist/fewmask.mjs', rest);
else code = doctor() || Math.max(check([]), bench([]));
process.exitCode = code;
