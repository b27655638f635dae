// Wrong usage and bad input: one clear line, the right exit code, nothing lost.

import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fewmask, TINY } from '../support/cli.ts';
import { colourMask, mask, removeFolders, tempFolder, vocFolder, write } from '../support/files.ts';

// Not before the tests begin: those of other files remove what is there when they end.
let out = '';
test.before(() => {
  out = tempFolder();
});
test.after(removeFolders);
const SHORT = ['--steps', '2', '--crop', '8', '--width', '4', '--depth', '2', '--batch', '1', '--labels', 'labelled'];

/** Runs a command that must fail: `code`, and one line on stderr that matches. */
async function refused(
  code: number,
  pattern: RegExp,
  args: readonly string[],
  env?: Record<string, string>,
): Promise<void> {
  const run = await fewmask(args, { env, cwd: out });
  assert.is(run.code, code, `${args.join(' ')}\n${run.stdout}${run.stderr}`);
  assert.match(run.stderr, pattern);
  assert.not.match(run.stderr, /\n\s+at /, 'no stack trace');
  assert.is(run.stderr.split('\n').filter((l) => l.startsWith('error:')).length, 1, run.stderr);
}

function tempFolderWith(file: string): string {
  const root = tempFolder();
  write(root, { [file]: 'x' });
  return root;
}

const train = (...args: string[]): string[] => [
  'train',
  ...args,
  '--out',
  join(
    out,
    `run-${Math.abs(
      args
        .join()
        .split('')
        .reduce((h, c) => (h * 31 + c.charCodeAt(0)) | 0, 7),
    )}`,
  ),
];

