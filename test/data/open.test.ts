// Opening data sets: layouts, lists, splits, formats; and never the mask of an unlabelled image.

import { copyFileSync, mkdirSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join, relative } from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { Loader, SampleCache } from '../../src/data/batch.ts';
import { absoluteSpec, openDataset, type DatasetSpec } from '../../src/data/open.node.ts';
import { HEIGHT, jpeg, mask, removeFolders, tempFolder, vocFolder, WIDTH, write } from '../support/files.ts';
import { sharedFolder } from '../support/shared.ts';

test.after(removeFolders);

async function using<T>(
  spec: DatasetSpec,
  body: (set: Awaited<ReturnType<typeof openDataset>>) => Promise<T>,
): Promise<T> {
  const set = await openDataset(spec, { threads: 0 });
  try {
    return await body(set);
  } finally {
    await set.close();
  }
}

/** Loads every image of every stream, as training and evaluation do. */
async function loadAll(set: Awaited<ReturnType<typeof openDataset>>): Promise<void> {
  const cache = new SampleCache(set);
  for (const [split, labels] of [
    ['labelled', true],
    ['unlabelled', false],
    ['train', false],
    ['val', true],
    ['test', true],
  ] as const) {
    const ids = set.ids(split);
    if (ids.length === 0) continue;
    const size = await set.maxSize(ids);
    const loader = new Loader(cache, { ids, n: 2, seed: 1, stream: 1, labels, size });
    for (let s = 0; 2 * s < ids.length + 1; s++) {
      const batch = await loader.batch(s);
      if (!labels) assert.ok(batch.texels.every((t) => t >>> 24 === 255));
    }
  }
}

test('lists: images, masks, splits; the masks of unlabelled images cannot be opened, and are not', async () => {
  const path = await vocFolder();
  for (const threads of [0, 1]) {
    const set = await openDataset({ path, labels: 'labelled' }, { threads });
    assert.equal(
      [set.ids('labelled'), set.ids('unlabelled'), set.ids('val'), set.ids('test')],
      [['a', 'b'], ['c', 'd'], ['v'], []],
    );
    assert.is(set.numClasses, 3);
    assert.match(set.notes.join(), /3 classes: the largest id in 3 masks is 2/);
    const a = await set.load('a', { labels: true });
    assert.equal([...a.labels!.subarray(0, 4)], [0, 2, 0, 2]);
    assert.is(a.rgb.length, WIDTH * HEIGHT * 3);
    assert.is((await set.load('c', { labels: false })).labels, null);
    await loadAll(set);
    let refused = '';
    await set.load('c', { labels: true }).catch((e: Error) => (refused = errorText(e)));
    assert.match(refused, /masks of unlabelled images are not opened/);
    await set.close();
  }
});

test('a list of unlabelled images closes their masks to the draw, too', async () => {
  const path = await vocFolder();
  await using({ path, labels: '1', unlabelled: 'unlabelled', classes: 3 }, async (set) => {
    assert.equal([set.ids('labelled'), set.ids('unlabelled')], [['a'], ['c', 'd']]);
    await loadAll(set);
  });
  let message = '';
  await openDataset({ path, labels: '1', unlabelled: 'train', classes: 3 }, { threads: 0 }).catch(
    (e: Error) => (message = errorText(e)),
  );
  assert.match(message, /none of the 4 training images has a mask in .* and is not in the unlabelled list/);
});

