// Training from the command line: what it leaves behind, what it prints, how it continues after it was stopped or
// killed.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeMask } from '../../src/data/mask.ts';
import { fewmask, TINY } from '../support/cli.ts';
import { removeFolders, tempFolder, vocFolder } from '../support/files.ts';

// Not before the tests begin: those of other files remove what is there when they end.
let folder = '';
test.before(() => {
  folder = tempFolder();
});
test.after(removeFolders);
const at = (...parts: string[]): string => join(folder, ...parts);
const losses = (run: string): { step: number; loss: number }[] =>
  readFileSync(join(run, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l));

test('train writes settings, checkpoint, weights, record and log; progress is plain lines', async () => {
  const run = await fewmask([
    'train',
    ...TINY,
    '--scheme',
    'fixmatch',
    '--steps',
    '12',
    '--set',
    'tau=0.5',
    '--out',
    at('a'),
  ]);
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stderr, /adapter: .*\(/);
  assert.match(run.stderr, /a step takes .* MiB of GPU memory/);
  assert.match(run.stderr, /step \d+\/12 .*loss .*lr .*accepted .*steps\/s.*ETA .*MiB/);
  assert.not.match(run.stderr, /\x1b|\r/);
  assert.match(run.stdout, /test mIoU .* absent classes as 0/);
  for (const file of [
    'config.json',
    'run.json',
    'checkpoint.json',
    'last.safetensors',
    'best.safetensors',
    'record.json',
    'log.jsonl',
  ])
    assert.ok(existsSync(at('a', file)), file);
  assert.is(readdirSync(at('a')).filter((f) => f.startsWith('checkpoint-')).length, 1);
  const config = JSON.parse(readFileSync(at('a', 'config.json'), 'utf8'));
  assert.is(config.options.tau, 0.5);
  assert.is(config.optimizer.momentum, 0.9);
  assert.is(losses(at('a')).length, 12);
});

test('a folder with a run is not overwritten', async () => {
  const run = await fewmask(['train', ...TINY, '--steps', '12', '--out', at('a')]);
  assert.is(run.code, 2);
  assert.match(run.stderr, /already contains a run.*--resume/);
});

test('--json and --quiet', async () => {
  const run = await fewmask([
    'train',
    ...TINY,
    '--scheme',
    'supervised',
    '--steps',
    '6',
    '--out',
    at('json'),
    '--json',
    '--quiet',
  ]);
  assert.is(run.code, 0, run.stderr);
  // Warnings are said all the same: after six steps the network may well call everything ground.
  assert.equal(
    run.stderr.split('\n').filter((line) => line && !line.startsWith('warning: ')),
    [],
  );
  const record = JSON.parse(run.stdout);
  assert.is(record.steps.length, 6);
  assert.equal(
    record.last.map((e: { split: string }) => e.split),
    ['val', 'test'],
  );
});

test('the same settings from the configuration of a run, flags on top', async () => {
  const run = await fewmask([
    'train',
    ...TINY.slice(0, 11),
    '--config',
    at('a', 'config.json'),
    '--scheme',
    'fixmatch',
    '--steps',
    '6',
    '--nesterov',
    '--no-decay-vectors',
    '--out',
    at('b'),
    '--quiet',
  ]);
  assert.is(run.code, 0, run.stderr);
  const [a, b] = ['a', 'b'].map((f) => JSON.parse(readFileSync(at(f, 'config.json'), 'utf8')));
  assert.equal({ ...a, steps: 6, optimizer: { ...a.optimizer, nesterov: true, decayVectors: false } }, b);
});

test('the scheme and the seed of a configuration count, and name the folder', async () => {
  writeFileSync(at('settings.json'), '\uFEFF{ "scheme": "supervised", "seed": 3, "steps": 2 }');
  const run = await fewmask(['train', ...TINY, '--config', at('settings.json'), '--json', '--quiet'], { cwd: folder });
  assert.is(run.code, 0, run.stderr);
  const record = JSON.parse(run.stdout);
  assert.equal([record.scheme, record.seed, record.steps.length], ['supervised', 3, 2]);
  assert.ok(existsSync(at('runs/supervised-3/record.json')));
});

