// The preset of a scheme's options: which is taken when, what it says, and that what is asked for goes before it.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { schemes } from '../../src/schemes/index.ts';
import { fewmask, TINY } from '../support/cli.ts';
import { tempFolder } from '../support/files.ts';

const RUN = [...TINY, '--steps', '2'];

async function trained(args: string[]): Promise<{ folder: string; options: Record<string, unknown>; said: string }> {
  const folder = join(tempFolder(), 'run');
  const r = await fewmask(['train', ...RUN, ...args, '--out', folder]);
  assert.is(r.code, 0, r.stderr);
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { options: Record<string, unknown> };
  return { folder, options: config.options, said: r.stderr };
}

test('from scratch it is small, and a line says so; options that are asked for go first', async () => {
  const usual = await trained(['--scheme', 'cps']);
  assert.equal(usual.options, { weight: 0.1, ramp: 0.5 });
  assert.match(usual.said, /cps: from scratch, so with weight=0\.1, ramp=0\.5; --preset paper takes the published/);
  const own = await trained(['--scheme', 'cps', '--set', 'weight=2']);
  assert.equal(own.options, { weight: 2, ramp: 0.5 });
  assert.match(own.said, /so with ramp=0\.5;/);
  const strong = { randaugment: {} };
  const replaced = await trained(['--scheme', 'fixmatch', '--set', `strong=${JSON.stringify(strong)}`]);
  assert.equal(replaced.options.strong, strong);
});

test('the published options on request, and in silence', async () => {
  const paper = await trained(['--scheme', 'cps', '--preset', 'paper']);
  assert.equal(paper.options, {});
  assert.not.match(paper.said, /preset/);
});

test('settings of a run stay as they were: resumed, and given as a file', async () => {
  const first = await trained(['--scheme', 'fixmatch', '--preset', 'paper']);
  const again = await fewmask(['train', ...RUN, '--out', first.folder, '--resume']);
  assert.is(again.code, 0, again.stderr);
  const copied = await trained(['--config', join(first.folder, 'config.json')]);
  assert.equal(copied.options, {});
  const file = join(tempFolder(), 'steps.json');
  writeFileSync(file, JSON.stringify({ scheme: 'cps', evalEvery: 2 }));
  assert.equal((await trained(['--config', file])).options, { weight: 0.1, ramp: 0.5 });
});

test('every preset fits its scheme', () => {
  for (const { check, small } of schemes()) check(small);
});

test.run();
