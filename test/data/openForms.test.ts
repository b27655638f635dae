// The forms that data sets come in: plain folders, formats of images, the built-in set.

import { join } from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { openDataset, type DatasetSpec } from '../../src/data/open.node.ts';
import { HEIGHT, jpeg, mask, tempFolder, WIDTH, write } from '../support/files.ts';
import { using, loadAll } from './using.ts';

test('a white object in one mask of many is seen, and an id beyond the classes refused', async () => {
  const root = tempFolder();
  const picture = await jpeg(1);
  const ids = Array.from({ length: 300 }, (_, i) => i);
  for (const i of ids) write(root, { [`in/${i}.jpg`]: picture, [`out/${i}.png`]: mask(i === 299 ? [0, 255] : 0) });
  const spec: DatasetSpec = { images: join(root, 'in'), masks: join(root, 'out'), classes: 2 };
  await using(spec, async (set) => assert.is(set.maskValues, '0:0,255:1'));
  // Of 300 masks with ids 256 decide. The others are checked as they are loaded.
  for (const i of ids) write(root, { [`out/${i}.png`]: mask(i === 298 ? 5 : [0, 1]) });
  let message = '';
  const load = using(spec, (set) => set.load('298', { labels: true }));
  await load.catch((e: Error) => (message = errorText(e)));
  assert.match(message, /298\.png has class id 5, but there are 2 classes/);
});

test('two plain folders: images without a mask are unlabelled', async () => {
  const root = tempFolder();
  for (const id of ['p', 'q', 'r'])
    write(root, {
      [`in/${id}.png`]: await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: '#fff' } })
        .png()
        .toBuffer(),
    });
  write(root, {
    'out/p.png': mask([0, 1]),
    'out/q.png': mask(1),
    'out/stats.json': '\uFEFF{"num_classes": 2}',
    'out/class_names.txt': '\uFEFFsky\r\nsea\r\n',
    'in/notes.txt': 'no image',
  });
  await using({ images: join(root, 'in'), masks: join(root, 'out') }, async (set) => {
    assert.equal([set.ids('labelled'), set.ids('unlabelled'), set.classNames], [['p', 'q'], ['r'], ['sky', 'sea']]);
    await loadAll(set);
  });
});

test('folders and images of other formats that lie beside are told of', async () => {
  const root = tempFolder();
  const picture = await jpeg(1);
  write(root, {
    'a.jpg': picture,
    'masks/a.png': mask([0, 1]),
    'masks/tries/a.png': mask(1),
    '._a.jpg': 'none',
    'notes.txt': 'none',
    'Thumbs.db': 'none',
  });
  const spec: DatasetSpec = { images: root, masks: join(root, 'masks'), classes: 2 };
  await using(spec, async (set) =>
    assert.equal(
      set.notes.filter((n) => n.includes('read') || n.includes('searched')),
      [`${join(root, 'masks')}: folders in it are not searched (tries)`],
    ),
  );
  write(root, { 'b.tif': 'none', 'c/d.jpg': picture });
  await using(spec, async (set) =>
    assert.ok(
      set.notes.includes(`${root}: folders in it are not searched (c); only JPEG, PNG and WebP are read (not b.tif)`),
      set.notes.join('\n'),
    ),
  );
  const only = tempFolder();
  write(only, { 'c/d.jpg': picture });
  await openDataset({ images: only, classes: 2 }, { threads: 0 }).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(errorText(error), /not searched \(c\)/),
  );
});

