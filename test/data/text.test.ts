// Text files in every encoding that editors write.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeText, linesOf } from '../../src/data/text.ts';

const TEXT = 'Straße.jpg\r\nniño.jpg\n日本.png';
const utf16 = (text: string, bigEndian: boolean): Buffer => {
  const bytes = Buffer.from(text, 'utf16le');
  return bigEndian ? bytes.swap16() : bytes;
};

test('UTF-8 and UTF-16, with and without a byte order mark', () => {
  for (const mark of ['', '\uFEFF']) {
    assert.is(decodeText(Buffer.from(mark + TEXT)), TEXT);
    const ascii = 'images/a.jpg\nb.jpg\n';
    for (const bigEndian of [false, true]) assert.is(decodeText(utf16(mark + ascii, bigEndian)), ascii);
  }
  for (const bigEndian of [false, true]) assert.is(decodeText(utf16(`\uFEFF${TEXT}`, bigEndian)), TEXT);
  assert.is(decodeText(utf16('\uFEFFa\nb', false).subarray(0, 7)), 'a\n\uFFFD', 'a cut file shows its lines');
  assert.is(decodeText(new Uint8Array()), '');
});

test('what is not UTF-8 is Windows-1252; what is not text is refused', () => {
  assert.is(decodeText(Buffer.from('Stra\xdfe, ni\xf1o', 'latin1')), 'Straße, niño');
  assert.is(decodeText(Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 0x0d)), null);
  assert.is(decodeText(Uint8Array.of(0xff, 0xfe, 0, 0, 0x61, 0, 0, 0)), null, 'UTF-32');
});

test('CRLF, LF and CR end a line', () => {
  assert.equal(linesOf('a\r\nb\nc\rd'), ['a', 'b', 'c', 'd']);
});

test.run();
