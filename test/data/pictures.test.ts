// How many bits of 16-bit images are used, by one rule for a set; animations, and files of other content than their
// names say.

import { join } from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { inspect } from '../../src/data/inspect.node.ts';
import { openDataset, type DatasetSpec } from '../../src/data/open.node.ts';
import { bitsOf } from '../../src/data/pictureRule.ts';
import { deep, jpeg, mask, removeFolders, tempFolder, write } from '../support/files.ts';
import { notes, using } from '../support/plainSet.ts';

test.after(removeFolders);

test('the bits that values use', () => {
  const cases = [
    [0, 8],
    [255, 8],
    [256, 10],
    [1023, 10],
    [1024, 12],
    [4095, 12],
    [4096, 14],
    [16384, 16],
    [65535, 16],
  ];
  for (const [largest, bits] of cases) {
    assert.is(bitsOf(largest), bits, String(largest));
  }
});

test('16-bit images whose values use the low bits: one rule, found in the training images', async () => {
  const root = tempFolder();
  const rgba = Uint16Array.from({ length: 4 * 96 }, (_, i) => [4000, 2048, 16, 65535][i % 4]);
  write(root, {
    // Dark by itself, and scaled as the others are.
    'in/a.png': deep([16, 32, 160]),
    'out/a.png': mask([0, 1]),
    'in/b.png': encode({ width: 12, height: 8, channels: 4, depth: 16, data: rgba }),
    'out/b.png': mask(1),
    'in/c.jpg': await jpeg(200),
    'in/v.png': deep([4095, 4096, 9000, 0]),
    'out/v.png': mask(1),
    'val.txt': 'v\n',
    'b.txt': 'b\n',
  });
  const warnings: string[] = [];
  await using(
    root,
    { val: join(root, 'val.txt') },
    async (set) => {
      assert.match(notes(set), /3 of 4 images have 16 bits per channel, and the largest value is 4000 \(b\.png\)/);
      assert.match(notes(set), /4095 is white \(`bits`\); 8-bit images are read as they are/);
      assert.equal(set.pictures, { orientation: 'apply', bits: 12 });
      const first = async (id: string, n = 3): Promise<number[]> => [
        ...(await set.load(id, { labels: false })).rgb.subarray(0, n),
      ];
      assert.equal(await first('a', 9), [1, 1, 1, 2, 2, 2, 10, 10, 10]);
      assert.equal(await first('b'), [250, 128, 1]);
      assert.ok(Math.abs((await first('c'))[0] - 200) < 4);
      assert.equal(await first('v', 12), [255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0]);
      await first('v');
    },
    warnings,
  );
  assert.is(warnings.length, 1);
  assert.match(warnings[0], /v\.png has values beyond 12 bits \(50\.0 % of them\), which are read as white \(`bits`\)/);
  const o = await inspect(
    { images: join(root, 'in'), masks: join(root, 'out'), val: join(root, 'val.txt'), classes: 2 },
    { threads: 0 },
  );
  assert.match(
    o.problems.find((p) => p.code === 'clipped')!.message,
    /1 image with values beyond those of the training images: v has values beyond 12 bits/,
  );
  assert.match(o.notes.join('\n'), /4095 is white/);
  assert.equal(o.pictures, { orientation: 'apply', bits: 12 });
  await using(root, { size: [4, 6], labels: join(root, 'b.txt'), val: join(root, 'val.txt') }, async (set) => {
    const { width, height, rgb } = await set.load('b', { labels: true });
    assert.equal([width, height, [...rgb.subarray(0, 3)]], [6, 4, [250, 128, 1]]);
  });
});

test('other depths; bits that are asked for, or that a run has used', async () => {
  const first = async (values: readonly number[], more: DatasetSpec): Promise<[number, string]> => {
    const root = tempFolder();
    write(root, { 'in/a.png': deep(values), 'out/a.png': mask([0, 1]) });
    let found: [number, string] = [0, ''];
    await using(root, more, async (set) => {
      found = [(await set.load('a', { labels: true })).rgb[0], notes(set)];
    });
    return found;
  };
  for (const [value, byte] of [
    [200, 200],
    [1000, 250],
    [4000, 250],
    [16000, 250],
    [64000, 250],
  ])
    assert.is((await first([value], {}))[0], byte, String(value));
  assert.equal(await first([1000], { bits: 12 }), [62, '1 image has 16 bits per channel: 4095 is white (`bits 12`)']);
  assert.equal(await first([1000], { pictures: { orientation: 'apply', bits: 14 } }), [
    15,
    '1 image has 16 bits per channel: 16383 is white, as in the training (`bits`)',
  ]);
  assert.is((await first([1000], { bits: 10, pictures: { orientation: 'apply', bits: 14 } }))[0], 250);
  // A run that has seen no 16-bit image does not know.
  assert.is((await first([1000], { pictures: { orientation: 'apply', bits: null } }))[0], 250);
  // Two marks of 65535 among 12-bit values.
  const root = tempFolder();
  const data = Uint16Array.from({ length: 100 * 100 }, (_, i) => (i < 2 ? 65535 : i % 4000));
  write(root, {
    'in/a.png': encode({ width: 100, height: 100, channels: 1, depth: 16, data }),
    'out/a.png': mask([0, 1], 100, 100),
  });
  await using(root, {}, (set) =>
    assert.match(
      notes(set),
      /65535 is white \(`bits`\); 99\.9 % of the values are below 4096: if images look too dark, give `bits 12`/,
    ),
  );
});

