// How masks are read: one rule for a whole set, the same when it is opened and inspected; what is unclear is refused.

import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { inspect } from '../../src/data/inspect.node.ts';
import { exitCode, formatInspection, problemText } from '../../src/data/inspection.ts';
import { openDataset, type DatasetSpec } from '../../src/data/open.node.ts';
import { jpeg, mask, removeFolders, tempFolder, write } from '../support/files.ts';

test.after(removeFolders);

type Values = number | readonly number[];

/** A set of plain folders: masks by their values, all labelled. */
async function folder(masks: readonly Values[], more: Record<string, string | Uint8Array> = {}): Promise<DatasetSpec> {
  const root = tempFolder();
  const picture = await jpeg(9);
  masks.forEach((values, i) => write(root, { [`in/m${i}.jpg`]: picture, [`out/m${i}.png`]: mask(values) }));
  write(root, more);
  return { images: join(root, 'in'), masks: join(root, 'out') };
}

/** How a set is read: classes, the setting, the labels of the first pixels of each mask, the notes. */
async function read(spec: DatasetSpec) {
  const set = await openDataset(spec, { threads: 0 });
  try {
    const labels: number[][] = [];
    for (const id of set.ids('labelled')) {
      const sample = await set.load(id, { labels: true });
      labels.push([...sample.labels!.subarray(0, 3)]);
    }
    return { classes: set.numClasses, setting: set.maskValues, labels, notes: set.notes.join('\n') };
  } finally {
    await set.close();
  }
}

/** The set is refused, and the inspection says the same. */
async function refused(spec: DatasetSpec, ...patterns: readonly RegExp[]): Promise<void> {
  let message = '';
  const note = (error: Error): void => void (message = `${error.name}: ${errorText(error)}`);
  await openDataset(spec, { threads: 0 }).then((set) => set.close(), note);
  for (const pattern of [/^DataError: /, ...patterns]) assert.match(message, pattern);
  const report = await inspect(spec, { threads: 0 });
  assert.is(exitCode(report), 1, formatInspection(report));
  const texts = report.problems.filter((p) => p.level === 'error').map((p) => `DataError: ${problemText(p)}`);
  if (!/has class id/.test(message)) assert.ok(texts.includes(message), `${message}\n${formatInspection(report)}`);
}

const BINARY: readonly Values[] = [[0, 255], 0, [0, 0, 255]];

test('black and white: two classes, told in one line, with and without their number or names', async () => {
  const named = await folder(BINARY, { 'out/classes.txt': 'ground\nnucleus\n' });
  const plain = await folder(BINARY);
  for (const spec of [plain, named, { ...plain, classes: 2 }, { ...plain, classNames: ['a', 'b'] }]) {
    const { classes, setting, labels, notes } = await read(spec);
    assert.equal(
      [classes, setting, labels],
      [
        2,
        '0:0,255:1',
        [
          [0, 1, 0],
          [0, 0, 0],
          [0, 0, 1],
        ],
      ],
    );
    assert.match(notes, /^the 3 masks hold the values 0, 255 only, read as 2 classes: 0 as class 0, 255 as class 1 /m);
    assert.match(notes, / \(`maskValues 0:0,255:1`; if 255 means ignored, give `maskValues ids`\)$/m);
    const report = await inspect(spec, { threads: 0 });
    const warnings = report.problems.filter((p) => p.code === 'mask-values' && p.level === 'warning');
    assert.ok(warnings.length === 1 && notes.includes(warnings[0].message));
    assert.equal(report.classes.labelled, { pixels: [208, 80], images: [3, 2], ignored: 0 });
    const black = { value: 0, pixels: 208, masks: 3, label: 0 };
    assert.equal(report.maskValues, [black, { value: 255, pixels: 80, masks: 2, label: 1 }]);
    const histogram = /mask values: 0 \(72\.2 %, 3 masks\) is class 0; 255 \(27\.8 %, 2 masks\) is class 1/;
    assert.match(formatInspection(report), histogram);
  }
  await refused({ ...plain, classes: 5 }, /the 3 masks hold 0 and 255 alone, but there are 5 classes — if/);
});

