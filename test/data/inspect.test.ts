// Inspection: counts, sizes, classes, and every problem reported rather than thrown; the contact sheet.

import { readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { contactSheet } from '../../src/data/contactSheet.node.ts';
import { inspect } from '../../src/data/inspect.node.ts';
import { exitCode, formatInspection, type Inspection } from '../../src/data/inspection.ts';
import type { DatasetSpec } from '../../src/data/open.node.ts';
import { drawText } from '../../src/data/tinyFont.ts';
import { colourMask, jpeg, mask, removeFolders, tempFolder, vocFolder, write } from '../support/files.ts';
import { sharedFolder } from '../support/shared.ts';

test.after(removeFolders);

const LIST = 'ImageSets/Segmentation';
const look = (spec: DatasetSpec) => inspect(spec, { threads: 0 });
const codes = (o: Inspection): string[] => o.problems.map((p) => p.code).sort();
const found = (o: Inspection, code: string) => o.problems.find((p) => p.code === code)!;

test('a sound set: counts, sizes, classes; masks of unlabelled images only counted', async () => {
  const o = await look({ path: await vocFolder(), labels: 'labelled' });
  assert.equal(codes(o), ['tiny']);
  assert.equal(
    [o.splits.labelled, o.splits.unlabelled, o.splits.val, o.splits.test],
    [
      { images: 2, masks: 2 },
      { images: 2, masks: 2 },
      { images: 1, masks: 1 },
      { images: 0, masks: 0 },
    ],
  );
  assert.equal(o.sizes, {
    height: { min: 8, median: 8, max: 8 },
    width: { min: 12, median: 12, max: 12 },
    distinct: 1,
  });
  assert.equal(
    [o.numClasses, o.classes.labelled, o.classes.val.pixels],
    [3, { pixels: [48, 96, 48], images: [1, 1, 1], ignored: 0 }, [0, 0, 96]],
  );
  assert.equal(o.maskForms, { 'grey, 8 bits': 3 });
  assert.is(exitCode(o), 0);
  assert.match(formatInspection(o), /labelled +2 +2\n.*unlabelled +2 +2\n[\s\S]*1 class 1 +50\.0 % +1[\s\S]*0 errors/);
  assert.match(formatInspection(o), /0 errors, 1 warning\nwarning: 5 images with a side below 32 pixels\n/);
  assert.equal(JSON.parse(JSON.stringify(o)), o);
});

test('everything that is wrong is reported at once', async () => {
  const path = await vocFolder(async (r) => {
    for (const [i, id] of ['e', 'f', 'g', 'h', 'i', 'k', 'big'].entries())
      write(r, { [`JPEGImages/${id}.jpg`]: id === 'big' ? await jpeg(1, 5000, 40) : await jpeg(20 * i + 7, 40, 40) });
    write(r, {
      'SegmentationClass/e.png': mask([0, 7], 40, 40),
      'SegmentationClass/f.png': mask(1, 5, 5),
      'SegmentationClass/g.png': colourMask(),
      'SegmentationClass/h.png': mask(255, 40, 40),
      'SegmentationClass/lone.png': mask(1),
      'SegmentationClass/i.png': mask([0, 255], 40, 40),
      'JPEGImages/twin.jpg': await jpeg(0),
      'JPEGImages/turned.jpg': await sharp({ create: { width: 40, height: 40, channels: 3, background: '#123' } })
        .withMetadata({ orientation: 3 })
        .jpeg()
        .toBuffer(),
      [`${LIST}/labelled.txt`]: 'a\nb\ne\nf\ng\nh\ni\nk\nv\nzz\nyy\n',
      [`${LIST}/unlabelled.txt`]: 'c\nd\nbig\ntwin\nturned\n',
    });
    truncateSync(join(r, 'JPEGImages/c.jpg'), statSync(join(r, 'JPEGImages/c.jpg')).size - 40);
  });
  const o = await look({ path, labels: 'labelled', unlabelled: 'unlabelled', classes: 4 });
  assert.equal(codes(o), [
    'class-absent',
    'duplicates',
    'huge',
    'ids-outside',
    'image-missing',
    'image-unreadable',
    'mask-blank',
    'mask-missing',
    'mask-unreadable',
    'mask-without-image',
    'orientation',
    'overlap',
    'size-mismatch',
    'tiny',
  ]);
  assert.is(exitCode(o), 1);
  const text = formatInspection(o);
  for (const [code, pattern] of Object.entries({
    'ids-outside': /1 mask with ids beyond the 4 classes \(0 to 3; 255 is ignored\): .*e\.png \(7\)/,
    'size-mismatch': /1 mask of another size than the image: .*f\.png is 5x5, the image 40x40/,
    'mask-unreadable': /g\.png is a colour picture/,
    'mask-blank': /h\.png/,
    'mask-missing': /labelled image "k" has no mask/,
    'mask-without-image': /1 mask without an image of the same name: lone/,
    'image-missing': /2 entries of the labelled list .*labelled\.txt are not in/,
    'image-unreadable': /c\.jpg cannot be decoded/,
    'class-absent': /1 class is in no labelled image: 3 class 3/,
    overlap: /1 image both in labelled and in val: v/,
    duplicates: /a \(labelled\) = twin \(unlabelled\)/,
    huge: /big \(5000x40\)/,
    orientation: /turned/,
  })) {
    assert.match(found(o, code).message, pattern);
    assert.ok(text.includes(found(o, code).message));
  }
  assert.equal([found(o, 'image-missing').items, found(o, 'tiny').items.length], [['zz', 'yy'], 5]);
});

test('sets that cannot be opened are reported, not thrown', async () => {
  const empty = tempFolder();
  const black = tempFolder();
  write(black, {
    'in/a.jpg': await jpeg(3, 40, 40),
    'in/b.jpg': await jpeg(4, 40, 40),
    'out/a.png': mask([0, 255], 40, 40),
  });
  const flat = tempFolder();
  write(flat, { 'in/a.jpg': await jpeg(3), 'in/b.jpg': await jpeg(4), 'out/a.png': mask(0), 'out/b.png': mask(0) });
  const cases: [DatasetSpec, RegExp][] = [
    [{ path: join(empty, 'absent') }, /does not exist/],
    [{ path: empty }, /is empty/],
    [{ images: join(black, 'in') }, /unlabelled images only/],
    [{ images: join(black, 'in'), masks: join(black, 'out') }, /the mask holds the values 0, 255 only, read as 2/],
    [{ images: join(flat, 'in'), masks: join(flat, 'out') }, /the masks \(2\) show class 0 alone/],
    [{ path: await vocFolder(), labels: 'nothing' }, /no list "nothing"/],
    [{ path: await vocFolder((r) => rmSync(join(r, `${LIST}/val.txt`))), labels: 'labelled' }, /no val images/],
  ];
  for (const [spec, pattern] of cases) {
    const o = await look(spec);
    assert.ok(
      o.problems.some((p) => pattern.test(p.message)),
      formatInspection(o),
    );
    assert.is(exitCode(o), o.problems.some((p) => p.level === 'error') ? 1 : 0);
  }
  let usage = '';
  await look({ path: await vocFolder(), labels: '0/8' }).catch((e: Error) => (usage = e.name));
  assert.is(usage, 'UsageError');
  const named = await look({ path: await vocFolder(), labels: '2', train: 'train', unlabelled: undefined });
  assert.match(named.notes.join(), /2 masks could not be read for the draw/);
});

test('letters are drawn without a font', () => {
  const rows = Array.from({ length: 5 }, () => Array<string>(7).fill('.'));
  drawText('t1', 0, 0, 1, (x, y) => (rows[y][x] = '#'));
  assert.equal(
    rows.map((r) => r.join('')),
    ['###..#.', '.#..##.', '.#...#.', '.#...#.', '.#..###'],
  );
});

test('the contact sheet shows images beside their classes, and unlabelled images alone', async () => {
  const path = await vocFolder(async (r) =>
    truncateSync(join(r, 'JPEGImages/b.jpg'), statSync(join(r, 'JPEGImages/b.jpg')).size - 40),
  );
  const file = join(tempFolder(), 'deep/sheet.png');
  assert.equal(await contactSheet({ path, labels: 'labelled' }, file, { n: 4, side: 60, columns: 2, threads: 0 }), [
    'a',
    'b',
    'v',
    'c',
  ]);
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  assert.equal([info.width, info.channels], [2 * 134 + 10, 3]);
  // v (second row, left) is all class 2: green, drawn at 0.55 over the image.
  const at = (x: number, y: number): number[] => [
    ...data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3),
  ];
  const bottom = info.height - 20;
  const [image, over] = [at(30, bottom), at(30 + 64, bottom)];
  [0, 128, 0].forEach((c, k) =>
    assert.ok(Math.abs(over[k] - (image[k] + (c - image[k]) * 0.55)) <= 2, `${image} ${over}`),
  );
  assert.equal(at(10 + 144 + 64 + 20, bottom), [24, 26, 30], 'nothing beside the unlabelled image');
});

