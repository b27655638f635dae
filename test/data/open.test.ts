// Opening data sets: layouts, lists, splits, formats; and never the mask of an unlabelled image.

import { copyFileSync, mkdirSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join, relative } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { absoluteSpec, openDataset, type DatasetSpec } from '../../src/data/open.node.ts';
import { HEIGHT, jpeg, mask, removeFolders, tempFolder, vocFolder, WIDTH, write } from '../support/files.ts';
import { sharedFolder } from '../support/shared.ts';
import { using, loadAll } from './using.ts';

test.after(removeFolders);

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