test('grey, transparent, 16-bit, CMYK, WebP; masks on stored pixels; sizes from headers; resizing', async () => {
  const root = tempFolder();
  const flat = (channels: 3 | 4, background: { r: number; g: number; b: number; alpha?: number }) =>
    sharp({ create: { width: 6, height: 4, channels, background } });
  const deep = new Uint16Array(6 * 4 * 3).map((_, i) => [0x1234, 0x8001, 0xfffe][i % 3]);
  write(root, {
    'grey.png': encode({ width: 6, height: 4, channels: 1, depth: 8, data: new Uint8Array(24).fill(77) }),
    'greyAlpha.png': encode({
      width: 6,
      height: 4,
      channels: 2,
      depth: 8,
      data: Uint8Array.from({ length: 48 }, (_, i) => (i % 2 ? 9 : 77)),
    }),
    'rgba.png': await flat(4, { r: 10, g: 20, b: 30, alpha: 0.2 }).png().toBuffer(),
    'deep.png': encode({ width: 6, height: 4, channels: 3, depth: 16, data: deep }),
    'deepGrey.png': encode({ width: 6, height: 4, channels: 1, depth: 16, data: new Uint16Array(24).fill(0x9abc) }),
    'cmyk.jpg': await flat(3, { r: 200, g: 40, b: 40 }).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer(),
    'clear.png': encode({
      width: 6,
      height: 4,
      channels: 4,
      depth: 8,
      data: Uint8Array.from({ length: 96 }, (_, i) => [10, 20, 30, (i >> 2) % 3 ? 255 : 0][i % 4]),
    }),
    'web.webp': await flat(3, { r: 10, g: 20, b: 30 }).webp({ lossless: true }).toBuffer(),
    'turned.jpg': await flat(3, { r: 10, g: 20, b: 30 }).withMetadata({ orientation: 6 }).jpeg().toBuffer(),
    'big.JPG': await jpeg(9, 31, 3),
  });
  const spec: DatasetSpec = { images: root, masks: join(root, 'masks'), classes: 2 };
  for (const id of ['grey', 'greyAlpha', 'rgba', 'deep', 'deepGrey', 'cmyk', 'web', 'turned'])
    write(root, { [`masks/${id}.png`]: mask([0, 1], 6, 4) });
  await using(spec, async (set) => {
    const first = async (id: string) => {
      const s = await set.load(id, { labels: true });
      assert.equal([s.width, s.height], [6, 4], id);
      return [...s.rgb.subarray(0, 3)];
    };
    for (const id of ['grey', 'greyAlpha']) assert.equal(await first(id), [77, 77, 77], id);
    for (const id of ['rgba', 'web']) assert.equal(await first(id), [10, 20, 30], id);
    assert.equal(await first('deep'), [0x12, 0x80, 0xff]);
    assert.equal(await first('deepGrey'), [0x9a, 0x9a, 0x9a]);
    const [r, g, b] = await first('cmyk');
    assert.ok(r > 150 && g < 90 && b < 90, `${r} ${g} ${b}`);
    await first('turned');
    assert.equal(await set.maxSize(), [4, 31]);
    assert.equal(await set.maxSize(['web']), [4, 6]);
  });
  await using({ ...spec, size: [2, 3] }, async (set) => {
    const s = await set.load('grey', { labels: true });
    assert.equal([s.width, s.height, s.labels!.length, await set.maxSize()], [3, 2, 6, [2, 3]]);
    assert.equal(
      [...(await set.load('clear', { labels: false })).rgb],
      Array.from({ length: 6 }, () => [10, 20, 30]).flat(),
      'colours are not weighed by alpha',
    );
  });
});

test('the built-in set: labels by part, the same scenes as without threads', async () => {
  const builtin = { width: 32, height: 24, train: 40 };
  const set = await openDataset({ labels: '1/8', builtin }, { threads: 1 });
  assert.equal(
    [set.ids('labelled'), set.ids('unlabelled').length],
    [['train-0', 'train-1', 'train-2', 'train-3', 'train-4'], 35],
  );
  const there = await set.load('train-7', { labels: true });
  await set.close();
  await using({ path: 'builtin', builtin }, async (same) => {
    const here = await same.load('train-7', { labels: true });
    assert.equal([here.rgb, here.labels], [there.rgb, there.labels]);
  });
  await using({ builtin: { train: 10 } }, async (few) =>
    assert.equal([few.ids('labelled').length, few.ids('unlabelled').length], [1, 9]),
  );
  await using({ labels: '10', splitSeed: 3, builtin }, async (ten) =>
    using({ labels: '5', splitSeed: 3, builtin }, async (five) => {
      assert.equal(five.ids('labelled'), ten.ids('labelled').slice(0, 5));
      assert.not.equal(five.ids('labelled'), ['train-0', 'train-1', 'train-2', 'train-3', 'train-4']);
    }),
  );
});

test.run();
