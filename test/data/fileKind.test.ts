// Files by their content.

import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fileKind, isAnimatedPng } from '../../src/data/fileKind.ts';
import { jpeg, mask } from '../support/files.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

test('what is encoded is recognised', async () => {
  const picture = sharp({ create: { width: 3, height: 2, channels: 3, background: '#345' } });
  assert.is(fileKind(await jpeg(1)), 'a JPEG image');
  assert.is(fileKind(mask(1)), 'a PNG image');
  assert.is(fileKind(await picture.clone().webp().toBuffer()), 'a WebP image');
  assert.is(fileKind(await picture.clone().gif().toBuffer()), 'a GIF image');
  assert.is(fileKind(await picture.clone().tiff().toBuffer()), 'a TIFF image');
  assert.is(fileKind(await picture.clone().avif().toBuffer()), 'an AVIF image');
});

test('other files by their signatures and texts', () => {
  const cases: [string, string][] = [
    ['', 'an empty file'],
    ['\0\0\0\0\0\0\0\0', 'a file of zero bytes only'],
    ['\0\0\0\x18ftypheic\0\0\0\0', 'a HEIC image'],
    ['\0\0\0\x18ftypisom\0\0\0\0', 'a video'],
    ['BM\x36\0\0\0\0\0\0\0\x36\0\0\0', 'a BMP image'],
    ['BMW and others', 'a text file'],
    ['<!DOCTYPE html><title>404</title>', 'an HTML page'],
    ['\xef\xbb\xbf \n<html>', 'an HTML page'],
    ['<?xml version="1.0"?>\n<svg xmlns="x"/>', 'an SVG drawing'],
    ['<?xml version="1.0"?><a/>', 'an XML file'],
    ['{"error": 3}', 'a JSON file'],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0', 'a Git LFS pointer, not the file itself'],
    ['Stra\xc3\x9fe\r\n', 'a text file'],
    ['\xff\xfea\0\n\0', 'a text file'],
    ['\x89HDF\r\n', 'an HDF5 file'],
    [`${'\0'.repeat(128)}DICM`, 'a DICOM file'],
    ['\x01\x02\x03\xff\xfe', 'a file of an unknown format'],
  ];
  for (const [text, kind] of cases) assert.is(fileKind(bytes(text)), kind, JSON.stringify(text));
});

test('an animated PNG is one with an acTL chunk before its pixels', () => {
  const png = mask(1);
  assert.not(isAnimatedPng(png));
  // Signature and IHDR take 33 bytes. Check sums are not looked at.
  const chunk = bytes('\0\0\0\x08acTL\0\0\0\x02\0\0\0\0CRC!');
  assert.ok(isAnimatedPng(Uint8Array.from([...png.subarray(0, 33), ...chunk, ...png.subarray(33)])));
  assert.not(isAnimatedPng(Uint8Array.from([...png, ...chunk])));
});

test.run();