test('settings that make no sense', async () => {
  const refused = async (spec: DatasetSpec): Promise<string> =>
    openDataset(spec, { threads: 0 }).then(
      () => '',
      (e: Error) => `${e.name}: ${errorText(e)}`,
    );
  for (const bits of [7, 17, 8.5])
    assert.match(await refused({ images: 'x', bits }), /UsageError: .* bits per channel — give 8 to 16 \(`bits`\)/);
  assert.match(
    await refused({ images: 'x', orientation: 'up' as 'apply' }),
    /UsageError: orientation is "up" — choose one of auto, apply, ignore/,
  );
  assert.match(await refused({ bits: 12 }), /UsageError: the built-in set .*leave out `bits`/);
});

test('animations: the first picture, told; files of other content: told before training', async () => {
  const root = tempFolder();
  const frames = await Promise.all(
    [
      [255, 0],
      [0, 255],
    ].map(([r, b]) =>
      sharp({ create: { width: 12, height: 8, channels: 3, background: { r, g: 0, b } } })
        .png()
        .toBuffer(),
    ),
  );
  write(root, {
    'in/a.webp': await sharp(frames, { join: { animated: true } })
      .webp({ lossless: true })
      .toBuffer(),
    'out/a.png': mask([0, 1]),
    'in/b.jpg': '<!DOCTYPE html><title>Not found</title>',
    'in/c.jpg': await sharp(frames[0]).gif().toBuffer(),
  });
  await using(root, {}, async (set) => {
    assert.match(notes(set), /1 image is an animation, of which the first picture is read \(a\.webp\)/);
    const { rgb, width, height } = await set.load('a', { labels: true });
    assert.equal([width, height, rgb[0] > 250, rgb[2] < 5], [12, 8, true, true]);
    for (const [id, kind] of [
      ['b', 'an HTML page'],
      ['c', 'a GIF image'],
    ]) {
      let message = '';
      await set.load(id, { labels: false }).catch((e: Error) => (message = errorText(e)));
      assert.match(message, new RegExp(`${id}\\.jpg cannot be decoded: it is ${kind} — only JPEG, PNG and WebP`));
    }
    assert.equal(set.unreadable.map((e) => /\w\.jpg cannot/.exec(errorText(e))?.[0]).sort(), [
      'b.jpg cannot',
      'c.jpg cannot',
    ]);
  });
});

test('suffixes that lie: images are read by content, masks must be PNG', async () => {
  const root = tempFolder();
  const png = await sharp({ create: { width: 12, height: 8, channels: 3, background: { r: 10, g: 20, b: 30 } } })
    .png()
    .toBuffer();
  const names = ['png.jpg', 'jpeg.png', 'webp.jpg', 'a.jfif', 'b.jpe', 'c.pjpeg', 'd.JPG', 'e.PNG', 'f.Jpeg', 'g.WEBP'];
  for (const name of names) {
    const bytes = /^webp|webp$/i.test(name)
      ? await sharp(png).webp({ lossless: true }).toBuffer()
      : /^(png|e)/.test(name)
        ? png
        : await jpeg(10);
    write(root, {
      [`in/${name}`]: bytes,
      [`out/${name.replace(/\.\w+$/, name === 'd.JPG' ? '.PNG' : '.png')}`]: mask([0, 1]),
    });
  }
  write(root, {
    'in/x.jpg': png,
    'out/x.png': await jpeg(3),
    'in/Thumbs.db': 'x',
    'in/.DS_Store': 'x',
    'in/._a.jfif': 'x',
    'in/__MACOSX/a.jpg': 'x',
  });
  const notPng = /x\.png is not a PNG file: it is a JPEG image — masks are PNG files/;
  const opening = await using(root, {}, () => undefined).then(
    () => '',
    (e: Error) => errorText(e),
  );
  assert.match(opening, notPng, 'masks are looked at when a set is opened');
  await using(root, { tolerant: true }, async (set) => {
    assert.equal(set.ids('labelled').sort(), ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'jpeg', 'png', 'webp', 'x']);
    for (const id of set.ids('labelled').filter((i) => i !== 'x'))
      assert.ok(Math.abs((await set.load(id, { labels: true })).rgb[0] - 10) < 4, id);
    assert.not.match(notes(set), /MACOSX|searched|Thumbs/);
    let message = '';
    await set.load('x', { labels: true }).catch((e: Error) => (message = errorText(e)));
    assert.match(message, notPng);
  });
});

test.run();