test('by fraction without cover, too, only masks of labelled images are opened: counted', async () => {
  const root = tempFolder();
  for (let i = 0; i < 16; i++)
    write(root, { [`JPEGImages/${i}.jpg`]: await jpeg(i), [`SegmentationClass/${i}.png`]: mask(i % 3) });
  const opened: string[] = [];
  const original = fs.readFile;
  const count = async (labelsCover: boolean): Promise<{ before: string[]; after: string[]; labelled: string[] }> => {
    opened.length = 0;
    return using({ path: root, labels: '1/4', labelsCover, classes: 3 }, async (set) => {
      const before = [...opened];
      opened.length = 0;
      await loadAll(set);
      return { before, after: [...opened], labelled: set.ids('labelled').map((id) => `${id}.png`) };
    });
  };
  fs.readFile = ((file: string, ...rest: []) => {
    if (String(file).includes('SegmentationClass')) opened.push(String(file).split('/').at(-1)!);
    return original(file, ...rest);
  }) as typeof fs.readFile;
  syncBuiltinESMExports();
  try {
    for (const cover of [false, true]) {
      const { before, after, labelled } = await count(cover);
      // Without the draw, the masks of labelled images alone are looked at.
      assert.equal([...new Set(before)].length, cover ? 16 : 4, 'before loading');
      if (!cover) assert.equal([...before].sort(), [...labelled].sort());
      assert.equal([...new Set(after)].sort(), labelled.sort(), 'loading');
    }
  } finally {
    fs.readFile = original;
    syncBuiltinESMExports();
  }
});

test('draws are nested, seeded, within the pool, and show every class', async () => {
  const root = tempFolder();
  // Class 3 in one image of 64, class 2 in four.
  for (let i = 0; i < 64; i++)
    write(root, {
      [`JPEGImages/i${i}.jpg`]: await jpeg(i),
      [`SegmentationClass/i${i}.png`]: mask([0, i === 37 ? 3 : i % 16 === 5 ? 2 : 1]),
    });
  const draw = (labels: string, splitSeed = 0, more: DatasetSpec = {}) =>
    using({ path: root, labels, splitSeed, classes: 4, ...more }, async (set) => {
      assert.equal([...set.ids('labelled'), ...set.ids('unlabelled')].sort(), set.ids('train').sort());
      assert.is(new Set(set.ids('train')).size, 64);
      return set.ids('labelled');
    });
  const [few, some, many] = [await draw('1/16'), await draw('1/8'), await draw('1/4')];
  assert.equal([few.length, some.length, many.length], [4, 8, 16]);
  assert.ok(few.every((id) => some.includes(id)) && some.every((id) => many.includes(id)));
  assert.ok(few.includes('i37'), 'the only image of class 3');
  assert.equal(await draw('8'), some);
  assert.equal(await draw('12.5%'), some);
  assert.not.equal((await draw('8', 1)).sort(), some.sort());
  const plain = await draw('1/16', 0, { labelsCover: false });
  assert.equal(plain, (await draw('1/8', 0, { labelsCover: false })).slice(0, 4));
  await using({ path: root, labels: '8', val: '1/8', test: '5', classes: 4 }, async (set) => {
    assert.equal([set.ids('val').length, set.ids('test').length, set.ids('train').length], [8, 5, 51]);
    assert.is(new Set([...set.ids('val'), ...set.ids('test'), ...set.ids('train')]).size, 64);
  });
  write(root, { 'list.txt': Array.from({ length: 60 }, (_, i) => `i${i}`).join('\n') });
  await using({ path: root, labels: join(root, 'list.txt'), val: '4', classes: 4 }, async (set) => {
    assert.equal(
      [set.ids('labelled').length, set.ids('val').sort()],
      [60, ['i60', 'i61', 'i62', 'i63']],
      'listed labels are not held out',
    );
  });
});

test('lists: CRLF, blank lines, repeated ids, extensions, pairs of paths, paths of lists', async () => {
  const path = await vocFolder((root) => {
    mkdirSync(join(root, 'other'));
    copyFileSync(join(root, 'SegmentationClass/b.png'), join(root, 'other/a.png'));
    write(root, {
      'ImageSets/Segmentation/odd.txt': '\uFEFFa.jpg\r\n\r\n  b\r\na\r\n',
      'pairs.txt': 'JPEGImages/a.jpg other/a.png\n/JPEGImages/b.jpg /SegmentationClass/b.png\n',
    });
  });
  await using({ path, labels: 'odd', classes: 3 }, async (set) => assert.equal(set.ids('labelled'), ['a', 'b']));
  await using({ path, labels: join(path, 'pairs.txt'), unlabelled: 'unlabelled', classes: 3 }, async (set) => {
    assert.equal(
      [set.ids('labelled'), set.ids('unlabelled'), set.ids('train')],
      [
        ['a', 'b'],
        ['c', 'd'],
        ['a', 'b', 'c', 'd'],
      ],
    );
    assert.ok(
      (await set.load('a', { labels: true })).labels!.every((v) => v === 1),
      'the mask that the pair names',
    );
  });
});

