// The commands that look at the machine: doctor and tune.

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fewmask } from '../support/cli.ts';
import { removeFolders, tempFolder } from '../support/files.ts';

test.after(removeFolders);

test('doctor', async () => {
  const text = await fewmask(['doctor']);
  assert.is(text.code, 0, text.stderr);
  for (const word of ['adapter', 'GFLOPS', 'f16', 'subgroups', 'timestamps', 'maxBufferSize', 'cache'])
    assert.match(text.stdout, new RegExp(word));
  const none = await fewmask(['doctor', '--adapter', 'voodoo']);
  assert.is(none.code, 1);
  assert.match(none.stdout, /no adapter matches/);
});

test('tune keeps what won where later runs look for it', async () => {
  const cache = tempFolder();
  const small = ['tune', '--width', '4', '--depth', '2', '--crop', '16x24', '--batch', '2'];
  const first = await fewmask([...small, '--json'], { env: { FEWMASK_CACHE: cache } });
  assert.is(first.code, 0, first.stderr);
  const { adapter, before, after, choices, file } = JSON.parse(first.stdout) as {
    adapter: string;
    before: number;
    after: number;
    choices: Record<string, string>;
    file: string;
  };
  assert.ok(before > 0 && after > 0 && Object.keys(choices).length > 0, first.stdout);
  assert.equal(JSON.parse(readFileSync(file, 'utf8')), { [adapter]: choices });
  assert.is(dirname(file), cache);
  const again = await fewmask([...small, '--width', '8'], { env: { FEWMASK_CACHE: cache } });
  assert.match(again.stdout, /^step .* ms → .* ms; \d+ tuned kernels saved to /);
  assert.ok(
    Object.keys((JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>)[adapter]).length >
      Object.keys(choices).length,
    'what was known stays',
  );
  const deep = await fewmask(['tune', '--crop', '16x24', '--depth', '9']);
  assert.is(deep.code, 2, deep.stderr);
  assert.match(deep.stderr, /^error: .*depth is 9/m);
});

test.run();