for (const signal of ['SIGKILL', 'SIGINT'] as const) {
  test(`a run ended by ${signal} continues with the same losses, bit for bit`, async () => {
    const name = signal.toLowerCase();
    const args = (out: string): string[] => [
      'train',
      ...TINY,
      '--scheme',
      'cps',
      '--steps',
      '200',
      '--eval-every',
      '100',
      '--out',
      at(out),
      '--save-every',
      '0',
    ];
    const whole = await fewmask([...args(`${name}-whole`), '--quiet']);
    assert.is(whole.code, 0, whole.stderr);
    let ended = false;
    const part = await fewmask(args(`${name}-part`), {
      watch(stderr, kill) {
        if (ended || !/step [1-9]\d+\/200/.test(stderr)) return;
        ended = true;
        setTimeout(() => kill(signal), 300); // some checkpoints later
      },
    });
    if (signal === 'SIGKILL') assert.is(part.signal, 'SIGKILL');
    else {
      assert.is(part.code, 130, part.stderr);
      assert.match(part.stderr, /to continue: fewmask train --out .* --resume/);
    }
    const before = JSON.parse(readFileSync(at(`${name}-part`, 'checkpoint.json'), 'utf8'));
    assert.ok(before.step > 0 && before.step < 200, `stopped at ${before.step}`);
    const rest = await fewmask(['train', '--out', at(`${name}-part`), '--resume']);
    assert.is(rest.code, 0, rest.stderr);
    assert.match(rest.stderr, /resuming after step/);
    const [a, b] = ['whole', 'part'].map((p) => JSON.parse(readFileSync(at(`${name}-${p}`, 'record.json'), 'utf8')));
    assert.equal(
      b.steps.map((s: { step: number; loss: number }) => [s.step, s.loss]),
      a.steps.map((s: { step: number; loss: number }) => [s.step, s.loss]),
    );
    assert.equal(b.evals, a.evals);
    assert.equal(losses(at(`${name}-part`)), b.steps);
    assert.equal(
      readFileSync(at(`${name}-part`, 'last.safetensors')),
      readFileSync(at(`${name}-whole`, 'last.safetensors')),
    );
  });
}

test('resuming with other settings is refused', async () => {
  const run = await fewmask(['train', '--out', at('a'), '--resume', '--lr', '0.5']);
  assert.is(run.code, 2);
  assert.match(run.stderr, /was started with optimizer/);
});

test('resuming with other data is refused, in words; the same data may be named again', async () => {
  for (const [flags, pattern] of [
    [['--labels', '6'], /labels "4", not "6"/],
    [['--size', '48x64'], /size \[24,32\], not \[48,64\]/],
    [['/photos'], /path "builtin", not "\/photos"/],
    [['--images', '/photos'], /path "builtin", not unset/],
  ] as const) {
    const run = await fewmask(['train', ...flags, '--out', at('a'), '--resume']);
    assert.is(run.code, 2, run.stderr);
    assert.match(run.stderr, new RegExp(`the run in .* was started with .*${pattern.source}`));
  }
  const again = await fewmask(['train', 'builtin', '--labels', '4', '--out', at('a'), '--resume', '--quiet']);
  assert.is(again.code, 0, again.stderr);
});

test('without val images nothing is called the best', async () => {
  const data = await vocFolder((root) => rmSync(join(root, 'ImageSets/Segmentation/val.txt')));
  const run = await fewmask([
    'train',
    data,
    '--labels',
    'labelled',
    '--scheme',
    'supervised',
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
    '--out',
    at('no-val'),
  ]);
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stdout, /weights: .*last\.safetensors\n/);
  assert.not.match(run.stdout, /best/);
  assert.is(JSON.parse(readFileSync(at('no-val', 'run.json'), 'utf8')).data.path, data);
  // c and d are unlabelled, without masks that can be read.
  const scored = await fewmask([
    'eval',
    data,
    '--labels',
    'labelled',
    '--model',
    at('no-val'),
    '--split',
    'train',
    '--json',
  ]);
  assert.is(scored.code, 0, scored.stderr);
  assert.is(
    JSON.parse(scored.stdout).confusion.reduce((a: number, b: number) => a + b),
    2 * 96,
  );
});

