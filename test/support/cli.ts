// Runs the built command line as a user would.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BUNDLE = fileURLToPath(new URL('../../dist/fewmask.mjs', import.meta.url));

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  /** Without Dawn's own warnings. */
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Looks at stderr as it grows; may signal the process. */
  watch?(stderr: string, kill: (signal: NodeJS.Signals) => void): void;
}

/** Runs `fewmask ARGS`; ends it after three minutes. */
export function fewmask(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BUNDLE, ...args], {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (d) => (stdout += d));
    child.stderr.on('data', (d) => {
      stderr += d;
      options.watch?.(stderr, (signal) => child.kill(signal));
    });
    const late = setTimeout(() => child.kill('SIGKILL'), 180_000);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(late);
      resolve({
        code,
        signal,
        stdout,
        stderr: stderr
          .split('\n')
          .filter((l) => !/^Warning: maxDynamic/.test(l))
          .join('\n'),
      });
    });
  });
}

/** A run of a second or two on the built-in set. */
export const TINY = [
  'builtin',
  '--builtin-images',
  '12',
  '--labels',
  '4',
  '--val',
  '4',
  '--test',
  '4',
  '--size',
  '24x32',
  '--crop',
  '24x32',
  '--width',
  '4',
  '--depth',
  '2',
  '--batch',
  '2',
  '--eval-every',
  '6',
];
