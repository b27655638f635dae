// --pretrained from the command line: it reports what was loaded, and refuses an incomplete encoder unless that is
// allowed.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fewmask } from '../support/cli.ts';

const SMALL = [
  ...[
    'builtin',
    '--builtin-images',
    '20',
    '--labels',
    '4',
    '--val',
    '2',
    '--test',
    '2',
    '--size',
    '24x32',
    '--crop',
    '24x32',
  ],
  ...['--width', '4', '--batch', '2', '--steps', '2', '--eval-every', '2'],
];

test('weights of a run start another one; of another depth they are incomplete', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fewmask-pretrained-'));
  const train = (out: string, ...args: string[]) => fewmask(['train', ...SMALL, '--out', join(folder, out), ...args]);
  try {
    assert.is((await train('first', '--depth', '2')).code, 0);
    const given = ['--pretrained', join(folder, 'first/last.safetensors')];
    const same = await train('same', '--depth', '2', '--scheme', 'cps', ...given);
    assert.is(same.code, 0, same.stderr);
    const told = `${same.stdout}${same.stderr}`.match(/pretrained: .*/g);
    assert.equal(
      told,
      ['pretrained: 20 of 20 tensors of the encoder loaded, 10 of 10 of the other layers'],
      'once for two networks',
    );
    const deeper = await train('deeper', '--depth', '3', ...given);
    assert.is(deeper.code, 1);
    assert.match(
      deeper.stderr,
      /have 20 of 30 tensors of the encoder; enc2\.0\.conv\.weight, .* 6 more are missing.*--pretrained-partial/,
    );
    const wanted = await train('wanted', '--depth', '3', '--pretrained-partial', ...given);
    assert.is(wanted.code, 0, wanted.stderr);
    assert.match(
      `${wanted.stdout}${wanted.stderr}`,
      /20 of 30 tensors of the encoder loaded.*; random: enc2\.0\.conv\.weight/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
