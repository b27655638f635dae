// Time from the start of a process to its first finished training step: with an empty cache of compiled shaders, and
// with the cache that this left.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EngineName } from './engine.ts';
import type { Report, Result } from './report.ts';

const TIMES = 3;
const TRAINING: readonly EngineName[] = ['fewmask', 'tfjs', 'jax-js'];

/** Milliseconds of a process that takes one step and ends. */
function processMs(engine: EngineName, env: NodeJS.ProcessEnv): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL('firstStep.mjs', import.meta.url)), engine],
    { env: { ...process.env, ...env }, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr.split('\n').slice(-3).join(' '));
  return performance.now() - start;
}

/** The two cases for each engine that trains. */
export function firstSteps(
  engines: readonly EngineName[],
  only: RegExp | undefined,
  say: (line: string) => void,
): Report['cases'] {
  const cold: Result[] = [];
  const warm: Result[] = [];
  if (only && !only.test('first-step-cold') && !only.test('first-step-warm')) return [];
  for (const engine of TRAINING.filter((e) => engines.includes(e))) {
    say(`  first step: ${engine}`);
    const times: [number[], number[]] = [[], []];
    try {
      for (let i = 0; i < TIMES; i++) {
        const folder = mkdtempSync(join(tmpdir(), 'fewmask-shaders-'));
        const env = { MESA_SHADER_CACHE_DIR: folder, XDG_CACHE_HOME: folder };
        times[0].push(processMs(engine, env));
        times[1].push(processMs(engine, env));
        rmSync(folder, { recursive: true, force: true });
      }
      for (const [list, t] of [
        [cold, times[0]],
        [warm, times[1]],
      ] as const) {
        const s = [...t].sort((a, b) => a - b);
        list.push({
          engine,
          median_ms: s[s.length >> 1],
          min_ms: s[0],
          max_ms: s.at(-1),
          samples: s.length,
          dropped: 0,
        });
      }
    } catch (error) {
      for (const list of [cold, warm]) list.push({ engine, why: `failed: ${(error as Error).message}` });
    }
  }
  return [
    ['first-step-cold', cold],
    ['first-step-warm', warm],
  ].map(([name, results]) => ({ name: name as string, flops: 0, bytes: 0, results: results as Result[] }));
}