test('two classes of other values', async () => {
  for (const [values, classes, setting] of [
    [[0, 128], undefined, '0:0,128:1'],
    [[0, 254], undefined, '0:0,254:1'],
    [[0, 128], 2, '0:0,128:1'],
    [[0, 2], 2, '0:0,2:1'],
    [[1, 2], 2, '1:0,2:1'],
    [[100, 200], 2, '100:0,200:1'],
    [[1, 2, 3], 3, '1-3:0-2'],
  ] as const) {
    const { labels, notes, ...how } = await read({ ...(await folder([values, values[0]])), classes });
    assert.equal(how, { classes: classes ?? 2, setting }, values.join());
    assert.equal(labels, [
      [0, 1, values.length > 2 ? 2 : 0],
      [0, 0, 0],
    ]);
    assert.match(notes, /read as [23] classes/);
  }
  const rimmed = await read({ ...(await folder([[1, 2, 255]])), classes: 2 });
  assert.equal([rimmed.setting, rimmed.labels], ['1:0,2:1', [[0, 1, 255]]]);
  assert.match(rimmed.notes, /255 is ignored/);
});

test('class ids stay what they are, a rim of 255 ignored, a class absent by chance', async () => {
  for (const [masks, classes] of [
    [[[0, 1, 255]], undefined],
    [[[0, 1]], 2],
    [[1], 2],
    [[0], 2],
    [[[1, 255]], 2],
    [[[0, 2]], 3],
    [[[1, 2]], 3],
    [
      [
        [0, 255],
        [0, 1, 255],
      ],
      2,
    ],
    [[[0, 1, 254]], 255],
    [
      [
        [0, 1],
        [0, 255],
      ],
      2,
    ],
  ] as const) {
    const { classes: found, setting, labels } = await read({ ...(await folder(masks)), classes });
    assert.equal([found, setting], [classes ?? 2, undefined], JSON.stringify(masks));
    const first: readonly number[] = typeof masks[0] === 'number' ? [masks[0]] : masks[0];
    assert.equal(
      labels[0],
      Array.from({ length: 3 }, (_, i) => first[i % first.length]),
    );
  }
  assert.match((await read(await folder([[0, 1], 2]))).notes, /^3 classes: the largest id in 2 masks is 2$/m);
});

test('where one class occurs alone it is told', async () => {
  for (const values of [0, 1]) {
    const spec = { ...(await folder([values, values])), classes: 2 };
    const line = new RegExp(`^only class ${values} occurs in the 2 masks: nothing can be told apart, and a score`, 'm');
    assert.match((await read(spec)).notes, line);
    assert.match((await inspect(spec, { threads: 0 })).notes.join('\n'), line);
  }
  const spec = await folder([[0, 255], [0, 255], 0, 0]);
  write(join(spec.images!, '..'), { 'val.txt': 'm2\nm3\n', 'labelled.txt': 'm0\nm1\n' });
  const lists = { labels: join(spec.images!, '../labelled.txt'), val: join(spec.images!, '../val.txt') };
  assert.match((await read({ ...spec, ...lists })).notes, /^only class 0 occurs in the 2 val masks/m);
});

test('values that leave it open are refused, with what occurs and the choices', async () => {
  await refused(await folder([255, 255]), /every pixel of the 2 masks is 255, which means ignored — .* 0,255/);
  await refused({ ...(await folder([255])), classes: 2 }, /every pixel of the mask is 255/);
  await refused(await folder([0, 0]), /the masks \(2\) show class 0 alone/);
  await refused(await folder([1, 1]), /the masks \(2\) show class 1 alone/);
  await refused(
    await folder([
      [0, 1],
      [0, 1, 1, 254],
    ]),
    /the 2 masks hold 0 \(72 pixels, 2 masks\), 1 \(96 pixels, 2 masks\), 254 \(24 pixels, 1 mask: .*m1\.png\), /,
    /which are not the ids 0, 1, 2, … without a gap/,
    /if they are 3 classes, give `maskValues 0,1,254`; .*`classes 255`/,
  );
  await refused(await folder([[0, 2]]), /`maskValues 0,2`; .*`classes 3`/);
  await refused(await folder([[0, 2, 255]]), /if they are ids, 255 ignored, .*`classes 3`/);
  await refused(await folder([[1, 2]]), /ids begin at 1 — if 1 is the first class, give `maskValues 1,2`; .* 3/);
  for (const classes of [undefined, 2, 3]) {
    await refused(
      { ...(await folder([[0, 128, 255]])), classes },
      /if they are 3 classes, give `maskValues 0,128,255`; if 128 means unknown, `maskValues 0:0,128:ignore,255:1`/,
      /; if 255 does, `maskValues 0,128`/,
    );
  }
  await refused(await folder([[1, 255]]), /if they are 2 classes, give `maskValues 1,255`; .*`classes 2`/);
  await refused(await folder([128]), /if 128 is the object of two classes, give `maskValues 0,128`/);
  const more = /m1\.png has class id 2, but there are 2 classes .*count the background too \(`classes 3`\)/;
  await refused({ ...(await folder([[0, 1], 2])), classes: 2 }, more);
  const beyond = /m1\.png has class id 7, but there are 3 classes .* — raise `classes`/;
  await refused(
    {
      ...(await folder([
        [0, 1],
        [2, 7],
      ])),
      classes: 3,
    },
    beyond,
  );
  const mixed = /2 of the 3 masks are black and white .*, the others hold ids and no 255: .*m1\.png/;
  await refused(
    await folder([
      [0, 1],
      [0, 255],
      [0, 255],
    ]),
    mixed,
  );
});

