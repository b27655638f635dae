// Which way up images are read: masks tell, and one rule holds for a set.

import { join } from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { decodeImage } from '../../src/data/image.node.ts';
import { inspect } from '../../src/data/inspect.node.ts';
import { jpeg, mask, removeFolders, tagged, tempFolder, write } from '../support/files.ts';
import { notes, shape, using } from '../support/plainSet.ts';

test.after(removeFolders);

/** The stored place of pixel (y, x) of the upright image, by the EXIF standard. */
function storedAt(orientation: number, y: number, x: number, height: number, width: number): [number, number] {
  const h = height - 1;
  const w = width - 1;
  const places: [number, number][] = [
    [y, x],
    [y, w - x],
    [h - y, w - x],
    [h - y, x],
    [x, y],
    [h - x, y],
    [h - x, w - y],
    [x, w - y],
  ];
  return places[orientation - 1];
}

test('all eight orientations, of PNG, WebP and JPEG, at 8 and 16 bits, resized or not', async () => {
  const [width, height] = [5, 3];
  for (const format of ['png', 'webp', 'jpeg'] as const) {
    for (let o = 1; o <= 8; o++) {
      const bytes = await tagged(o, width, height, format);
      const stored = await decodeImage(bytes, 'x');
      const upright = await decodeImage(bytes, 'x', { upright: true });
      const turns = o >= 5;
      assert.equal([upright.width, upright.height], turns ? [height, width] : [width, height], `${format} ${o}`);
      assert.equal([stored.width, stored.height, stored.header.orientation], [width, height, o]);
      for (let y = 0; y < upright.height; y++) {
        for (let x = 0; x < upright.width; x++) {
          const [sy, sx] = storedAt(o, y, x, height, width);
          const pixel = (image: typeof stored, at: number): number[] => [...image.rgb.subarray(3 * at, 3 * at + 3)];
          assert.equal(
            pixel(upright, y * upright.width + x),
            pixel(stored, sy * width + sx),
            `${format} ${o} ${y} ${x}`,
          );
        }
      }
      const small = await decodeImage(bytes, 'x', { upright: true, size: [2, 4] });
      assert.equal([small.width, small.height, small.own], [4, 2, [upright.height, upright.width]]);
    }
  }
  const values = Uint16Array.from({ length: 6 }, (_, i) => 16 * i);
  const turned = await sharp(encode({ width: 3, height: 2, channels: 1, depth: 16, data: values }))
    .toColourspace('grey16')
    .withMetadata({ orientation: 6 })
    .png()
    .toBuffer();
  const { width: w, height: h, rgb, header } = await decodeImage(turned, 'x', { upright: true, bits: 12 });
  assert.equal([w, h, header.deep, [...rgb].filter((_, i) => i % 3 === 0)], [2, 3, true, [3, 0, 4, 1, 5, 2]]);
});

test('masks on the rotated picture: the orientation is applied, also to square and unlabelled images', async () => {
  const root = tempFolder();
  write(root, {
    'in/a.png': await tagged(6, 12, 8),
    'out/a.png': mask([0, 1], 8, 12),
    'in/square.png': await tagged(3, 8, 8),
    'out/square.png': mask([0, 1], 8, 8),
    'in/plain.jpg': await jpeg(3),
    'out/plain.png': mask([0, 1]),
    'in/free.png': await tagged(8, 12, 8),
  });
  await using(root, {}, async (set) => {
    assert.match(
      notes(set),
      /3 images have an EXIF orientation: it is applied, as viewers do \(1 mask fits the rotated image\)/,
    );
    assert.equal(set.pictures, { orientation: 'apply', bits: null });
    assert.equal(
      [await shape(set, 'a'), await shape(set, 'free'), await shape(set, 'plain')],
      ['8x12', '8x12', '12x8'],
    );
    const upright = await decodeImage(await tagged(3, 8, 8), 'x', { upright: true });
    assert.equal((await set.load('square', { labels: true })).rgb, upright.rgb);
    assert.equal(
      [await set.maxSize(), await set.maxSize(['a']), await set.maxSize(['plain'])],
      [
        [12, 12],
        [12, 8],
        [8, 12],
      ],
    );
  });
  await using(root, { size: [4, 6] }, async (set) => assert.is(await shape(set, 'a'), '6x4'));
  await using(root, { orientation: 'apply' }, async (set) => {
    assert.match(notes(set), /it is applied, as viewers do \(`orientation apply`\)/);
    assert.is(await shape(set, 'free'), '8x12');
  });
  await using(root, { orientation: 'ignore' }, async (set) => {
    assert.is(await shape(set, 'free'), '12x8');
    let message = '';
    await set.load('a', { labels: true }).catch((e: Error) => (message = errorText(e)));
    assert.match(
      message,
      /a\.png is 8x12, the image .*a\.png 12x8 with its EXIF orientation 6 ignored — .*`orientation`/,
    );
  });
});

