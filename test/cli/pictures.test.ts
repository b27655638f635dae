// How images are read is decided once, kept with the run, and the same wherever the network sees images.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel, saveModel } from '../../src/cli/store.ts';
import { fewmask } from '../support/cli.ts';
import { deep, jpeg, mask, removeFolders, tagged, tempFolder, write } from '../support/files.ts';

let root = '';
const at = (...parts: string[]): string => join(root, ...parts);
const SHORT = [
  '--steps',
  '2',
  '--crop',
  '8',
  '--width',
  '4',
  '--depth',
  '2',
  '--batch',
  '1',
  '--classes',
  '2',
  '--scheme',
  'supervised',
];
const plain = (): string[] => ['--images', at('in'), '--masks', at('out'), '--val', at('val.txt')];

/** Runs a command that must succeed. */
async function done(args: readonly string[], code = 0): Promise<{ stdout: string; stderr: string }> {
  const run = await fewmask(args);
  assert.is(run.code, code, `${args.join(' ')}\n${run.stderr}`);
  return run;
}

const sizeOf = async (file: string): Promise<string> =>
  sharp(file)
    .metadata()
    .then((m) => `${m.width}x${m.height}`);

// Masks lie on the rotated picture; 16-bit images use 12 bits.
test.before(async () => {
  root = tempFolder();
  write(root, {
    'in/phone.png': await tagged(6, 12, 8),
    'out/phone.png': mask([0, 1], 8, 12),
    'in/deep.png': deep([0, 4000]),
    'out/deep.png': mask([0, 1]),
    'in/free.jpg': await jpeg(3),
    'in/v.png': await tagged(6, 12, 8),
    'out/v.png': mask([0, 1], 8, 12),
    'val.txt': 'v\n',
    'new/square.jpg': await tagged(6, 8, 8, 'jpeg'),
    'new/tall.jpg': await tagged(8, 12, 8, 'jpeg'),
    'new/over.png': deep([0, 4000, 4096, 65535]),
    'new/scan.tif': 'x',
  });
});
test.after(removeFolders);

test('train says what it decides and keeps it; --resume and eval read the same', async () => {
  const { stderr } = await done(['train', ...plain(), ...SHORT, '--out', at('run')]);
  assert.match(
    stderr,
    /data: 2 images have an EXIF orientation: it is applied, as viewers do \(2 masks fit the rotated image\)/,
  );
  assert.match(
    stderr,
    /data: 1 of 4 images have 16 bits per channel, and the largest value is 4000 \(deep\.png\): 4095 is white \(--bits\)/,
  );
  const rule = { orientation: 'apply', bits: 12 };
  assert.equal(JSON.parse(readFileSync(at('run/run.json'), 'utf8')).pictures, rule);
  assert.equal((await loadModel(at('run/last.safetensors'))).pictures, rule);
  const scored = await done(['eval', '--model', at('run')]);
  assert.match(scored.stderr, /4095 is white, as in the training/);
  const other = ['eval', '--images', at('in'), '--masks', at('out'), '--val', at('val.txt'), '--model', at('run')];
  assert.match((await done([...other, '--bits', '16'])).stderr, /65535 is white \(--bits 16\)/);
  assert.match((await done(['train', '--out', at('run'), '--resume'])).stderr, /4095 is white, as in the training/);
  assert.match(
    (await done(['train', '--out', at('run'), '--resume', '--bits', '14'], 2)).stderr,
    /was started with bits 12, not 14/,
  );
  const stored = await done(['train', '--out', at('run'), '--resume', '--orientation', 'ignore'], 2);
  assert.match(stored.stderr, /was started with orientation unset, not "ignore"/);
});

test('predict and cam: results lie on the upright image, values are scaled as in the training', async () => {
  for (const [command, suffix] of [
    ['predict', ''],
    ['cam', '-cam'],
  ]) {
    const run = await done([command, at('new'), '--model', at('run'), '--out', at(command)]);
    assert.match(
      run.stderr,
      /images: 2 images have an EXIF orientation: it is applied, as viewers do, as in the training/,
    );
    assert.match(run.stderr, /images: results lie on the images as viewers show them/);
    assert.match(run.stderr, /images: 1 of 3 images have 16 bits per channel: 4095 is white, as in the training/);
    assert.match(
      run.stderr,
      /warning: .*over\.png has values beyond 12 bits \(50\.0 % of them\), which are read as white \(--bits\)\n/,
    );
    assert.match(run.stderr, /only JPEG, PNG and WebP are read \(not scan\.tif\)/);
    assert.equal(await Promise.all(['square', 'tall', 'over'].map((n) => sizeOf(at(command, `${n}${suffix}.png`)))), [
      '8x8',
      '8x12',
      '12x8',
    ]);
    const other = ['--out', at(`${command}-stored`), '--orientation', 'ignore', '--bits', '16'];
    const stored = await done([command, at('new'), '--model', at('run'), ...other]);
    assert.match(stored.stderr, /it is ignored: the stored pixels are read \(--orientation ignore\)/);
    assert.not.match(stored.stderr, /beyond/);
    assert.is(await sizeOf(at(`${command}-stored`, `tall${suffix}.png`)), '12x8');
  }
  // The overlay lies under the same pixels as the mask.
  await done(['predict', at('new/tall.jpg'), '--model', at('run'), '--out', at('over'), '--overlay', '--size', '8x8']);
  assert.equal([await sizeOf(at('over/tall.png')), await sizeOf(at('over/tall-overlay.png'))], ['8x12', '8x12']);
});

