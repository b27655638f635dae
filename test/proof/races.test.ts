// Every kernel with workgroup memory goes through the race detector: here, or in the test of its operation.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { races, type RaceCase } from '../support/races.ts';
import { sharingEntries } from './shared.ts';

const tests = resolve(dirname(fileURLToPath(import.meta.url)), '..');

const N = 13;
const numbers = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(1 + i));
const ids = Int32Array.from({ length: N }, (_, i) => i % 3);

/**
 * Those that no operation's test has. They count by atomics, whose accesses stay free of races without a barrier, too.
 */
const CASES: RaceCase[] = [
  {
    shader: 'classThreshold',
    entry: 'sums',
    constants: { WG: 8, LOCAL: 16 },
    data: { labels: ids, confidence: numbers(N).map(Math.abs), partials: new Uint32Array(6) },
    params: { n: N, c: 3, items: 2, groups: 1, decay: 0.9, tau: 0.8 },
  },
  {
    shader: 'orderStatistic',
    entry: 'histogram',
    constants: { WG: 8 },
    data: { x: numbers(N), valid: numbers(N), bins: new Uint32Array(256), state: new Uint32Array(6) },
    params: { n: N, items: 2, shift: 24, rank: 3, share: -1 },
  },
];

for (const c of CASES) test(`${c.shader}.${c.entry}`, () => assert.equal(races(c), []));

test('the detector notices what the cases would miss without their barriers', () => {
  // What is read after the barrier is not an atomic here.
  const c = CASES[0];
  assert.ok(
    races(c, (code) =>
      code
        .replace('workgroupBarrier();', '')
        .replace('atomic<u32>', 'u32')
        .replace('atomicAdd(&pixels[y], 1u)', 'pixels[y] += 1u')
        .replace('atomicLoad(&pixels[c])', 'pixels[c]'),
    ).length > 0,
  );
});

test('no kernel with workgroup memory is without a case', () => {
  const files = (readdirSync(tests, { recursive: true }) as string[])
    .filter((f) => f.endsWith('.ts'))
    .map((f) => readFileSync(join(tests, f), 'utf8'))
    .filter((text) => text.includes("support/races.ts'"));
  // A case of the detector has `data`, where a launch on a device has `bindings`.
  const covered = new Set(
    files.flatMap((text) =>
      [...text.matchAll(/shader: '(\w+)',\s+entry: '(\w+)',(?:(?!shader:)[^;])*?\bdata\b/g)].map(
        (m) => `${m[1]}.${m[2]}`,
      ),
    ),
  );
  // The detector has neither f16 nor subgroup matrices; what lanes share there, and the barriers between, is as in
  // conv2dTiles.wgsl.
  const sharing = sharingEntries().filter((e) => !e.startsWith('conv2dMatrix.'));
  assert.ok(sharing.length > 20);
  assert.equal(
    sharing.filter((e) => !covered.has(e)),
    [],
  );
});

test.run();