test('a map that was given is checked by what occurs', async () => {
  const three = await folder([[0, 128, 255]]);
  assert.equal((await read({ ...three, maskValues: '0,128,255' })).labels, [[0, 1, 2]]);
  assert.equal((await read({ ...three, maskValues: '0:0,128:ignore,255:1' })).labels, [[0, 255, 1]]);
  assert.equal((await read({ ...three, maskValues: '0,128' })).labels, [[0, 1, 255]]);
  assert.equal((await read({ ...three, maskValues: '0-127:0,128-255:1' })).labels, [[0, 1, 1]]);
  assert.equal((await read({ ...(await folder([[0, 255]])), maskValues: 'ids', classes: 2 })).labels, [[0, 255, 0]]);
  assert.match((await read({ ...three, maskValues: '0,128,255' })).notes, /mask values are read as 0:0,128:1,255:2/);
  const unnamed = /m0\.png holds the value 128, which is not among the mask values 0:0,255:1 — .*128:ignore/;
  await refused({ ...three, maskValues: '0,255' }, unnamed);
  await refused({ ...three, maskValues: '0:ignore,128:ignore,1:0,2:1' }, /every pixel of the mask is ignored by/);
  await refused({ ...(await folder([[0, 1, 254]])), maskValues: 'ids' }, /`classes 255`/);
  for (const maskValues of ['0,128,255', 'nonsense']) {
    let message = '';
    await openDataset({ ...three, maskValues, classes: 2 }, { threads: 0 }).catch((e: Error) => (message = e.name));
    assert.is(message, 'UsageError');
  }
  const report = await inspect({ ...three, maskValues: '0:0,128:ignore,255:1' }, { threads: 0 });
  assert.equal([report.classes.labelled, exitCode(report)], [{ pixels: [32, 32], images: [1, 1], ignored: 32 }, 0]);
});

test('a network is scored on masks as it was trained, else by the same rule', async () => {
  const scored = ['a', 'b'];
  const white = await folder([255, 255]);
  assert.equal((await read({ ...white, scored, trainedValues: '0:0,255:1' })).labels, [
    [1, 1, 1],
    [1, 1, 1],
  ]);
  assert.match((await read({ ...white, scored, trainedValues: '0:0,255:1' })).notes, /as in the training: 0:0,255:1/);
  await refused({ ...white, scored }, /every pixel of the 2 masks is 255/);
  assert.equal((await read({ ...(await folder([[0, 1]])), scored, trainedValues: '0:0,255:1' })).labels, [[0, 1, 0]]);
  assert.equal((await read({ ...(await folder([[0, 255]])), scored })).labels, [[0, 1, 0]]);
  assert.equal((await read({ ...(await folder([[0, 255]])), scored, trainedValues: '0:0,128:1' })).labels, [[0, 1, 0]]);
  assert.equal((await read({ ...(await folder([[0, 255]])), scored, trainedValues: 'ids' })).labels, [[0, 255, 0]]);
});

test('masks of unlabelled images stay closed, and the draw sees a rare white object', async () => {
  const masks = Array.from({ length: 16 }, (_, i): Values => (i === 11 ? [0, 255] : 0));
  const spec = await folder(masks);
  const set = await openDataset({ ...spec, labels: '2' }, { threads: 0 });
  assert.ok(set.ids('labelled').includes('m11'), set.ids('labelled').join());
  assert.is(set.maskValues, '0:0,255:1');
  await set.close();
  const lists = tempFolder();
  write(lists, { 'l.txt': 'm0\nm1\n', 'u.txt': 'm11\n' });
  const closed = await read({ ...spec, classes: 2, labels: join(lists, 'l.txt'), unlabelled: join(lists, 'u.txt') });
  assert.is(closed.setting, undefined);
});

test.run();
