// Masks that are not what they seem: JPEG, smoothing, instances, grey pictures, alpha, palettes of their own.

import { join } from 'node:path';
import { encode } from 'fast-png';
import sharp, { type Sharp } from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { decodeMask } from '../../src/data/mask.ts';
import { decideMaskRule } from '../../src/data/maskRule.ts';
import {
  looksLikeInstances,
  nearestLevel,
  paletteClash,
  smoothedLevels,
  valueFacts,
} from '../../src/data/maskStats.ts';
import { inspect } from '../../src/data/inspect.node.ts';
import { openDataset, type DatasetSpec } from '../../src/data/open.node.ts';
import { jpeg, removeFolders, tempFolder, write } from '../support/files.ts';
import { problemText } from '../../src/data/inspection.ts';
import { says } from '../support/errors.ts';

test.after(removeFolders);

const SIDE = 64;

/** A grey picture of 64x64. */
const picture = (value: (x: number, y: number) => number): Uint8Array =>
  Uint8Array.from({ length: SIDE * SIDE }, (_, p) => value(p % SIDE, Math.floor(p / SIDE)));
/** A disc: how far a pixel is outside of it. */
const outside = (x: number, y: number, radius: number): number => Math.hypot(x - 30, y - 33) - radius;
const disc = (radius: number, inner: number, outer: number): Uint8Array =>
  picture((x, y) => (outside(x, y, radius) < 0 ? inner : outer));
const grey = (data: Uint8Array): Uint8Array => encode({ width: SIDE, height: SIDE, channels: 1, depth: 8, data });
const raw = (data: Uint8Array): Sharp => sharp(data, { raw: { width: SIDE, height: SIDE, channels: 1 } });
const throughJpeg = async (data: Uint8Array): Promise<Uint8Array> =>
  grey(
    new Uint8Array(
      await sharp(await raw(data).jpeg({ quality: 75 }).toBuffer())
        .toColourspace('b-w')
        .raw()
        .toBuffer(),
    ),
  );

/** Each value three times: grey as RGB. */
const triple = (data: Uint8Array): Uint8Array =>
  Uint8Array.from({ length: 3 * data.length }, (_, i) => data[Math.floor(i / 3)]);

async function folder(masks: readonly Uint8Array[]): Promise<DatasetSpec> {
  const root = tempFolder();
  const photo = await jpeg(9, SIDE, SIDE);
  masks.forEach((bytes, i) => write(root, { [`in/m${i}.jpg`]: photo, [`out/m${i}.png`]: bytes }));
  return { images: join(root, 'in'), masks: join(root, 'out') };
}

async function messageOf(spec: DatasetSpec): Promise<string> {
  let message = '';
  await openDataset(spec, { threads: 0 }).then(
    (set) => set.close(),
    (error: Error) => (message = errorText(error)),
  );
  const { problems } = await inspect(spec, { threads: 0 });
  const errors = problems.filter((p) => p.level === 'error').map(problemText);
  assert.ok(errors.includes(message), [message, ...errors].join('\n'));
  return message;
}

test('masks that went through JPEG or smooth resizing are recognised; `maskValues` reads them', async () => {
  const small = await raw(disc(20, 255, 0))
    .resize(24, 24, { kernel: 'cubic' })
    .png()
    .toBuffer();
  const enlarged = await sharp(small).resize(SIDE, SIDE, { kernel: 'cubic' }).toColourspace('b-w').raw().toBuffer();
  const sets = [
    [await throughJpeg(disc(20, 255, 0)), await throughJpeg(disc(9, 255, 0))],
    [await throughJpeg(disc(4, 255, 0))],
    [await throughJpeg(disc(20, 128, 0))],
    [grey(new Uint8Array(enlarged))],
    [grey(picture((x, y) => 255 * Math.min(1, Math.max(0, 0.5 - outside(x, y, 20)))))],
  ];
  for (const [i, masks] of sets.entries()) {
    const levels = i === 2 ? '0-63:0,64-255:1' : '0-127:0,128-255:1';
    for (const classes of [undefined, 2]) {
      const message = await messageOf({ ...(await folder(masks)), classes });
      assert.match(message, /these look like masks that were saved as JPEG, or resized with smoothing/, `set ${i}`);
      assert.ok(message.includes(`\`maskValues ${levels}\``), message);
    }
    const set = await openDataset({ ...(await folder(masks)), maskValues: levels }, { threads: 0 });
    const labels = (await set.load('m0', { labels: true })).labels!;
    await set.close();
    const share = labels.filter((v) => v === 1).length / labels.length;
    const radius = i === 1 ? 4 : 20;
    assert.ok(Math.abs(share - (Math.PI * radius ** 2) / SIDE ** 2) < 0.02, `${share}`);
  }
  const three = await throughJpeg(picture((x) => (x < 20 ? 0 : x < 40 ? 120 : 240)));
  assert.match(await messageOf(await folder([three])), /`maskValues 0-[56]\d:0,[56]\d-1[78]\d:1,1[78]\d-255:2`/);
});