test('lists: the same name in two folders, names with spaces, absolute paths', async () => {
  const path = await vocFolder(async (root) => {
    for (const [i, f] of ['train/001', 'val/001', 'other/a', 'JPEGImages/my photo', 'JPEGImages/my'].entries())
      write(root, { [`${f}.jpg`]: await jpeg(10 * i), [`masks/${f}.png`]: mask(i % 3) });
    write(root, {
      'train.txt':
        'train/001.jpg masks/train/001.png\nother/a.jpg masks/other/a.png\nJPEGImages/my photo.jpg ' +
        `masks/JPEGImages/my photo.png\n${join(root, 'JPEGImages/b.jpg')}\nJPEGImages/a.jpg b.png\n`,
      'val.txt': 'val/001.jpg masks/val/001.png\nJPEGImages/v.jpg SegmentationClass/v.png\n',
      'spaces.txt': 'my photo.jpg\nmy photo\nJPEGImages/my photo\n',
      // The masks of unlabelled images may be gone.
      'gone.txt': 'JPEGImages/c.jpg SegmentationClass/moved.png\nd.jpg gone.png\n',
    });
  });
  await using(
    { path, labels: join(path, 'train.txt'), train: join(path, 'train.txt'), val: join(path, 'val.txt'), classes: 3 },
    async (set) => {
      assert.equal(
        [set.ids('labelled'), set.ids('val')],
        [
          ['001', 'other/a', 'my photo', 'b', 'a'],
          ['val/001', 'v'],
        ],
      );
      for (const [id, label] of [
        ['001', 0],
        ['val/001', 1],
        ['other/a', 2],
        ['my photo', 0],
        ['a', 1],
      ] as const)
        assert.ok(
          (await set.load(id, { labels: true })).labels!.every((v) => v === label),
          id,
        );
      await loadAll(set);
    },
  );
  await using({ path, labels: 'labelled', unlabelled: join(path, 'spaces.txt'), classes: 3 }, async (set) =>
    assert.equal(set.ids('unlabelled'), ['my photo']),
  );
  await using({ path, labels: 'labelled', unlabelled: join(path, 'gone.txt'), classes: 3 }, async (set) =>
    assert.equal(set.ids('unlabelled'), ['c', 'd']),
  );
});

test('judging by masks of unlabelled images: one that is missing or damaged leaves the truth unknown', async () => {
  const path = await vocFolder(async (r) =>
    write(r, {
      'JPEGImages/e.jpg': await jpeg(9),
      'JPEGImages/f.jpg': await jpeg(8),
      'SegmentationClass/f.png': mask(2),
      'ImageSets/Segmentation/unlabelled.txt': 'c\nd\ne\nf\n',
    }),
  );
  const warnings: string[] = [];
  const set = await openDataset(
    { path, labels: 'labelled', unlabelled: 'unlabelled', judge: true },
    { threads: 0, warn: (m) => warnings.push(m) },
  );
  for (const id of ['c', 'd', 'e', 'c']) assert.is((await set.load(id, { labels: true })).labels, null, id);
  assert.equal([...new Set((await set.load('f', { labels: true })).labels)], [2]);
  assert.is(warnings.length, 2);
  assert.match(warnings[0], /nothing is judged by the mask of the unlabelled image "c": .*c\.png is not a PNG file/);
  await set.close();
});