test('damaged, truncated and foreign checkpoints are refused whole', async () => {
  const pointer = JSON.parse(readFileSync(at('a', 'checkpoint.json'), 'utf8'));
  const file = at('a', pointer.file);
  const good = readFileSync(file);
  const refused = async (pattern: RegExp): Promise<void> => {
    const run = await fewmask(['train', '--out', at('a'), '--resume']);
    assert.is(run.code, 1, run.stderr);
    assert.match(run.stderr, pattern);
    assert.not.match(run.stderr, /\n\s+at /);
  };
  writeFileSync(file, good.subarray(0, 1000));
  await refused(/is damaged: it has 1000 of/);
  const flipped = Uint8Array.from(good);
  flipped[flipped.length - 5] ^= 1;
  writeFileSync(file, flipped);
  await refused(/is damaged/);
  writeFileSync(file, good);
  writeFileSync(at('a', 'checkpoint.json'), '{"file": "../../etc/passwd"}');
  await refused(/names no checkpoint/);
  writeFileSync(at('a', 'checkpoint.json'), 'not JSON');
  await refused(/is not JSON/);
  writeFileSync(at('a', 'checkpoint.json'), JSON.stringify(pointer));
  const weights = await fewmask(['eval', ...TINY.slice(0, 11), '--model', file]);
  assert.is(weights.code, 1);
  assert.match(weights.stderr, /is not a trained network of fewmask/);
});

test('a full disk: said, and the run continues; at the end it is an error', async () => {
  // What is written to a file's temporary name goes to a device that is always full.
  const start = (out: string, full: string, saveEvery: number) => {
    mkdirSync(at(out));
    symlinkSync('/dev/full', at(out, `${full}.part`));
    return fewmask([
      'train',
      ...TINY,
      '--scheme',
      'supervised',
      '--steps',
      '12',
      '--save-every',
      String(saveEvery),
      '--out',
      at(out),
    ]);
  };
  const first = await start('full-first', 'checkpoint-0-0.safetensors', 0);
  assert.is(first.code, 0, first.stderr);
  assert.match(first.stderr, /warning: .*checkpoint-0-0\.safetensors was not saved: the disk is full/);
  assert.is(JSON.parse(readFileSync(at('full-first', 'checkpoint.json'), 'utf8')).step, 12);
  for (const file of ['checkpoint-0-12.safetensors', 'last.safetensors']) {
    const run = await start(`full-${file}`, file, 100);
    assert.is(run.code, 1);
    assert.is(
      existsSync(at(`full-${file}`, 'last.safetensors')),
      file !== 'last.safetensors',
      'the weights are kept where they can be',
    );
    assert.match(run.stderr, new RegExp(`error: .*${file} was not saved: the disk is full`));
    assert.not.ok(existsSync(at(`full-${file}`, file)));
  }
});

test('eval, predict and cam use what was trained', async () => {
  const scored = await fewmask(['eval', ...TINY.slice(0, 11), '--model', at('a'), '--split', 'test', '--json']);
  assert.is(scored.code, 0, scored.stderr);
  const result = JSON.parse(scored.stdout);
  const record = JSON.parse(readFileSync(at('a', 'record.json'), 'utf8'));
  assert.is(result.miou, record.best.find((e: { split: string }) => e.split === 'test').miou);
  const photo = at('photo.jpg');
  const wide = at('wide.png');
  await sharp({ create: { width: 61, height: 40, channels: 3, background: '#406080' } })
    .jpeg()
    .toFile(photo);
  await sharp({
    create: {
      width: 150,
      height: 37,
      channels: 3,
      background: '#a06040',
      noise: { type: 'gaussian', mean: 128, sigma: 40 },
    },
  })
    .png()
    .toFile(wide);
  const predicted = await fewmask([
    'predict',
    photo,
    wide,
    '--model',
    at('a'),
    '--out',
    at('masks'),
    '--overlay',
    '--confidence',
    '--window',
    '64',
    '--json',
  ]);
  assert.is(predicted.code, 0, predicted.stderr);
  assert.is(JSON.parse(predicted.stdout).length, 2);
  for (const [name, width, height] of [
    ['photo', 61, 40],
    ['wide', 150, 37],
  ] as const) {
    const mask = decodeMask(readFileSync(at('masks', `${name}.png`)), name);
    assert.equal([mask.width, mask.height], [width, height]);
    assert.ok(mask.palette && mask.labels.every((v) => v < 5));
    for (const suffix of ['overlay', 'confidence'])
      assert.is((await sharp(at('masks', `${name}-${suffix}.png`)).metadata()).width, width);
  }
  const cam = await fewmask(['cam', photo, '--model', at('a'), '--out', at('cams'), '--class', 'each']);
  assert.is(cam.code, 0, cam.stderr);
  assert.equal(readdirSync(at('cams')).sort().slice(0, 2), ['photo-cam-0-ground.png', 'photo-cam-1-striped.png']);
  assert.is(readdirSync(at('cams')).length, 5);
  const layers = await fewmask(['cam', '--model', at('a'), '--layers']);
  assert.match(layers.stdout, /enc1\.1 .*default/);
});

