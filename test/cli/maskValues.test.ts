// Black-and-white masks on the command line: trained, scored, resumed, compared as two classes; unclear ones refused.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fewmask } from '../support/cli.ts';
import { jpeg, mask, removeFolders, tempFolder, write } from '../support/files.ts';

let out = '';
test.before(() => {
  out = tempFolder();
});
test.after(removeFolders);

const SHORT = ['--scheme', 'supervised', '--steps', '2', '--crop', '8', '--width', '4', '--depth', '2', '--batch', '1'];

/** Plain folders of six images; the values of a mask are given, or depend on its number. */
async function folders(values: (i: number) => number | readonly number[]): Promise<string[]> {
  const root = tempFolder();
  for (let i = 0; i < 6; i++) write(root, { [`in/m${i}.jpg`]: await jpeg(30 * i), [`out/m${i}.png`]: mask(values(i)) });
  return ['--images', join(root, 'in'), '--masks', join(root, 'out')];
}

const dataOf = (run: string): Record<string, unknown> => JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')).data;

test('black and white: two classes in training, scoring and resuming, on the same folder and on others', async () => {
  const run = join(out, 'white');
  const data = await folders(() => [0, 255, 0]);
  const line = /the 6 masks hold the values 0, 255 only, read as 2 classes: 0 as class 0, 255 as class 1/;
  const trained = await fewmask(['train', ...data, '--val', '2', '--classes', '2', ...SHORT, '--out', run]);
  assert.is(trained.code, 0, trained.stderr);
  assert.match(trained.stderr, line);
  assert.is(dataOf(run).maskValues, '0:0,255:1');

  const pixels = async (...args: string[]): Promise<number[]> => {
    const scored = await fewmask(['eval', ...args, '--model', run, '--json']);
    assert.is(scored.code, 0, scored.stderr);
    const [a, b, c, d] = JSON.parse(scored.stdout).confusion as number[];
    return [a + b, c + d];
  };
  assert.equal(await pixels(), [2 * 64, 2 * 32]);
  assert.equal(await pixels(...data, '--val', '100%'), [6 * 64, 6 * 32]);
  // All white: no rule but that of the training reads it.
  assert.equal(await pixels(...(await folders(() => 255)), '--val', '100%'), [0, 6 * 96]);
  assert.equal(await pixels(...(await folders(() => [0, 1, 0])), '--val', '100%'), [6 * 64, 6 * 32]);
  const beyond = await fewmask(['eval', ...(await folders((i) => i)), '--val', '100%', '--model', run]);
  assert.is(beyond.code, 1);
  assert.match(beyond.stderr, /error: .*has class id 2, but there are 2 classes/);

  const again = await fewmask(['train', '--resume', '--out', run, '--steps', '2']);
  assert.is(again.code, 0, again.stderr);
  for (const values of ['ids', '255,0']) {
    const other = await fewmask(['train', '--resume', '--out', run, '--mask-values', values]);
    assert.is(other.code, 2, other.stderr);
    assert.match(other.stderr, /was started with maskValues "0:0,255:1", not "/);
  }
});

test('a comparison is resumed by the values that it found', async () => {
  const data = [...(await folders((i) => (i % 2 ? [0, 128] : 0))), '--val', '2'];
  const folder = join(out, 'compare');
  const args = ['compare', ...data, '--schemes', 'supervised', '--seeds', '1', ...SHORT.slice(2), '--out', folder];
  const first = await fewmask(args);
  assert.is(first.code, 0, first.stderr);
  assert.match(first.stderr, /0 as class 0, 128 as class 1/);
  const second = await fewmask([...args, '--resume']);
  assert.is(second.code, 0, second.stderr);
  assert.match(second.stderr, /supervised seed 0: done before/);
});

test('a score on one class is told, in words and beside JSON', async () => {
  const run = join(out, 'flat');
  const data = await folders(() => 1);
  const trained = await fewmask(['train', ...data, '--val', '2', '--classes', '2', ...SHORT, '--out', run]);
  assert.is(trained.code, 0, trained.stderr);
  assert.match(trained.stderr, /only class 1 occurs in the 6 masks/);
  assert.match(trained.stderr, /warning: val images: only "class 1" occurs in the masks/);
  assert.match(trained.stdout, /val mIoU .*; only "class 1" occurs in the masks: the score says nothing/);
  const scored = await fewmask(['eval', '--model', run]);
  assert.match(scored.stdout, /only "class 1" occurs in the masks/);
  const json = await fewmask(['eval', '--model', run, '--json']);
  assert.match(json.stderr, /warning: val: only "class 1" occurs/);
});

test('what is unclear is refused before a GPU is opened, and settled by --mask-values', async () => {
  const holes = await folders((i) => [0, 1, i === 3 ? 254 : 1]);
  for (const command of [
    ['train', ...SHORT, '--out', join(out, 'holes')],
    ['compare', '--out', join(out, 'holes')],
  ]) {
    const run = await fewmask([...command, ...holes]);
    assert.is(run.code, 1, run.stderr);
    assert.match(run.stderr, /error: the 6 masks hold 0 \(.*254 \(32 pixels, 1 mask: .*m3\.png\)/);
    assert.match(run.stderr, /--mask-values 0,1,254.*--classes 255/);
    assert.not.match(run.stderr, /adapter/);
  }
  const seen = await fewmask(['inspect', ...holes]);
  assert.is(seen.code, 1);
  assert.match(seen.stdout, /mask values: 0 .*; 254 \(.*, 1 mask\)\n[\s\S]*error: the 6 masks hold 0 /);
  const settled = await fewmask(['inspect', ...holes, '--mask-values', '0:0,1:1,254:ignore', '--val', '1']);
  assert.is(settled.code, 0, settled.stdout);
  assert.match(settled.stdout, /254 \(.*\) is ignored/);
  const wrong = await fewmask(['train', ...holes, '--mask-values', '0;1']);
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, /mask values "0;1": "0;1" is not a number or a range — list the value of each class/);
});

test.run();
