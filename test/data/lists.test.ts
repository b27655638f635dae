// Lists and names as programs of many systems write them.

import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { inspect } from '../../src/data/inspect.node.ts';
import { openDataset, type DatasetSpec } from '../../src/data/open.node.ts';
import { jpeg, mask, removeFolders, tempFolder, vocFolder, write } from '../support/files.ts';

test.after(removeFolders);

const NFC = 'caf\u00e9';
const NFD = 'cafe\u0301';

/** Ids of the labelled images, or the error. */
async function labelled(spec: DatasetSpec): Promise<string[] | string> {
  try {
    const set = await openDataset({ classes: 3, ...spec }, { threads: 0 });
    const ids = set.ids('labelled');
    for (const id of ids) await set.load(id, { labels: true });
    await set.close();
    return ids;
  } catch (error) {
    return errorText(error);
  }
}

test('names composed in one place and decomposed in another belong together', async () => {
  assert.is(NFC, NFD.normalize('NFC'));
  for (const [image, masked, listed] of [
    [NFC, NFD, NFC],
    [NFD, NFC, NFC],
    [NFD, NFD, NFC],
    [NFC, NFC, NFD],
  ]) {
    const root = tempFolder();
    write(root, {
      [`${image}/${image}.jpg`]: await jpeg(1),
      [`masks/${masked}.png`]: mask([0, 1]),
      [`${image}/other.jpg`]: await jpeg(9),
      [`masks/my ${masked}.png`]: mask(2),
      'names.txt': `${listed}.jpg\n`,
      'paths.txt': `${join(root, listed, listed)}.jpg\n`,
      'pairs.txt': `${listed}.jpg ${listed}.png\nother.jpg my ${listed}.png\n`,
    });
    // The folder, too, is named in another form than it has.
    const spec = { images: join(root, listed), masks: join(root, 'masks') };
    assert.equal(await labelled(spec), [NFC], 'by name');
    for (const list of ['names', 'paths']) {
      assert.equal(await labelled({ ...spec, labels: join(root, `${list}.txt`) }), [NFC], list);
    }
    assert.equal(await labelled({ ...spec, labels: join(root, 'pairs.txt') }), [NFC, 'other']);
  }
  const root = await vocFolder((r) => write(r, { [`ImageSets/Segmentation/${NFD}.txt`]: 'a\n' }));
  assert.equal(await labelled({ path: root, labels: NFC }), ['a'], 'the name of a list');
  const twice = tempFolder();
  write(twice, { [`in/${NFC}.jpg`]: await jpeg(1), [`in/${NFD}.jpg`]: await jpeg(2), 'out/x.png': mask(1) });
  // Some file systems keep one of the two only.
  if (readdirSync(join(twice, 'in')).length === 2) {
    assert.match(
      String(await labelled({ images: join(twice, 'in'), masks: join(twice, 'out') })),
      /two images named .*differ in their Unicode form only \(NFC and NFD\)/,
    );
  }
});

test('encodings, line ends, slashes, quotes, blanks', async () => {
  const root = await vocFolder(async (r) =>
    write(r, {
      'JPEGImages/my photo.jpg': await jpeg(3),
      'SegmentationClass/my photo.png': mask(1),
      'masks/b.png': mask(2),
    }),
  );
  const lines = [
    '.\\JPEGImages\\a.jpg',
    './JPEGImages//b.jpg\t',
    '"my photo.jpg"',
    "'JPEGImages\\my photo.jpg'",
    'a  ',
    '"a"',
    '"JPEGImages\\b.jpg" "masks\\b.png"',
    'JPEGImages\\b.jpg\tmasks\\b.png',
    'b.jpg,masks/b.png',
    '"JPEGImages/b.jpg masks/b.png"',
    'b.jpg,',
    '\\JPEGImages\\a.jpg',
    'a.JPG',
  ];
  const list = join(root, 'list.txt');
  const expect = async (bytes: string | Uint8Array, ids: string[]): Promise<void> => {
    write(root, { 'list.txt': bytes });
    assert.equal(await labelled({ path: root, labels: list }), ids);
  };
  for (const end of ['\n', '\r\n', '\r']) await expect(lines.join(end), ['a', 'b', 'my photo']);
  const text = `\uFEFF${lines.join('\r\n')}`;
  await expect(Buffer.from(text), ['a', 'b', 'my photo']);
  await expect(Buffer.from(text, 'utf16le'), ['a', 'b', 'my photo']);
  await expect(Buffer.from(text, 'utf16le').swap16(), ['a', 'b', 'my photo']);
  const set = await openDataset({ path: root, labels: list, classes: 3 }, { threads: 0 });
  assert.ok(
    (await set.load('b', { labels: true })).labels!.every((v) => v === 2),
    'the mask that the pair names',
  );
  await set.close();
  write(root, { 'list.txt': mask(1) });
  assert.match(
    String(await labelled({ path: root, labels: list })),
    /list\.txt is not a text file: it is a PNG image — save it as UTF-8/,
  );
});

