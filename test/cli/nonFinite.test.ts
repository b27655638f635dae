// Runs that stop at a non-finite step, and files of non-finite weights: one clear line, and nothing broken on disk.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSafetensors, encodeSafetensors } from '../../runtime/io/safetensors.ts';
import { fewmask, TINY, type Ended } from '../support/cli.ts';
import { jpeg, removeFolders, tempFolder, write } from '../support/files.ts';

let out = '';
test.before(() => {
  out = tempFolder();
});
test.after(removeFolders);

const at = (name: string): string => join(out, name);

/** Runs a command that must fail with 1 and one line. */
async function fails(pattern: RegExp, args: readonly string[]): Promise<Ended> {
  const run = await fewmask(args);
  assert.is(run.code, 1, `${args.join(' ')}\n${run.stdout}${run.stderr}`);
  const errors = run.stderr.split('\n').filter((line) => line.startsWith('error:'));
  assert.is(errors.length, 1, run.stderr);
  assert.match(errors[0], pattern);
  assert.not.match(run.stderr, /\n\s+at /, 'no stack trace');
  return run;
}

/** Are all floats of a folder's safetensors files finite? */
function allFinite(folder: string): boolean {
  const files = readdirSync(folder).filter((f) => f.endsWith('.safetensors'));
  const tensors = files.flatMap((f) => [...decodeSafetensors(readFileSync(join(folder, f))).tensors.values()]);
  return tensors.every(({ data }) => !(data instanceof Float32Array) || data.every(Number.isFinite));
}

test('--lr 1e3: stops early; the checkpoint is kept, and the run continues with other settings', async () => {
  const folder = at('high');
  const run = await fails(
    /at step \d+ \(learning rate \d+\); the checkpoint after step 0 is kept — .*--lr 0\.02.*--clip 1.*--resume.*insp/,
    ['train', ...TINY, '--scheme', 'supervised', '--steps', '60', '--lr', '1e3', '--save-every', '0', '--out', folder],
  );
  const step = Number(/at step (\d+)/.exec(run.stderr)![1]);
  assert.ok(step < 30, run.stderr);
  const logged = readFileSync(join(folder, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(
    logged.map((p) => p.step),
    Array.from({ length: step - 1 }, (_, i) => i + 1),
  );
  assert.ok(logged.every((p) => Number.isFinite(p.loss)));
  assert.ok(allFinite(folder) && !existsSync(join(folder, 'last.safetensors')));

  // Other settings than those of the update are refused as ever.
  const other = await fewmask(['train', '--out', folder, '--resume', '--lr', '0.05', '--steps', '50']);
  assert.is(other.code, 2);
  assert.match(other.stderr, /was started with steps 60, not 50/);
  const decay = await fewmask(['train', '--out', folder, '--resume', '--lr', '0.05', '--weight-decay', '0.5']);
  assert.match(decay.stderr, /was started with optimizer .*"lr":1000.*"weightDecay":0\.0001.*, not .*0\.5/);
  const rest = await fewmask(['train', '--out', folder, '--resume', '--lr', '0.05', '--clip', '1', '--json']);
  assert.is(rest.code, 0, rest.stderr);
  assert.match(rest.stderr, /after step 0 with learning rate 0\.05 instead of 1000, gradient clipping 1 instead/);
  const record = JSON.parse(rest.stdout);
  assert.is(record.steps.length, 60);
  assert.ok(allFinite(folder) && existsSync(join(folder, 'last.safetensors')));
  // A run that is well again has to keep its settings.
  const again = await fewmask(['train', '--out', folder, '--resume', '--lr', '0.5']);
  assert.is(again.code, 2);
  assert.match(again.stderr, /was started with optimizer/);
});

test('--lr 1e30: no checkpoint yet, and the folder can be used again', async () => {
  const folder = at('absurd');
  const args = ['train', ...TINY, '--scheme', 'cps', '--out', folder];
  await fails(
    /at step [12] \(learning rate .*\); no checkpoint had been saved yet — .*--lr 0\.02.*--warmup 100.*start the run/,
    [...args, '--lr', '1e30', '--steps', '20'],
  );
  assert.ok(!existsSync(join(folder, 'checkpoint.json')));
  const again = await fewmask([...args, '--lr', '0.01', '--steps', '2', '--quiet']);
  assert.is(again.code, 0, again.stderr);
});

test('weights with NaN in a file: predict, eval, cam and --pretrained refuse them', async () => {
  const folder = at('run');
  const made = await fewmask(['train', ...TINY, '--scheme', 'supervised', '--steps', '2', '--out', folder]);
  assert.is(made.code, 0, made.stderr);
  const { tensors, metadata } = decodeSafetensors(readFileSync(join(folder, 'last.safetensors')));
  const broken = at('broken.safetensors');
  const photos = at('photos');
  const [name, { data }] = [...tensors].find(([key]) => key.endsWith('conv.weight'))!;
  data.set([NaN, Infinity], 1);
  writeFileSync(broken, encodeSafetensors(tensors, metadata));
  write(photos, { 'a.jpg': await jpeg(40) });
  const said = new RegExp(`broken.safetensors: 2 of ${data.length} values of ${name} are NaN or infinite`);
  for (const args of [
    ['eval', ...TINY.slice(0, 11), '--model', broken],
    ['predict', photos, '--model', broken, '--out', at('masks')],
    ['cam', photos, '--model', broken, '--out', at('cams')],
    ['train', ...TINY, '--steps', '2', '--pretrained', broken, '--out', at('further')],
  ])
    await fails(said, args);
});

test.run();