test('a list of unlabelled images closes them to the draws of val and test', async () => {
  const root = tempFolder();
  for (let i = 0; i < 8; i++)
    write(root, { [`JPEGImages/${i}.jpg`]: await jpeg(i), [`SegmentationClass/${i}.png`]: mask(i % 3) });
  write(root, { 'list.txt': '0\n1\n2\n3\n4\n' });
  await using(
    { path: root, labels: '1', val: '1', test: '1', unlabelled: join(root, 'list.txt'), classes: 3 },
    async (set) => {
      assert.equal(set.ids('unlabelled'), ['0', '1', '2', '3', '4']);
      assert.equal([...set.ids('labelled'), ...set.ids('val'), ...set.ids('test')].sort(), ['5', '6', '7']);
    },
  );
});

test('a mask that cannot be read does not stop the draw', async () => {
  const root = tempFolder();
  for (let i = 0; i < 6; i++)
    write(root, { [`JPEGImages/${i}.jpg`]: await jpeg(i), [`SegmentationClass/${i}.png`]: mask([0, 1]) });
  const labelled = await using({ path: root, labels: '2', classes: 2 }, async (set) => set.ids('labelled'));
  const bad = ['0', '1', '2', '3', '4', '5'].find((id) => !labelled.includes(id))!;
  write(root, { [`SegmentationClass/${bad}.png`]: 'nonsense' });
  await using({ path: root, labels: '2' }, async (set) => {
    assert.equal(set.ids('labelled'), labelled);
    assert.match(
      set.notes.join(),
      new RegExp(`1 mask could not be read for the draw: .*${bad}\\.png is not a PNG file`),
    );
    await loadAll(set);
  });
});

test('a data set by absolute paths; numbers and names of lists stay', async () => {
  const path = await vocFolder((r) => write(r, { 'mine.txt': 'a\n' }));
  const near = relative(process.cwd(), path);
  assert.equal(absoluteSpec({ path: near, labels: 'labelled', val: join(near, 'mine.txt'), test: '1/8' }), {
    path,
    labels: 'labelled',
    val: join(path, 'mine.txt'),
    test: '1/8',
  });
  assert.equal(absoluteSpec({ labels: '8' }), absoluteSpec({ path: 'builtin', labels: '8' }));
});

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

const camvid = sharedFolder('data/camvid');
const voc = sharedFolder('data/voc2012_subset');
const nuclei = sharedFolder('data/nuclei');
if (camvid && voc && nuclei) {
  test('the real sets: lists, sizes, palette masks, draws that show every class', async () => {
    await using({ path: camvid, labels: 'labeled_1_8' }, async (set) => {
      assert.equal(
        (['train', 'labelled', 'unlabelled', 'val', 'test'] as const).map((s) => set.ids(s).length),
        [367, 46, 321, 101, 175],
      );
      assert.equal([set.numClasses, await set.maxSize()], [11, [180, 240]]);
    });
    await using({ path: camvid, labels: '1/16' }, async (set) => {
      const seen = new Set<number>();
      for (const id of set.ids('labelled')) (await set.load(id, { labels: true })).labels!.forEach((v) => seen.add(v));
      assert.equal([set.ids('labelled').length, [...seen].filter((v) => v !== 255).length], [23, 11]);
    });
    await using({ path: nuclei, labels: '21' }, async (set) =>
      assert.equal([set.ids('labelled').length, set.numClasses], [21, 2]),
    );
    await using({ path: voc, labels: 'labeled_1_8', train: 'train_aug', unlabelled: 'unlabeled_1_8' }, async (set) => {
      assert.is(set.numClasses, 21);
      assert.is(set.ids('train').length, 1237);
      assert.ok(Math.max(...(await set.maxSize())) === 256);
      // By the statistics that come with the set: indices, not colours.
      const counts = new Array<number>(21).fill(0);
      for (const id of set.ids('labelled'))
        for (const v of (await set.load(id, { labels: true })).labels!) if (v !== 255) counts[v]++;
      const stats = JSON.parse(await fs.readFile(join(voc, 'stats.json'), 'utf8')) as {
        splits: Record<string, { pixels_per_class: number[] }>;
      };
      assert.equal(counts, stats.splits.labeled_1_8.pixels_per_class);
    });
  });
} else {
  console.log('skipped: the real sets: ../shared/data is absent');
}

test.run();
