// VOC layout: reading, refusing, and never opening the mask of an unlabelled image.

import { mkdtempSync, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Loader, pack, SampleCache } from '../../src/data/batch.ts';
import { decodeMask, resizeLabels, vocPalette } from '../../src/data/mask.ts';
import { openVoc, type VocOptions } from '../../src/data/voc.node.ts';
import { sharedFolder } from '../support/shared.ts';

const WIDTH = 12, HEIGHT = 8;
const folders: string[] = [];

async function jpeg(value: number): Promise<Buffer> {
  return sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: { r: value, g: 128, b: 10 } } }).jpeg().toBuffer();
}

const grey = (value: number, width = WIDTH, height = HEIGHT): Uint8Array => encode({ width, height, channels: 1, depth: 8, data: new Uint8Array(width * height).fill(value) });

/** A set of two labelled images (a, b), one unlabelled (c) with a mask that is no picture at all, and one for validation (v). */
async function make(change?: (root: string) => void | Promise<void>): Promise<VocOptions> {
  const root = mkdtempSync(join(tmpdir(), 'fewmask-voc-'));
  folders.push(root);
  for (const f of ['JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation']) mkdirSync(join(root, f), { recursive: true });
  for (const [i, id] of ['a', 'b', 'c', 'v'].entries()) writeFileSync(join(root, `JPEGImages/${id}.jpg`), await jpeg(60 * i));
  for (const [i, id] of ['a', 'b', 'v'].entries()) writeFileSync(join(root, `SegmentationClass/${id}.png`), grey(i));
  writeFileSync(join(root, 'SegmentationClass/c.png'), 'not a picture');
  const lists = { labelled: 'a\nb\n', unlabelled: 'c\n', val: 'v\n' };
  for (const [name, text] of Object.entries(lists)) writeFileSync(join(root, `ImageSets/Segmentation/${name}.txt`), text);
  await change?.(root);
  return { root, lists: { labelled: 'labelled', unlabelled: 'unlabelled', val: 'val' }, numClasses: 3 };
}

async function refuses(change: (root: string) => void | Promise<void>, pattern: RegExp, alter: (o: VocOptions) => VocOptions = (o) => o): Promise<void> {
  const options = alter(await make(change));
  try {
    const set = await openVoc(options);
    for (const id of set.ids('labelled')) await set.load(id, { labels: true });
  } catch (error) {
    assert.match((error as Error).message, pattern);
    assert.is((error as Error).name, 'DataError');
    return;
  }
  assert.unreachable(`nothing was refused (${pattern})`);
}

test.after(() => folders.forEach((f) => rmSync(f, { recursive: true, force: true })));

test('reads images and masks; the mask of an unlabelled image is never opened', async () => {
  const set = await openVoc(await make());
  assert.equal([set.ids('labelled'), set.ids('unlabelled'), set.ids('val')], [['a', 'b'], ['c'], ['v']]);
  const b = await set.load('b', { labels: true });
  assert.is(b.labels![5], 1);
  assert.is(b.rgb.length, WIDTH * HEIGHT * 3);
  const c = await set.load('c', { labels: false });
  assert.is(c.labels, null);
  const cache = new SampleCache(set);
  const batch = await new Loader(cache, { ids: set.ids('unlabelled'), n: 2, seed: 1, stream: 1, labels: false }).batch(0);
  assert.ok(batch.texels.every((t) => t >>> 24 === 255));
});

test('a batch of a step is the same whatever came before it', async () => {
  const set = await openVoc(await make());
  const loader = () => new Loader(new SampleCache(set), { ids: ['a', 'b'], n: 3, seed: 4, stream: 2, labels: true });
  const one = loader();
  const ids: string[][] = [];
  for (let s = 0; s < 6; s++) ids.push((await one.batch(s)).ids);
  assert.equal((await loader().batch(4)).ids, ids[4]);
  for (let s = 0; s < 6; s += 2) assert.equal([...ids[s], ...ids[s + 1]].sort(), ['a', 'a', 'a', 'b', 'b', 'b']);
});