test('images that were resized for training are so for scoring and predicting; masks have the size of their image', async () => {
  const data = await vocFolder();
  const run = await fewmask([
    'train',
    data,
    '--labels',
    'labelled',
    '--scheme',
    'supervised',
    '--steps',
    '2',
    '--size',
    '40x24',
    '--width',
    '4',
    '--depth',
    '2',
    '--batch',
    '1',
    '--json',
    '--out',
    at('sized'),
  ]);
  assert.is(run.code, 0, run.stderr);
  assert.equal(
    JSON.parse(readFileSync(at('sized', 'config.json'), 'utf8')).crop,
    [40, 24],
    'crops are not larger than the images',
  );
  const { last } = JSON.parse(run.stdout);
  const scored = await fewmask(['eval', '--model', at('sized'), '--weights', 'last', '--json']);
  assert.is(scored.code, 0, scored.stderr);
  assert.is(JSON.parse(scored.stdout).miou, last.find((e: { split: string }) => e.split === 'val').miou);
  assert.is(JSON.parse(scored.stdout).confusion.reduce((a: number, b: number) => a + b) % (40 * 24), 0);

  const own = await fewmask(['eval', '--model', at('sized'), '--size', 'own', '--json']);
  assert.is(own.code, 0, own.stderr);
  assert.is(JSON.parse(own.stdout).confusion.reduce((a: number, b: number) => a + b) % (12 * 8), 0);

  const photo = at('large.png');
  await sharp({
    create: {
      width: 150,
      height: 90,
      channels: 3,
      background: '#a06040',
      noise: { type: 'gaussian', mean: 128, sigma: 40 },
    },
  })
    .png()
    .toFile(photo);
  const masks: Uint8Array[] = [];
  for (const [name, size, window] of [
    ['trained', [], []],
    ['same', ['--size', '40x24'], []],
    ['windows', [], ['--window', '32']],
    ['own', ['--size', 'own'], []],
  ] as const) {
    const predicted = await fewmask([
      'predict',
      photo,
      '--model',
      at('sized'),
      ...size,
      ...window,
      '--overlay',
      '--confidence',
      '--out',
      at(name),
    ]);
    assert.is(predicted.code, 0, predicted.stderr);
    assert.is(/seen at 40x24/.test(predicted.stderr), name !== 'own', predicted.stderr);
    const mask = decodeMask(readFileSync(at(name, 'large.png')), name);
    assert.equal([mask.width, mask.height], [150, 90]);
    for (const suffix of ['overlay', 'confidence'])
      assert.is((await sharp(at(name, `large-${suffix}.png`)).metadata()).width, 150);
    masks.push(mask.labels);
  }
  assert.equal(masks[0], masks[1]);
  const cam = await fewmask(['cam', photo, '--model', at('sized'), '--class', '1', '--out', at('sized-cams')]);
  assert.is(cam.code, 0, cam.stderr);
  assert.is((await sharp(at('sized-cams', readdirSync(at('sized-cams'))[0])).metadata()).width, 150);
});

test('crops that show next to nothing of an image are warned of', async () => {
  const run = await fewmask([
    'train',
    await vocFolder(),
    '--labels',
    'labelled',
    '--scheme',
    'supervised',
    '--steps',
    '1',
    '--size',
    '160x160',
    '--crop',
    '8',
    '--width',
    '4',
    '--depth',
    '2',
    '--out',
    at('little'),
  ]);
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stderr, /warning: a crop of 8x8 shows 0\.[23] % of an image of 160x160/);
});

test.run();