test('instances are recognised: numbers that start again in each mask, or that occur once', async () => {
  const numbered = (n: number, from = 1): Uint8Array => grey(picture((x) => (x < 8 ? 0 : from + (x % n))));
  const sets: [Uint8Array[], number | undefined][] = [
    [[numbered(9), numbered(4), numbered(12)], undefined],
    [[numbered(9), numbered(4), numbered(12)], 2],
    [[numbered(5, 10), numbered(7, 40), numbered(6, 100)], undefined],
  ];
  for (const [masks, classes] of sets) {
    const message = await messageOf({ ...(await folder(masks)), classes });
    assert.match(message, /these look like instances, one number for each object.*`maskValues 0:0,1-255:1`/);
  }
  const set = await openDataset({ ...(await folder(sets[0][0])), maskValues: '0:0,1-255:1' }, { threads: 0 });
  assert.equal([...new Set((await set.load('m0', { labels: true })).labels)], [0, 1]);
  await set.close();
  // Classes that many masks share are not instances.
  const streets = Array.from({ length: 6 }, (_, i) => ({
    file: `${i}`,
    counts: Uint32Array.from({ length: 256 }, (_v, c) => Number(c < 11 && (c + i) % 5 > 0)),
  }));
  assert.not.ok(looksLikeInstances(streets, valueFacts(streets)));
});

test('grey pictures in place of masks', async () => {
  const pictures = [picture((x, y) => 2 * x + 2 * y), picture((x, y) => (4 * x) ^ y)];
  const message = await messageOf(await folder(pictures.map(grey)));
  assert.match(message, /these look like grey pictures, not class ids/);
});

test('class ids are not taken for a smoothed picture', () => {
  const facts = (counts: Record<number, number>) =>
    Object.entries(counts).map(([v, pixels]) => ({ value: Number(v), pixels, masks: 1, example: 'm' }));
  const sets: Record<number, number>[] = [
    { 0: 700, 1: 90, 2: 80, 3: 70, 7: 5, 254: 60 },
    { 0: 9000, 1: 30, 2: 20, 15: 10, 254: 900 },
    { 0: 5, 50: 5, 100: 5, 150: 5, 200: 5 },
    { 0: 700, 1: 90, 3: 30, 62: 20, 67: 40, 72: 60 },
  ];
  for (const counts of sets) assert.is(smoothedLevels(facts(counts)), null);
  assert.is(nearestLevel([0, 255]), '0-127:0,128-255:1');
});

const layered = (channels: 2 | 4, pixel: (inside: boolean) => number[]): Uint8Array => {
  const data = Array.from(disc(20, 1, 0), (v) => pixel(v === 1)).flat();
  return encode({ width: SIDE, height: SIDE, channels, depth: 8, data: Uint8Array.from(data) });
};

