// The search over options: its points, and a whole search from the command line.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gridPoints, parseVaried, pointText, randomPoints } from '../../src/cli/varied.ts';
import { fewmask, TINY } from '../support/cli.ts';
import { says } from '../support/errors.ts';
import { tempFolder } from '../support/files.ts';

test('values: numbers, text, lists and objects; ranges', () => {
  assert.equal(parseVaried('tau=0.8,0.9'), { key: 'tau', values: [0.8, 0.9] });
  assert.equal(parseVaried('groups=joint,[["l"],["w","s"]],null'), {
    key: 'groups',
    values: ['joint', [['l'], ['w', 's']], null],
  });
  assert.equal(parseVaried('strong={"hue":0.1,"grey":0},{"randaugment":{}}').values, [
    { hue: 0.1, grey: 0 },
    { randaugment: {} },
  ]);
  assert.equal(parseVaried('lr=0.001..0.1'), { key: 'lr', range: [0.001, 0.1] });
  for (const wrong of ['tau', 'tau=', '=1', 'lr=2..1', 'lr=1..1'])
    assert.throws(() => parseVaried(wrong), says(/--vary/));
});

test('a grid has every combination, drawn points repeat and are nested', () => {
  const grid = gridPoints(['a=1,2', 'b=x,y,z'].map(parseVaried));
  assert.equal(grid.map(pointText), ['a=1 b=x', 'a=1 b=y', 'a=1 b=z', 'a=2 b=x', 'a=2 b=y', 'a=2 b=z']);
  assert.throws(() => gridPoints([parseVaried('lr=0.1..1')]), says(/--random/));
  const varied = ['lr=0.001..0.1', 'tau=0.8..0.9', 'up=bilinear,transpose'].map(parseVaried);
  const drawn = randomPoints(varied, 200, 4);
  assert.equal(randomPoints(varied, 20, 4), drawn.slice(0, 20));
  assert.not.equal(randomPoints(varied, 20, 5), drawn.slice(0, 20));
  const rates = drawn.map((p) => p.lr as number);
  assert.ok(rates.every((v) => v >= 0.001 && v <= 0.1));
  // By the logarithm: half of them below the geometric mean.
  const low = rates.filter((v) => v < 0.01).length;
  assert.ok(low > 70 && low < 130, `${low} of 200`);
  assert.ok(drawn.every((p) => (p.tau as number) >= 0.8 && (p.tau as number) <= 0.9));
  assert.is(new Set(drawn.map((p) => p.up)).size, 2);
});

test('a search ranks its runs by val, keeps the best settings, and continues', async () => {
  const out = join(tempFolder(), 'sweep');
  const args = ['sweep', ...TINY, '--steps', '8', '--optimizer', 'adamw', '--scheme', 'fixmatch', '--out', out];
  const vary = ['--vary', 'tau=0.5,0.9', '--vary', 'lr=0.0001,0.02'];
  const r = await fewmask([...args, ...vary, '--json']);
  assert.is(r.code, 0, r.stderr);
  const ranked = JSON.parse(r.stdout) as { run: number; point: Record<string, number>; best: number }[];
  assert.is(ranked.length, 4);
  assert.ok(ranked.every((row, i) => i === 0 || row.best <= ranked[i - 1].best));
  const best = JSON.parse(readFileSync(join(out, 'best.json'), 'utf8')) as {
    optimizer: { lr: number };
    options: { tau: number };
  };
  assert.equal([best.options.tau, best.optimizer.lr], [ranked[0].point.tau, ranked[0].point.lr]);
  assert.match(readFileSync(join(out, 'table.txt'), 'utf8'), /best +last +options\n.*tau=0\.\d lr=/);
  const record = JSON.parse(readFileSync(join(out, '0', 'record.json'), 'utf8')) as { last: { split: string }[] };
  assert.equal(
    record.last.map((e) => e.split),
    ['val'],
  );
  const before = statSync(join(out, '0', 'record.json')).mtimeMs;
  const again = await fewmask([...args, ...vary, '--resume', '--json']);
  assert.equal(JSON.parse(again.stdout), ranked);
  assert.is(statSync(join(out, '0', 'record.json')).mtimeMs, before);
  const trained = await fewmask(['train', ...TINY, '--config', join(out, 'best.json'), '--out', join(out, 'again')]);
  assert.is(trained.code, 0, trained.stderr);
});

test('what cannot be searched is refused before anything runs', async () => {
  const out = join(tempFolder(), 'sweep');
  const args = ['sweep', ...TINY, '--steps', '8', '--out', out];
  assert.match((await fewmask(args)).stderr, /nothing is varied/);
  assert.match((await fewmask([...args, '--vary', 'nothing=1,2'])).stderr, /no option "nothing"/);
  assert.match((await fewmask([...args, '--vary', 'tau=0.9,-1'])).stderr, /tau is -1/);
  assert.not.ok(existsSync(join(out, '0')));
});

test.run();