test('masks on the stored pixels: the orientation is ignored, and nothing is said of images without one', async () => {
  const root = tempFolder();
  write(root, {
    'in/a.jpg': await tagged(6, 12, 8, 'jpeg'),
    'out/a.png': mask([0, 1]),
    'in/square.png': await tagged(2, 8, 8),
    'out/square.png': mask([0, 1], 8, 8),
    'in/free.webp': await tagged(7, 12, 8, 'webp'),
  });
  await using(root, {}, async (set) => {
    assert.match(
      notes(set),
      /3 images have an EXIF orientation: it is ignored: the stored pixels are read \(1 mask fits the stored pixels\)/,
    );
    assert.equal([await shape(set, 'a'), await shape(set, 'free')], ['12x8', '12x8']);
    const stored = await decodeImage(await tagged(2, 8, 8), 'x');
    assert.equal((await set.load('square', { labels: true })).rgb, stored.rgb);
  });
  // Values beyond the standard mean nothing: the tag 0x0112, a short, once.
  const plain = tempFolder();
  const nine = await tagged(6, 12, 8, 'jpeg');
  nine[nine.indexOf(Buffer.from([0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0])) + 8] = 9;
  write(plain, { 'in/a.jpg': nine, 'out/a.png': mask([0, 1]), 'in/b.png': await tagged(1, 12, 8) });
  await using(plain, {}, async (set) => {
    assert.not.match(notes(set), /EXIF/);
    assert.is(await shape(set, 'a'), '12x8');
  });
});

test('no mask tells: applied, and told; the rule of a run decides where there is one', async () => {
  const root = tempFolder();
  write(root, {
    'in/a.png': await tagged(6, 8, 8),
    'out/a.png': mask([0, 1], 8, 8),
    'in/free.png': await tagged(6, 12, 8),
  });
  const told = /2 images have an EXIF orientation: it is applied.*; no mask tells by its size.*`orientation ignore`/;
  await using(root, {}, async (set) => {
    assert.match(notes(set), told);
    assert.is(await shape(set, 'free'), '8x12');
  });
  await using(root, { pictures: { orientation: 'ignore', bits: null } }, async (set) => {
    assert.match(notes(set), /it is ignored: the stored pixels are read, as in the training/);
    assert.is(await shape(set, 'free'), '12x8');
  });
  const o = await inspect({ images: join(root, 'in'), masks: join(root, 'out') }, { threads: 0 });
  assert.equal(o.problems.find((p) => p.code === 'orientation')!.items, ['a', 'free']);
  assert.match(o.notes.join('\n'), told);
});

test('a set that contradicts itself: each image as its mask fits, the others with the majority', async () => {
  const root = tempFolder();
  write(root, {
    'in/a.png': await tagged(6, 12, 8),
    'out/a.png': mask([0, 1], 8, 12),
    'in/b.png': await tagged(5, 12, 8),
    'out/b.png': mask([0, 1]),
    'in/c.png': await tagged(8, 12, 8),
    'out/c.png': mask([0, 1]),
    'in/free.png': await tagged(6, 12, 8),
    'in/wrong.png': await tagged(6, 12, 8),
    'out/wrong.png': mask(1, 5, 5),
  });
  await using(root, {}, async (set) => {
    assert.match(notes(set), /it is ignored: the stored pixels are read, except where masks do not fit/);
    assert.match(notes(set), /\(1 mask fits the rotated image, 2 the stored pixels; `orientation`\)/);
    assert.equal(await Promise.all(['a', 'b', 'c', 'free'].map((id) => shape(set, id))), [
      '8x12',
      '12x8',
      '12x8',
      '12x8',
    ]);
    assert.equal(set.pictures!.orientation, 'ignore');
    let message = '';
    await set.load('wrong', { labels: true }).catch((e: Error) => (message = errorText(e)));
    assert.match(
      message,
      /wrong\.png is 5x5, the image .*wrong\.png 12x8 with its EXIF orientation 6 ignored — masks must have/,
    );
  });
  const o = await inspect({ images: join(root, 'in'), masks: join(root, 'out'), classes: 2 }, { threads: 0 });
  assert.equal(o.problems.find((p) => p.code === 'size-mismatch')!.items.length, 1);
  assert.equal(
    o.problems.filter((p) => p.code === 'orientation'),
    [],
  );
});

test('a mask that is turned, of an image that has lost its orientation', async () => {
  const root = tempFolder();
  write(root, { 'in/a.jpg': await jpeg(3), 'out/a.png': mask([0, 1], 8, 12) });
  await using(root, {}, async (set) => {
    let message = '';
    await set.load('a', { labels: true }).catch((e: Error) => (message = errorText(e)));
    assert.match(message, /a\.png is 8x12, the image .*a\.jpg 12x8 — the mask is turned by 90 degrees/);
  });
});

test('masks of unlabelled images tell nothing: they stay closed', async () => {
  const root = tempFolder();
  const list = join(root, 'list.txt');
  write(root, {
    'in/a.png': await tagged(6, 8, 8),
    'out/a.png': mask([0, 1], 8, 8),
    'in/b.png': await tagged(6, 12, 8),
    'out/b.png': mask([0, 1]),
    'list.txt': 'b\n',
  });
  for (const judge of [false, true]) {
    await using(root, { unlabelled: list, judge }, async (set) => {
      assert.equal(set.ids('labelled'), ['a']);
      assert.match(notes(set), /applied, as viewers do; no mask tells/);
      assert.is(await shape(set, 'b'), '8x12');
    });
  }
});

test.run();
