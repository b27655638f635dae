// PNG pictures: masks whose values are class ids, overlays, colour maps.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import sharp from 'sharp';
import { decodeMask, vocPalette } from '../../src/data/mask.ts';
import { INFERNO, VIRIDIS } from '../../src/report/colormap.ts';
import {
  colourLabels,
  confidenceColours,
  dataUrl,
  maskPng,
  overlayHeat,
  overlayLabels,
  rgbPng,
} from '../../src/report/pictures.ts';

test('a mask is an indexed PNG: ids to us, colours to everybody else', async () => {
  const width = 61;
  const height = 37;
  const labels = Uint8Array.from({ length: width * height }, (_, i) => (i * 7919) % 256);
  const png = maskPng(labels, width, height, vocPalette());
  assert.equal([png[24], png[25]], [8, 3], 'depth and colour type');
  const back = decodeMask(png, 'mask.png');
  assert.equal([back.width, back.height], [width, height]);
  assert.equal(back.labels, labels);
  assert.equal(back.palette, vocPalette());
  const { data, info } = await sharp(png)
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  assert.equal([info.width, info.height, info.channels], [width, height, 3]);
  assert.equal(new Uint8Array(data), colourLabels(labels, vocPalette()));
  assert.ok((await sharp(png).metadata()).isPalette);
});

test('a short palette: other labels black, ignored ones cream', () => {
  assert.equal(
    [
      ...colourLabels(
        [0, 1, 2, 255],
        [
          [9, 8, 7],
          [6, 5, 4],
        ],
      ),
    ],
    [9, 8, 7, 6, 5, 4, 0, 0, 0, 224, 224, 192],
  );
  assert.equal([...colourLabels([255], new Uint8Array(768))], [224, 224, 192]);
});

test('RGB to PNG and to a data URL', async () => {
  const rgb = Uint8Array.from({ length: 200 * 100 * 3 }, (_, i) => (i * 2654435761) >>> 24);
  const url = dataUrl(rgbPng(rgb, 200, 100));
  assert.ok(url.startsWith('data:image/png;base64,'));
  const decoded = await sharp(Buffer.from(url.slice(22), 'base64'))
    .raw()
    .toBuffer();
  assert.equal(new Uint8Array(decoded), rgb);
  assert.throws(() => rgbPng(rgb, 200, 99), /rgbPng: 60000 values for 200x99/);
  assert.throws(() => maskPng([0], 2, 1, []), /maskPng: 1 values for 2x1/);
});

test('an overlay blends regions, draws their borders, lets the ignored and the clear through', () => {
  const rgb = new Uint8Array(5 * 3).fill(100);
  const palette = [
    [0, 0, 0],
    [200, 0, 100],
  ];
  const red = (o: object): number[] =>
    [...overlayLabels(rgb, [1, 1, 0, 255, 0], 5, 1, palette, o)].filter((_, i) => i % 3 === 0);
  assert.equal(red({ opacity: 0.5, contours: false }), [150, 150, 50, 100, 50]);
  assert.equal(red({ opacity: 0.5 }), [150, 200, 0, 100, 0]);
  assert.equal(red({ opacity: 0.5, clear: 0 }), [150, 200, 100, 100, 100]);
});

test('colour maps grow lighter, and clamp', () => {
  for (const map of [VIRIDIS, INFERNO]) {
    const light = Array.from(
      { length: 256 },
      (_, i) => 0.2126 * map[3 * i] + 0.7152 * map[3 * i + 1] + 0.0722 * map[3 * i + 2],
    );
    assert.ok(light.every((v, i) => i === 0 || v >= light[i - 1] - 0.5));
  }
  assert.equal(
    [...confidenceColours([-1, 0, NaN, 1, 7])],
    [68, 1, 84, 68, 1, 84, 68, 1, 84, 253, 231, 37, 253, 231, 37],
  );
  const cold = overlayHeat(Uint8Array.of(90, 90, 90), [0], 1, 1);
  const hot = overlayHeat(Uint8Array.of(90, 90, 90), [1], 1, 1);
  assert.ok(cold[0] < 90 && hot[0] > 200);
});

test.run();