test('names that hold backslashes or quotes themselves are found first', async () => {
  const root = tempFolder();
  write(root, { 'in/it"s.jpg': await jpeg(1), 'out/it"s.png': mask(1), 'list.txt': 'it"s.jpg\n' });
  assert.equal(await labelled({ images: join(root, 'in'), masks: join(root, 'out'), labels: join(root, 'list.txt') }), [
    'it"s',
  ]);
});

test('a list of which no line can be used says why, kind by kind', async () => {
  const root = await vocFolder((r) =>
    write(r, {
      'JPEGImages/scan.tif': 'x',
      'masks/a.png': mask(1),
      'none.txt': 'zz\nyy\nscan.tif\nJPEGImages/a.jpg gone/a.png\n',
      'one.txt': 'zz\n',
      'case.txt': 'A.jpg\n',
      'blank.txt': '\uFEFF\r\n \r\n',
    }),
  );
  const message = async (list: string): Promise<string> =>
    String(await labelled({ path: root, labels: join(root, `${list}.txt`) }));
  const none = await message('none');
  assert.match(none, /none of the 4 lines of the labelled list .*none\.txt can be used: /);
  assert.match(none, /used: 2 entries of it are not in .*JPEGImages; first, it names "zz" \(line 1\)/);
  assert.match(none, /; it names "scan\.tif" \(line 3\), whose format is not read; /);
  assert.match(none, /it names the mask "gone\/a\.png" \(line 4\), which does not exist/);
  assert.not.match(none, /empty/);
  assert.match(await message('one'), /names "zz" \(line 1\), which is not in/);
  assert.match(await message('case'), /names "A\.jpg" \(line 1\), .* — there is "a": upper and lower case count/);
  assert.match(await message('blank'), /blank\.txt is empty/);
  const o = await inspect({ path: root, labels: join(root, 'none.txt') }, { threads: 0 });
  assert.ok(o.problems.some((p) => /none of the 4 lines/.test(p.message)));
  assert.not.ok(o.problems.some((p) => /is empty/.test(p.message)));
  const one = await inspect({ path: root, labels: join(root, 'one.txt') }, { threads: 0 });
  assert.not.ok(one.problems.some((p) => /is empty/.test(p.message)));
});

test('class names in UTF-16, folders that archives leave behind, names that differ in their suffix only', async () => {
  const root = tempFolder();
  write(root, {
    'in/a.JPG': await jpeg(1),
    'out/a.PNG': mask([0, 1]),
    'out/classes.txt': Buffer.from('\uFEFFMeer\r\nK\u00fcste\r\n', 'utf16le'),
  });
  for (const name of ['__MACOSX', '@eaDir', '.git']) mkdirSync(join(root, 'in', name));
  const set = await openDataset({ images: join(root, 'in'), masks: join(root, 'out') }, { threads: 0 });
  assert.equal([set.classNames, set.notes], [['Meer', 'K\u00fcste'], []]);
  await set.close();
  write(root, { 'in/a.jfif': await jpeg(2) });
  assert.match(
    String(await labelled({ images: join(root, 'in'), masks: join(root, 'out') })),
    /two images named "a": a\.JPG and a\.jfif — names without extension must differ/,
  );
});

test.run();
