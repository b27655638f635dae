// Masks: palette and low-depth files give indices, not colours.

import { deflateSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { decodeMask, vocPalette } from '../../src/data/mask.ts';

/** CRC-32 of PNG chunks. */
function crc(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const b of bytes) {
    c ^= b;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return (c ^ 0xffffffff) >>> 0;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const head = Buffer.alloc(4);
  const tail = Buffer.alloc(4);
  head.writeUInt32BE(data.length);
  tail.writeUInt32BE(crc(body));
  return Buffer.concat([head, body, tail]);
}

/** A PNG of given bit depth, grey (0) or palette (3): written by hand, so that the indices are known. */
function png(ids: Uint8Array, width: number, height: number, depth: number, colour: 0 | 3): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, 0], 8);
  const stride = Math.ceil((width * depth) / 8);
  const rows = Buffer.alloc((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++)
      rows[y * (stride + 1) + 1 + Math.floor((x * depth) / 8)] |= ids[y * width + x] << (8 - depth - ((x * depth) % 8));
  }
  const palette = colour === 3 ? [chunk('PLTE', vocPalette().subarray(0, 3 * 2 ** depth))] : [];
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk('IHDR', header),
    ...palette,
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', new Uint8Array()),
  ]);
}

test('palette and grey of 1, 2, 4 and 8 bits give the stored values', () => {
  for (const depth of [1, 2, 4, 8]) {
    for (const colour of [0, 3] as const) {
      const ids = Uint8Array.from({ length: 13 * 5 }, (_, i) => (i * 7) % 2 ** depth);
      const read = decodeMask(png(ids, 13, 5, depth, colour), 'm.png');
      assert.equal([...read.labels], [...ids], `${depth} bits, colour type ${colour}`);
      assert.is(read.form, `${colour === 3 ? 'palette' : 'grey'}, ${depth} bit${depth > 1 ? 's' : ''}`);
      if (colour === 3) assert.equal(read.palette!.subarray(0, 6), vocPalette().subarray(0, 6));
    }
  }
});

test('an interlaced mask of few bits is refused for what it is', () => {
  const file = Uint8Array.from(png(new Uint8Array(64), 8, 8, 4, 0));
  file[28] = 1;
  assert.throws(
    () => decodeMask(file, 'm.png'),
    says(/m\.png is an interlaced PNG of 4 bits per pixel, which cannot be read — save it without interlacing/),
  );
});

test.run();
