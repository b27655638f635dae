// Comparisons from the command line.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fewmask, TINY } from '../support/cli.ts';
import { removeFolders, tempFolder } from '../support/files.ts';

// Not before the tests begin: those of other files remove what is there when they end.
let folder = '';
test.before(() => {
  folder = tempFolder();
});
test.after(removeFolders);
const at = (...parts: string[]): string => join(folder, ...parts);

test('compare writes a table, JSON and one HTML page, and is resumed by run', async () => {
  const args = [
    'compare',
    ...TINY,
    '--schemes',
    'supervised,fixmatch',
    '--seeds',
    '2',
    '--steps',
    '6',
    '--out',
    at('compare'),
    '--pictures',
    '1',
  ];
  const run = await fewmask(args);
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stdout, /Supervised.*\n.*FixMatch/);
  const html = readFileSync(at('compare', 'report.html'), 'utf8');
  assert.ok(html.includes('data:image/png') && !/(src|href)="http/.test(html));
  const record = readFileSync(at('compare', 'fixmatch-1', 'record.json'), 'utf8');
  const again = await fewmask([...args, '--resume', '--json']);
  assert.is(again.code, 0, again.stderr);
  assert.match(again.stderr, /\[4\/4\] fixmatch seed 1: done before/);
  const table = JSON.parse(again.stdout);
  assert.equal(
    table.schemes.map((s: { scheme: string; seeds: number[] }) => [s.scheme, s.seeds]),
    [
      ['supervised', [0, 1]],
      ['fixmatch', [0, 1]],
    ],
  );
  assert.not.match(again.stdout, /data:image/);
  assert.equal(JSON.parse(readFileSync(at('compare', 'table.json'), 'utf8')), table);
  assert.is(JSON.parse(readFileSync(at('compare', 'comparison.json'), 'utf8')).runs.length, 4);
  assert.is(readFileSync(at('compare', 'fixmatch-1', 'record.json'), 'utf8'), record);
  const other = await fewmask([...args, '--labels', '6', '--resume']);
  assert.is(other.code, 2, other.stderr);
  assert.match(other.stderr, /was started with labels "4", not "6"/);
});

test.run();