test('what cannot be used is refused by name', async () => {
  await refuses((r) => writeFileSync(join(r, 'ImageSets/Segmentation/labelled.txt'), 'a\nzz\n'), /names "zz"/);
  await refuses((r) => writeFileSync(join(r, 'ImageSets/Segmentation/labelled.txt'), '\n'), /is empty/);
  await refuses((r) => rmSync(join(r, 'SegmentationClass/b.png')), /has no mask.*b\.png/);
  await refuses((r) => writeFileSync(join(r, 'SegmentationClass/b.png'), grey(7)), /class id 7.*3 classes/);
  await refuses((r) => writeFileSync(join(r, 'SegmentationClass/b.png'), grey(1, 5, 5)), /5x5, the image 12x8/);
  await refuses((r) => writeFileSync(join(r, 'SegmentationClass/b.png'), encode({ width: WIDTH, height: HEIGHT, channels: 3, depth: 8, data: Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => i % 251) })), /colour picture/);
  await refuses((r) => writeFileSync(join(r, 'SegmentationClass/b.png'), 'nonsense'), /not a PNG/);
  await refuses((r) => writeFileSync(join(r, 'SegmentationClass/b.png'), grey(1).slice(0, 60)), /damaged or truncated/);
  await refuses((r) => truncateSync(join(r, 'JPEGImages/b.jpg'), statSync(join(r, 'JPEGImages/b.jpg')).size - 60), /b\.jpg cannot be decoded/);
  await refuses((r) => rmSync(join(r, 'JPEGImages'), { recursive: true }), /no folder JPEGImages/);
  await refuses(() => undefined, /no list "nothing"/, (o) => ({ ...o, lists: { ...o.lists, labelled: 'nothing' } }));
});

test('palette and low-depth masks give indices, not colours', async () => {
  for (const bits of [1, 2, 4, 8] as const) {
    const labels = Uint8Array.from({ length: 7 * 3 }, (_, i) => i % Math.min(2 ** bits, 5));
    const palette = vocPalette();
    const rgb = Uint8Array.from({ length: labels.length * 3 }, (_, i) => palette[3 * labels[Math.floor(i / 3)] + (i % 3)]);
    const file = await sharp(rgb, { raw: { width: 7, height: 3, channels: 3 } }).png({ palette: true, colours: 2 ** Math.min(bits, 8), dither: 0 }).toBuffer();
    const mask = decodeMask(file, 'palette.png');
    assert.ok(mask.palette, 'the palette is kept');
    // The encoder orders its palette as it likes: equal labels must give equal indices, different ones different.
    const map = new Map<number, number>();
    labels.forEach((v, i) => {
      if (!map.has(v)) map.set(v, mask.labels[i]);
      assert.is(mask.labels[i], map.get(v));
    });
    assert.is(new Set(map.values()).size, map.size);
  }
});

test('nearest resizing and packing', () => {
  const labels = Uint8Array.from({ length: 16 }, (_, i) => i);
  assert.equal([...resizeLabels(labels, [4, 4], [2, 2])], [5, 7, 13, 15]);
  const batch = pack([{ id: 'x', width: 2, height: 1, rgb: Uint8Array.of(1, 2, 3, 4, 5, 6), labels: Uint8Array.of(7, 8) }], [2, 3]);
  assert.equal([...batch.texels].map((t) => t.toString(16)), ['7030201', '8060504', 'ff000000', 'ff000000', 'ff000000', 'ff000000']);
});

const camvid = sharedFolder('data/camvid'), voc = sharedFolder('data/voc2012_subset');
if (camvid && voc) {
  test('the real sets: lists, sizes, palette masks', async () => {
    const set = await openVoc({ root: camvid, lists: { train: 'train', labelled: 'labeled_1_8', unlabelled: 'unlabeled_1_8', val: 'val', test: 'test' }, numClasses: 11 });
    assert.equal((['train', 'labelled', 'val', 'test'] as const).map((s) => set.ids(s).length), [367, 46, 101, 175]);
    const sample = await set.load(set.ids('labelled')[0], { labels: true });
    assert.equal([sample.width, sample.height], [240, 180]);
    const animals = await openVoc({ root: voc, lists: { labelled: 'labeled_1_8' }, numClasses: 21 });
    for (const id of animals.ids('labelled').slice(0, 5)) assert.ok((await animals.load(id, { labels: true })).labels!.every((v) => v < 21 || v === 255));
  });
} else {
  console.log('skipped: the real sets: ../shared/data is absent');
}

test.run();
