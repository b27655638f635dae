// What cannot be used is refused, by name, with the type of its error.

import { chmodSync, mkdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { openDataset, type DatasetSpec } from '../../src/data/open.node.ts';
import { colourMask, jpeg, mask, removeFolders, tempFolder, vocFolder, write } from '../support/files.ts';

test.after(removeFolders);

const LIST = 'ImageSets/Segmentation';

async function fails(spec: DatasetSpec): Promise<Error> {
  try {
    const set = await openDataset(spec, { threads: 0 });
    for (const [split, labels] of [
      ['labelled', true],
      ['unlabelled', false],
      ['val', true],
    ] as const)
      for (const id of set.ids(split)) await set.load(id, { labels });
  } catch (error) {
    return error as Error;
  }
  return assert.unreachable('nothing was refused') as never;
}

async function refuses(
  pattern: RegExp,
  change: (root: string) => void | Promise<void>,
  more: DatasetSpec = {},
  name = 'DataError',
): Promise<void> {
  const error = await fails({ path: await vocFolder(change), labels: 'labelled', classes: 3, ...more });
  assert.match(errorText(error), pattern);
  assert.is(error.name, name, errorText(error));
}

const nothing = () => undefined;

test('folders', async () => {
  const empty = tempFolder();
  const cases: [DatasetSpec, RegExp][] = [
    [{ path: join(empty, 'absent') }, /data set .*absent does not exist/],
    [{ path: empty }, /is empty — give a folder in VOC layout, or use `images` and `masks`/],
    [{ images: empty }, /contains no JPEG, PNG or WebP images/],
    [{ images: join(empty, 'absent') }, /image folder .*absent does not exist/],
  ];
  for (const [spec, pattern] of cases) assert.match(errorText(await fails(spec)), pattern);
  await refuses(/JPEGImages is not a folder/, (r) => {
    rmSync(join(r, 'JPEGImages'), { recursive: true });
    write(r, { JPEGImages: 'a file' });
  });
  await refuses(/has no folder JPEGImages/, (r) => rmSync(join(r, 'JPEGImages'), { recursive: true }));
  await refuses(/contains no JPEG, PNG or WebP/, (r) => {
    rmSync(join(r, 'JPEGImages'), { recursive: true });
    mkdirSync(join(r, 'JPEGImages'));
  });
  await refuses(/two images named "a": a\.jpg and a\.png/, async (r) =>
    write(r, { 'JPEGImages/a.png': await jpeg(1) }),
  );
  const file = join(empty, 'file');
  write(empty, { file: 'x' });
  assert.match(errorText(await fails({ path: file })), /file is not a folder/);
});

test('lists', async () => {
  await refuses(/labelled list .*labelled\.txt names "zz" \(line 2\), which is not in .*JPEGImages/, (r) =>
    write(r, { [`${LIST}/labelled.txt`]: 'a\nzz\n' }),
  );
  await refuses(/labelled\.txt is empty/, (r) => write(r, { [`${LIST}/labelled.txt`]: '\n' }));
  await refuses(/no list "nothing" for the labelled images.*there are labelled, train, unlabelled, val/, nothing, {
    labels: 'nothing',
  });
  await refuses(/labelled\.txt names "elsewhere\/a\.jpg" \(line 1\)/, (r) =>
    write(r, { [`${LIST}/labelled.txt`]: 'elsewhere/a.jpg\n' }),
  );
  await refuses(/labelled\.txt names "a b\.jpg" \(line 1\)/, (r) =>
    write(r, { [`${LIST}/labelled.txt`]: 'a b.jpg\n' }),
  );
  await refuses(/labelled\.txt names the mask "elsewhere\/a\.png" \(line 1\), which does not exist/, (r) =>
    write(r, { [`${LIST}/labelled.txt`]: 'JPEGImages/a.jpg elsewhere/a.png\n' }),
  );
  await refuses(/labelled image "a" has no mask/, (r) =>
    write(r, { [`${LIST}/labelled.txt`]: 'JPEGImages/a.jpg SegmentationClass/gone.png\n' }),
  );
  await refuses(/list .*JPEGImages is a folder/, nothing, { labels: join(await vocFolder(), 'JPEGImages') });
});

test('masks and images', async () => {
  await refuses(/labelled image "b" has no mask in .*SegmentationClass — remove it/, (r) =>
    rmSync(join(r, 'SegmentationClass/b.png')),
  );
  await refuses(/val image "v" has no mask/, (r) => rmSync(join(r, 'SegmentationClass/v.png')));
  await refuses(/b\.png has class id 7, but there are 3 classes \(0 to 2; 255 is ignored\) — raise `classes`/, (r) =>
    write(r, { 'SegmentationClass/b.png': mask(7) }),
  );
  await refuses(/b\.png is 5x5, the image .*b\.jpg 12x8/, (r) =>
    write(r, { 'SegmentationClass/b.png': mask(1, 5, 5) }),
  );
  await refuses(
    /b\.png is 5x5, the image .*b\.jpg 12x8/,
    (r) => write(r, { 'SegmentationClass/b.png': mask(1, 5, 5) }),
    { size: [4, 4] },
  );
  await refuses(/b\.png is a colour picture, not a mask of class ids — save masks as grey or palette PNG/, (r) =>
    write(r, { 'SegmentationClass/b.png': colourMask() }),
  );
  await refuses(/b\.png is not a PNG file/, (r) => write(r, { 'SegmentationClass/b.png': 'nonsense' }));
  await refuses(/b\.png cannot be read.*damaged or truncated/, (r) =>
    write(r, { 'SegmentationClass/b.png': mask(1).slice(0, 60) }),
  );
  await refuses(/d\.png cannot be read: it is a folder/, (r) => write(r, { [`${LIST}/labelled.txt`]: 'd\n' }));
  await refuses(/b\.jpg cannot be decoded.*truncated/, (r) =>
    truncateSync(join(r, 'JPEGImages/b.jpg'), statSync(join(r, 'JPEGImages/b.jpg')).size - 60),
  );
  await refuses(/c\.jpg cannot be decoded/, (r) => write(r, { 'JPEGImages/c.jpg': 'text' }));
  await refuses(/c\.jpg cannot be decoded/, (r) => write(r, { 'JPEGImages/c.jpg': '' }));
  await refuses(/c\.jpg cannot be read: it is a folder/, (r) => {
    rmSync(join(r, 'JPEGImages/c.jpg'));
    mkdirSync(join(r, 'JPEGImages/c.jpg'));
  });
  if (process.getuid?.() !== 0)
    await refuses(/c\.jpg cannot be read: permission denied/, (r) => chmodSync(join(r, 'JPEGImages/c.jpg'), 0));
});

test('labels', async () => {
  for (const labels of ['0', '0/4', '0%', '1/400'])
    await refuses(/`labels \S+` of 4 images are none/, nothing, { labels }, 'UsageError');
  for (const labels of ['3/2', '1/0', '300%'])
    await refuses(/is not a fraction of the 4 images/, nothing, { labels }, 'UsageError');
  await refuses(/`labels 9` are more than the 4 images/, nothing, { labels: '9' }, 'UsageError');
  await refuses(
    /asks for 4 labelled images, but only 3 of the 4 training images have masks/,
    (r) => rmSync(join(r, 'SegmentationClass/a.png')),
    { labels: '4' },
    'UsageError',
  );
  const unlabelled = tempFolder();
  write(unlabelled, { 'a.jpg': await jpeg(3), 'b.jpg': await jpeg(4) });
  const error = await fails({ images: unlabelled });
  assert.match(
    errorText(error),
    /none of the 2 training images has a mask in .*unlabelled images only — training needs at least one labelled image/,
  );
  await refuses(
    /none of the 4 training images has a mask/,
    (r) => rmSync(join(r, 'SegmentationClass'), { recursive: true }),
    { labels: '1/2' },
  );
  await refuses(/no list "1\/8th"/, nothing, { labels: '1/8th' });
});

test('settings', async () => {
  for (const classes of [0, 1, 256, 2.5]) await refuses(/classes — give 2 to 255/, nothing, { classes }, 'UsageError');
  await refuses(/both the data set .* and plain folders/, nothing, { images: 'x' }, 'UsageError');
  await refuses(/a size of 0x4/, nothing, { size: [0, 4] }, 'UsageError');
  assert.match(errorText(await fails({ masks: 'x' })), /`masks` is given without `images`/);
  assert.match(errorText(await fails({ labels: 'list' })), /built-in set has no list "list"/);
  assert.match(errorText(await fails({ labels: '999' })), /more than the 240 images/);
  for (const more of [{ classes: 3 }, { classNames: ['a', 'b'] }])
    assert.match(errorText(await fails({ ...more })), /built-in set has its own classes/);
  assert.match(errorText(await fails({ unlabelled: 'x' })), /built-in set has its own lists — leave out `unlabelled`/);
  assert.match(errorText(await fails({ builtin: { train: 0 } })), /0 training images of the built-in set/);
  assert.match(errorText(await fails({ size: [0, 0] })), /a size of 0x0/);
  await refuses(/settings of the built-in set are given with/, nothing, { builtin: { train: 10 } }, 'UsageError');
  assert.match(
    errorText(await fails({ maskValues: '0,1' })),
    /built-in set has its own masks — leave out `maskValues`/,
  );
  const black = tempFolder();
  write(black, { 'in/a.jpg': await jpeg(3), 'out/a.png': mask(0) });
  const blank = /the masks \(1\) show class 0 alone — masks hold a class id for each pixel/;
  assert.match(errorText(await fails({ images: join(black, 'in'), masks: join(black, 'out') })), blank);
});

test.run();