test("help of every command has examples; the version is the package's", async () => {
  for (const command of ['train', 'eval', 'predict', 'cam', 'compare', 'inspect', 'doctor', 'tune']) {
    const help = await fewmask([command, '--help']);
    assert.is(help.code, 0);
    assert.match(help.stdout, /Examples:\n {2}fewmask/);
  }
  assert.match((await fewmask(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('wrong usage exits with 2', async () => {
  await refused(2, /unknown command/, ['nonsense']);
  await refused(2, /unknown option '--stepps'/, train(...TINY, '--stepps', '3'));
  await refused(2, /there is no scheme "magic".*choose one of/, train(...TINY, '--scheme', 'magic'));
  await refused(2, /steps is 0.*at least one step/, train(...TINY, '--steps', '0'));
  await refused(2, /has no option "tua".*tau/, train(...TINY, '--set', 'tua=0.9'));
  await refused(2, /HEIGHTxWIDTH/, train(...TINY, '--crop', 'big'));
  await refused(2, /--seeds/, ['compare', ...TINY, '--seeds', '0']);
  await refused(2, /required option '--model/, ['eval']);
  await refused(2, /--weights.*'bset'.*best, last/, [
    'eval',
    ...TINY.slice(0, 11),
    '--model',
    out,
    '--weights',
    'bset',
  ]);
  await refused(2, /--batch.*at least 1/, ['eval', ...TINY.slice(0, 11), '--model', out, '--batch', '0']);
  await refused(2, /--precision.*'half'.*full, mixed/, train(...TINY, '--precision', 'half'));
  await refused(2, /width is 0/, train(...TINY, '--width', '0'));
  for (const depth of ['0', '30']) await refused(2, /depth is .*from 1 to 8/, train(...TINY, '--depth', depth));
  await refused(2, /depth is 7.*takes 1 to 5 levels/, train(...TINY, '--depth', '7'));
  await refused(
    2,
    /depth is 7.*18, 34, 50, 101/,
    train(...TINY.slice(0, 11), '--network', 'deeplabv3plus', '--depth', '7'),
  );
  await refused(
    2,
    /contains no settings/,
    train(...TINY, '--config', (writeFileSync(join(out, 'list.json'), '[]'), join(out, 'list.json'))),
  );
  await refused(2, /--sheet photo\.jpg.*ends in \.png/, ['inspect', 'builtin', '--sheet', 'photo.jpg']);
  await refused(
    2,
    /there is no setting "stepps"/,
    train(...TINY, '--config', (writeFileSync(join(out, 'bad.json'), '{"stepps": 3}'), join(out, 'bad.json'))),
  );
  await refused(
    2,
    /give a JSON file of settings/,
    train(...TINY, '--config', (writeFileSync(join(out, 'worse.json'), '{'), join(out, 'worse.json'))),
  );
  await refused(2, /contains no run to resume/, ['train', '--resume', '--out', join(out, 'nowhere')]);
});

test('data flags that contradict each other, or that the built-in set would ignore', async () => {
  await refused(2, /both the data set photos and plain folders/, train('photos', '--images', 'in', '--masks', 'out'));
  await refused(2, /--masks is given without --images/, train('--masks', 'out'));
  await refused(2, /--builtin-images.*at least 1/, train('--builtin-images', '0'));
  await refused(2, /a size of 0x0/, train('--size', '0'));
  for (const flag of [
    ['--classes', '3'],
    ['--class-names', 'a,b'],
    ['--unlabelled', 'list'],
  ])
    await refused(2, /the built-in set has its own/, train(...flag));
  await refused(2, /settings of the built-in set are given with/, train(await vocFolder(), '--builtin-images', '20'));
});

test('folders and lists', async () => {
  await refused(1, /does not exist/, train('/no/such/folder', ...SHORT));
  await refused(1, /is empty/, train(tempFolder(), ...SHORT));
  await refused(1, /JPEGImages/, train(tempFolderWith('notes.txt'), ...SHORT));
  const named = await vocFolder((root) => write(root, { 'ImageSets/Segmentation/labelled.txt': 'a\nmissing\n' }));
  await refused(1, /names "missing"/, train(named, ...SHORT));
  const none = await vocFolder((root) => write(root, { 'ImageSets/Segmentation/labelled.txt': '\n' }));
  await refused(1, /labelled.*empty/, train(none, ...SHORT));
  const voc = await vocFolder();
  await refused(1, /there is no list|no list "other"/, train(voc, ...SHORT.slice(0, -1), 'other'));
  for (const nothing of ['0', '1/1000', '0/8']) await refused(2, /label/, train(voc, ...SHORT.slice(0, -1), nothing));
  const unlabelled = tempFolder();
  mkdirSync(join(unlabelled, 'photos'));
  for (const n of [1, 2])
    await sharp({ create: { width: 12, height: 8, channels: 3, background: '#345' } })
      .jpeg()
      .toFile(join(unlabelled, 'photos', `${n}.jpg`));
  await refused(
    1,
    /unlabelled images only/,
    train('--images', join(unlabelled, 'photos'), '--classes', '3', ...SHORT.slice(0, -2)),
  );
});

test('images and masks', async () => {
  const broken = await vocFolder((root) => truncateSync(join(root, 'JPEGImages/a.jpg'), 200));
  await refused(1, /a\.jpg .*(damaged|truncated)/, train(broken, ...SHORT));
  const small = await vocFolder((root) => write(root, { 'SegmentationClass/a.png': mask([0, 1], 5, 4) }));
  await refused(1, /5x4.*12x8|12x8.*5x4/, train(small, ...SHORT));
  const coloured = await vocFolder((root) => write(root, { 'SegmentationClass/a.png': colourMask() }));
  await refused(1, /a\.png is a colour picture/, train(coloured, ...SHORT));
  const foreign = await vocFolder((root) => write(root, { 'SegmentationClass/a.png': mask(9) }));
  await refused(1, /a\.png has class id 9, but there are 3 classes/, train(foreign, '--classes', '3', ...SHORT));
});

test('a damaged test image: the weights are there, and the run finishes when it is fixed', async () => {
  const root = await vocFolder((r) =>
    write(r, {
      'ImageSets/Segmentation/test.txt': 'd\n',
      'ImageSets/Segmentation/train.txt': 'a\nb\nc\n',
      'ImageSets/Segmentation/unlabelled.txt': 'c\n',
    }),
  );
  rmSync(join(root, 'SegmentationClass/d.png'), { recursive: true });
  write(root, { 'SegmentationClass/d.png': mask(1, 5, 4) });
  const run = join(out, 'damaged-test');
  await refused(1, /5x4.*what was trained until then is saved.*--resume.*inspect/, [
    'train',
    root,
    ...SHORT,
    '--out',
    run,
  ]);
  const own = await fewmask(['eval', '--model', run, '--weights', 'last', '--json']);
  assert.is(own.code, 0, own.stderr);
  write(root, { 'SegmentationClass/d.png': mask(1) });
  const rest = await fewmask(['train', '--out', run, '--resume', '--json']);
  assert.is(rest.code, 0, rest.stderr);
  assert.equal(
    JSON.parse(rest.stdout).last.map((e: { split: string }) => e.split),
    ['val', 'test'],
  );

  // Sets that are there to be scored alone; weights without their run.
  const alone = tempFolder();
  const weights = join(alone, 'weights.safetensors');
  write(alone, {
    'in/x.jpg': readFileSync(join(root, 'JPEGImages/a.jpg')),
    'masks/x.png': mask(1),
    'weights.safetensors': readFileSync(join(run, 'last.safetensors')),
  });
  const scored = await fewmask([
    'eval',
    '--images',
    join(alone, 'in'),
    '--masks',
    join(alone, 'masks'),
    '--model',
    weights,
    '--split',
    'test',
    '--test',
    '100%',
    '--json',
  ]);
  assert.is(scored.code, 0, scored.stderr);
  assert.equal([JSON.parse(scored.stdout).images, JSON.parse(scored.stdout).classNames.length], [1, 3]);
  await refused(2, /no data set is named.*no run\.json.*"builtin"/, ['eval', '--model', weights]);

  // One image of a folder is damaged: the others get their masks.
  write(alone, {
    'new/a.jpg': readFileSync(join(root, 'JPEGImages/a.jpg')),
    'new/b.jpg': 'no picture',
    'new/c.jpg': readFileSync(join(root, 'JPEGImages/c.jpg')),
    'new/._a.jpg': 'none',
    'new/d.jpg/e.txt': 'none',
  });
  for (const [command, made] of [
    ['predict', 'a.png'],
    ['cam', 'a-cam.png'],
  ] as const) {
    const some = await fewmask([
      command,
      join(alone, 'new'),
      '--model',
      weights,
      '--out',
      join(alone, command),
      '--json',
    ]);
    assert.is(some.code, 1, some.stderr);
    assert.match(some.stderr, /warning: .*b\.jpg cannot be decoded/);
    assert.equal(
      JSON.parse(some.stdout).map((e: { file: string; error?: string }) => [basename(e.file), e.error !== undefined]),
      [
        ['a.jpg', false],
        ['c.jpg', false],
        ['b.jpg', true],
      ],
    );
    assert.equal(readdirSync(join(alone, command)).sort(), [made, made.replace('a', 'c')]);
    await refused(1, /a file stands where a folder should be/, [
      command,
      join(alone, 'in/x.jpg'),
      '--model',
      weights,
      '--out',
      weights,
    ]);
    await refused(2, /from 1 to 16384 pixels/, [command, join(alone, 'in/x.jpg'), '--model', weights, '--size', '0x0']);
  }
});

test('masks that belong to no image, amounts that are none, names of classes', async () => {
  const root = tempFolder();
  for (const id of ['p', 'q'])
    write(root, {
      [`in/${id}.jpg`]: readFileSync(join(await vocFolder(), 'JPEGImages/a.jpg')),
      [`out/${id}_mask.png`]: mask([0, 1]),
    });
  const plain = ['--images', join(root, 'in'), '--masks', join(root, 'out')];
  for (const args of [[], ['--val', '1', '--labels', '1']])
    await refused(
      1,
      /none of the 2 masks in .*out has the name of an image: p_mask\.png, but p\.jpg/,
      train(...plain, ...args),
    );
  const seen = await fewmask(['inspect', ...plain, '--val', '1', '--json']);
  assert.ok(
    JSON.parse(seen.stdout).problems.some((p: { message: string }) => /has the name of an image/.test(p.message)),
    seen.stdout,
  );
  const voc = await vocFolder();
  for (const odd of ['0.5', '1.5', '1e2', ''])
    await refused(2, /--labels .*give a number of images/, train(voc, ...SHORT.slice(0, -1), odd));
  await refused(2, /two classes are named "a"/, train(voc, ...SHORT, '--class-names', 'a,a,b'));
  await refused(2, /4 names for 3 classes/, train(voc, ...SHORT, '--class-names', 'a,b,c,d', '--classes', '3'));
  await refused(
    2,
    /supervised has no option "tau" — fixmatch.*--set fixmatch\.tau=/,
    train(voc, ...SHORT, '--scheme', 'supervised', '--set', 'tau=0.5'),
  );
});

test('a crop larger than the image is padded, not refused', async () => {
  const run = await fewmask(
    train(
      await vocFolder(),
      ...SHORT.filter((_, i) => i !== 2 && i !== 3),
      '--crop',
      '16x24',
      '--scale',
      '0.5,1',
      '--quiet',
    ),
  );
  assert.is(run.code, 0, run.stderr);
});

test('adapters and memory', async () => {
  await refused(1, /no adapter matches "voodoo"/, train(...TINY, '--steps', '2', '--adapter', 'voodoo'));
  await refused(1, /no adapter matches "voodoo"/, train(...TINY, '--steps', '3'), { FEWMASK_ADAPTER: 'voodoo' });
  await refused(1, /needs .* budget is 1\.0 MiB.*smaller --batch/, train(...TINY, '--steps', '2', '--memory', '1M'));
});

test('models that are none', async () => {
  await refused(1, /there is no .*nothing/, ['eval', ...TINY.slice(0, 11), '--model', join(out, 'nothing')]);
  await refused(1, /contains no trained network/, ['eval', ...TINY.slice(0, 11), '--model', tempFolder()]);
  writeFileSync(join(out, 'junk.safetensors'), 'junk that is not a file of weights');
  await refused(1, /junk\.safetensors claims a header/, [
    'eval',
    ...TINY.slice(0, 11),
    '--model',
    join(out, 'junk.safetensors'),
  ]);
});

test('inspect tells what is wrong and exits with 1', async () => {
  const bad = await fewmask([
    'inspect',
    await vocFolder((root) => write(root, { 'SegmentationClass/a.png': mask(9) })),
    '--labels',
    'labelled',
    '--classes',
    '3',
    '--json',
  ]);
  assert.is(bad.code, 1, bad.stderr);
  assert.ok(JSON.parse(bad.stdout).problems.some((p: { level: string }) => p.level === 'error'));
  const good = await fewmask(['inspect', await vocFolder(), '--labels', 'labelled', '--sheet', join(out, 'sheet.png')]);
  assert.is(good.code, 0, good.stdout);
  assert.ok((await sharp(join(out, 'sheet.png')).metadata()).width > 100);
});

test('results do not overwrite photographs, masks, or each other', async () => {
  const root = await vocFolder();
  const photos = join(root, 'JPEGImages');
  const png = await sharp({ create: { width: 12, height: 8, channels: 3, background: '#345' } })
    .png()
    .toBuffer();
  write(photos, { 'p.png': png, 'a-overlay.jpg': png, 'p-cam.png': png });
  symlinkSync(photos, join(root, 'link'));
  for (const folder of [photos, join(root, 'link')])
    await refused(2, /p\.png would overwrite an input/, [
      'predict',
      join(photos, 'p.png'),
      '--out',
      folder,
      '--model',
      out,
    ]);
  await refused(2, /two results would be written to .*a-overlay\.png/, [
    'predict',
    photos,
    '--overlay',
    '--out',
    join(out, 'masks'),
    '--model',
    out,
  ]);
  await refused(2, /a\.png would overwrite an input/, [
    'inspect',
    root,
    '--labels',
    'labelled',
    '--sheet',
    join(root, 'SegmentationClass/a.png'),
  ]);
  assert.equal(readFileSync(join(photos, 'p.png')), png);
});

test.run();