test('an object that lies in alpha alone is refused; alpha that says nothing of its own is left aside', () => {
  const alone = /m\.png holds its object in the transparency \(alpha\) alone: its grey is (0|255) everywhere — save/;
  assert.throws(
    () =>
      decodeMask(
        layered(4, (i) => [0, 0, 0, i ? 255 : 0]),
        'm.png',
      ),
    says(alone),
  );
  assert.throws(
    () =>
      decodeMask(
        layered(4, (i) => [255, 255, 255, i ? 255 : 0]),
        'm.png',
      ),
    says(alone),
  );
  assert.throws(
    () =>
      decodeMask(
        layered(4, (i) => [0, 0, 0, i ? 0 : 255]),
        'm.png',
      ),
    says(alone),
  );
  assert.throws(
    () =>
      decodeMask(
        layered(2, (i) => [0, i ? 128 : 0]),
        'm.png',
      ),
    says(alone),
  );
  const clear = layered(4, (i) => (i ? [0, 0, 0, 255] : [255, 255, 255, 0]));
  assert.throws(() => decodeMask(clear, 'm.png'), /transparent pixels whose grey is 255/);
  const expected = [...disc(20, 1, 0)];
  for (const [channels, form, pixel] of [
    [4, 'grey stored as RGB with alpha, 8 bits', (i: boolean) => [Number(i), Number(i), Number(i), 255]],
    [4, 'grey stored as RGB with alpha, 8 bits', (i: boolean) => [Number(i), Number(i), Number(i), 0]],
    [4, 'grey stored as RGB with alpha, 8 bits', (i: boolean) => (i ? [1, 1, 1, 255] : [0, 0, 0, 0])],
    [2, 'grey with alpha, 8 bits', (i: boolean) => [Number(i), 255]],
    [2, 'grey with alpha, 8 bits', (i: boolean) => (i ? [1, 200] : [0, 0])],
  ] as const) {
    const read = decodeMask(layered(channels, pixel), 'm.png');
    assert.equal([[...read.labels], read.form], [expected, form]);
  }
});

test('RGB that is grey: black and white by the same rule', async () => {
  const rgb = encode({ width: SIDE, height: SIDE, channels: 3, depth: 8, data: triple(disc(20, 255, 0)) });
  const set = await openDataset(await folder([rgb]), { threads: 0 });
  assert.equal([set.numClasses, set.maskValues], [2, '0:0,255:1']);
  assert.equal([...(await set.load('m0', { labels: true })).labels!], [...disc(20, 1, 0)]);
  await set.close();
});

test('palettes that each file numbers in its own way are refused; inverted ones are told of', async () => {
  const indexed = async (data: Uint8Array): Promise<Uint8Array> =>
    raw(data).png({ palette: true, colours: 2 }).toBuffer();
  const white = await indexed(disc(28, 255, 0));
  const black = await indexed(disc(28, 0, 255));
  const first = decodeMask(white, 'm').palette!;
  const both = await folder([white, black]);
  const differ = decodeMask(black, 'm').palette!.some((v, i) => v !== first[i]);
  const disagree = /palettes of masks disagree: index 0 is #.* in .*m0\.png, #.* in .*m1\.png/;
  if (differ) assert.match(await messageOf(both), disagree);
  const palette = (colours: readonly number[][]): Uint8Array => Uint8Array.from(colours.flat());
  const ground = [0, 0, 0];
  const red = [255, 0, 0];
  const masks = [
    [ground, red],
    [red, ground],
    [ground, red, [0, 255, 0]],
  ].map((colours, i) => ({
    file: `${i}.png`,
    counts: Uint32Array.from({ length: 256 }, (_, v) => Number(v < 2)),
    palette: palette(colours),
  }));
  assert.equal(paletteClash(masks), {
    index: 0,
    colours: [
      ['0.png', '#000000'],
      ['1.png', '#ff0000'],
    ],
  });
  assert.is(paletteClash([masks[0], masks[2]]), null);
  const inverted = decideMaskRule({
    masks: [
      {
        ...masks[0],
        palette: palette([
          [255, 255, 255],
          [0, 0, 0],
        ]),
      },
    ],
  });
  assert.match('notes' in inverted ? inverted.notes.join('\n') : '', /class 0 in white and class 1 in black/);
  assert.ok('error' in decideMaskRule({ masks, declared: 2 }));
  const asked = decideMaskRule({ masks, declared: 2, asked: 'ids' });
  assert.equal(asked, { numClasses: 2, map: null, setting: 'ids', notes: [] });
});

test.run();
