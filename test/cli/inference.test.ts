// What a run leaves and how it is looked at from the command line: moving averages, ensembles, windows, scales.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fewmask, TINY } from '../support/cli.ts';
import { tempFolder } from '../support/files.ts';

const DATA = TINY.slice(0, 11);
const RUN = [...TINY, '--steps', '6'];
const score = async (args: string[]): Promise<number> => {
  const r = await fewmask(['eval', ...DATA, ...args, '--json']);
  assert.is(r.code, 0, r.stderr);
  return (JSON.parse(r.stdout) as { miou: number }).miou;
};

test('a moving average: in the log, the scores, a file of its own; a run without one says so', async () => {
  const out = join(tempFolder(), 'run');
  const r = await fewmask(['train', ...RUN, '--scheme', 'supervised', '--ema', '0.5', '--out', out]);
  assert.is(r.code, 0, r.stderr);
  assert.match(r.stderr, /val mIoU [\d.]+ % \(moving average [\d.]+ %\)/);
  assert.match(r.stdout, /moving average: val mIoU/);
  assert.ok(existsSync(join(out, 'ema.safetensors')));
  assert.is.not(await score(['--model', out, '--weights', 'ema']), await score(['--model', out, '--weights', 'last']));

  const plain = join(tempFolder(), 'run');
  await fewmask(['train', ...RUN, '--scheme', 'supervised', '--out', plain]);
  const none = await fewmask(['eval', ...DATA, '--model', plain, '--weights', 'ema']);
  assert.is(none.code, 1);
  assert.match(none.stderr, /has no moving average of its weights — train with --ema 0\.99/);
});

test('networks that vote are one model to eval and predict', async () => {
  const out = join(tempFolder(), 'run');
  const r = await fewmask(['train', ...RUN, '--scheme', 'n-cps', '--set', 'voting=hard', '--json', '--out', out]);
  assert.is(r.code, 0, r.stderr);
  const { last } = JSON.parse(r.stdout) as { last: { split: string; miou: number }[] };
  assert.is(await score(['--model', out, '--weights', 'last']), last.find((e) => e.split === 'val')!.miou);
});

test('eval through windows, at several sizes and mirrored', async () => {
  const out = join(tempFolder(), 'run');
  // Until it predicts several classes.
  const longer = [...TINY, '--steps', '200', '--optimizer', 'adamw', '--lr', '0.01'];
  await fewmask(['train', ...longer, '--scheme', 'supervised', '--out', out]);
  const whole = await score(['--model', out]);
  assert.is(await score(['--model', out, '--window', '64']), whole);
  assert.is.not(await score(['--model', out, '--window', '16']), whole);
  assert.is.not(await score(['--model', out, '--scales', '0.75,1,1.5', '--flip']), whole);
  const wrong = await fewmask(['eval', ...DATA, '--model', out, '--scales', '0']);
  assert.match(wrong.stderr, /give positive factors/);
});

test('losses of labelled pixels by flags; what does not fit is refused before anything runs', async () => {
  const out = join(tempFolder(), 'run');
  const flags = ['--labelled-loss', 'ce+dice', '--class-weights', 'median'];
  const r = await fewmask(['train', ...RUN, ...flags, '--out', out]);
  assert.is(r.code, 0, r.stderr);
  const wrong = await fewmask(['train', ...RUN, '--class-weights', '1,2', '--out', join(out, 'x')]);
  assert.match(wrong.stderr, /2 class weights for \d classes/);
  assert.match((await fewmask(['train', ...RUN, '--class-weights', '1,-2'])).stderr, /a positive number for each/);
  assert.match((await fewmask(['train', ...RUN, '--labelled-loss', 'x'])).stderr, /Allowed choices are ce, ohem/);
});

test.run();