test('runs that keep no rule read as they did: stored pixels, the high 8 of 16 bits', async () => {
  const { pictures: _, ...model } = await loadModel(at('run/last.safetensors'));
  mkdirSync(at('old'));
  await saveModel(at('old/last.safetensors'), model);
  const run = await done(['predict', at('new'), '--model', at('old'), '--out', at('old-masks')]);
  assert.match(run.stderr, /it is ignored: the stored pixels are read, as in the training/);
  assert.match(run.stderr, /65535 is white, as in the training/);
  assert.is(await sizeOf(at('old-masks/tall.png')), '12x8');
});

test('a run without image files knows of no rule: viewers and the values decide', async () => {
  const tiny = ['builtin', '--builtin-images', '4', '--labels', '2', '--val', '1', '--test', '1', '--size', '8x12'];
  await done(['train', ...tiny, ...SHORT.slice(0, 10), '--scheme', 'supervised', '--out', at('drawn')]);
  const run = await done(['predict', at('new'), '--model', at('drawn'), '--out', at('drawn-masks'), '--size', 'own']);
  assert.match(run.stderr, /it is applied, as viewers do/);
  assert.match(run.stderr, /the largest value is 65535 \(over\.png\): 65535 is white/);
});

test('files that are not images: one line each, the others get their masks', async () => {
  write(root, {
    'odd/a.jpg': '<html>',
    'odd/b.jpg': '',
    'odd/c.jpg': Buffer.from('\0\0\0\x18ftypheic\0\0\0\0', 'latin1'),
    'odd/d.jpg': await jpeg(3),
  });
  const { stderr } = await done(['predict', at('odd'), '--model', at('run'), '--out', at('odd-masks')], 1);
  for (const [name, kind] of [
    ['a', 'an HTML page'],
    ['b', 'an empty file'],
    ['c', 'a HEIC image'],
  ]) {
    const lines = stderr.split('\n').filter((l) => l.includes(`${name}.jpg cannot be decoded: it is ${kind} — only`));
    assert.is(lines.length, 1, stderr);
  }
  assert.ok(existsSync(at('odd-masks/d.png')));
  // Training needs each of them and does not begin. Scoring may leave them out.
  write(root, { 'odd-out/d.png': mask([0, 1]) });
  const set = ['--images', at('odd'), '--masks', at('odd-out')];
  const refused = await done(['train', ...set, ...SHORT, '--out', at('odd-run')], 1);
  assert.match(
    refused.stderr,
    /error: 3 images cannot be read, the first: .*\.jpg cannot be decoded: it is an? .*fewmask inspect lists them all/,
  );
  assert.not.ok(existsSync(at('odd-run')));
  assert.match(
    (await done(['eval', ...set, '--split', 'labelled', '--model', at('run')])).stderr,
    /warning: 3 images cannot be read/,
  );
  assert.match(
    (await done(['predict', at('new/scan.tif'), '--model', at('run'), '--out', at('odd-masks')], 1)).stderr,
    /scan\.tif cannot be decoded: it is a text file/,
  );
});

test('compare keeps the rule in each run and refuses to mix two', async () => {
  const args = [
    'compare',
    ...plain(),
    ...SHORT.slice(0, -2),
    '--schemes',
    'supervised',
    '--seeds',
    '1',
    '--pictures',
    '0',
    '--out',
    at('compare'),
  ];
  await done(args);
  assert.equal(JSON.parse(readFileSync(at('compare/supervised-0/run.json'), 'utf8')).pictures, {
    orientation: 'apply',
    bits: 12,
  });
  assert.match((await done([...args, '--resume'])).stderr, /done before/);
  assert.match((await done([...args, '--resume', '--bits', '16'], 2)).stderr, /was started with bits 12, not 16/);
});

test('inspect says the same; --config in UTF-16', async () => {
  const { stdout } = await done(['inspect', ...plain(), '--classes', '2']);
  assert.match(
    stdout,
    /note: 2 images have an EXIF orientation: it is applied, as viewers do \(2 masks fit the rotated image\)/,
  );
  assert.match(stdout, /note: 1 of 4 images have 16 bits per channel/);
  writeFileSync(at('config.json'), Buffer.from('\uFEFF{"steps": 1}', 'utf16le'));
  await done(['train', ...plain(), ...SHORT.slice(2), '--config', at('config.json'), '--out', at('configured')]);
  rmSync(at('configured'), { recursive: true });
  assert.match(
    (await done(['train', ...plain(), ...SHORT, '--bits', '7', '--out', at('seven')], 2)).stderr,
    /--bits.*give 8 to 16/,
  );
  assert.match(
    (await done(['train', ...plain(), ...SHORT, '--orientation', 'up', '--out', at('up')], 2)).stderr,
    /--orientation.*auto, apply, ignore/,
  );
});

test.run();