test('the contact sheet shows the rest where a mask cannot be read', async () => {
  const path = await vocFolder((r) => write(r, { 'SegmentationClass/b.png': 'nonsense' }));
  const file = join(tempFolder(), 'sheet.png');
  const spec = { path, labels: 'labelled', classes: 3 };
  assert.equal(await contactSheet(spec, file, { n: 4, threads: 0 }), ['a', 'b', 'v', 'c']);
});

test('the contact sheet is not written over an image or a mask', async () => {
  const path = await vocFolder();
  const before = readFileSync(join(path, 'JPEGImages/c.jpg'));
  for (const file of ['JPEGImages/c.jpg', 'SegmentationClass/a.png']) {
    let message = '';
    await contactSheet({ path, labels: 'labelled' }, join(path, file), { threads: 0 }).catch(
      (e: Error) => (message = errorText(e)),
    );
    assert.match(message, /would overwrite an input/);
  }
  assert.equal(readFileSync(join(path, 'JPEGImages/c.jpg')), before);
});

test('the built-in set is inspected like any other', async () => {
  const o = await look({ builtin: { width: 48, height: 40, train: 12, labelled: 4, val: 3, test: 2 } });
  assert.equal([o.splits.labelled.images, o.splits.unlabelled.images, o.numClasses, exitCode(o)], [4, 8, 5, 0]);
  assert.is(
    o.classes.val.pixels.reduce((a, b) => a + b),
    3 * 48 * 40,
  );
});

const nuclei = sharedFolder('data/nuclei');
if (nuclei) {
  test('a real set: the histogram of its own statistics', async () => {
    const o = await inspect({ path: nuclei, labels: 'labeled_1_16' });
    assert.equal([o.classes.labelled.pixels, o.classes.labelled.images, exitCode(o)], [[1195525, 180731], [21, 21], 0]);
  });
} else {
  console.log('skipped: inspection of a real set: ../shared/data is absent');
}

test.run();
