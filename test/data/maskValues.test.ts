// Maps of mask values: what they mean, their canonical form, and what is refused.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { canonicalMaskValues, checkMaskValues, labelsOf, parseMaskValues } from '../../src/data/maskValues.ts';
import { says } from '../support/errors.ts';

const throws = (text: string, pattern: RegExp): void => {
  try {
    parseMaskValues(text);
  } catch (error) {
    assert.is((error as Error).name, 'UsageError');
    assert.match(errorText(error), pattern);
    assert.match(errorText(error), /list the value of each class in order, as in "0,255"/);
    return;
  }
  assert.unreachable(`"${text}" was taken`);
};

test('lists, maps and ranges; 255 is ignored where it is not named', () => {
  const labels = (text: string, values: readonly number[]): number[] =>
    values.map((v) => parseMaskValues(text)!.table[v]);
  assert.equal(labels('0,255', [0, 1, 255]), [0, -1, 1]);
  assert.equal(labels('255, 0', [0, 255]), [1, 0]);
  assert.equal(labels('1,2', [0, 1, 2, 255]), [-1, 0, 1, 255]);
  assert.equal(labels('0:0,128:ignore,255:1', [0, 128, 255, 7]), [0, 255, 1, -1]);
  assert.equal(labels('0-127:0,128-255:1', [0, 127, 128, 255]), [0, 0, 1, 1]);
  assert.equal(labels('0:ignore,1-150:0-149', [0, 1, 150, 151, 255]), [255, 0, 149, -1, 255]);
  assert.equal(labels('3:255,0:0,1:1', [3, 0]), [255, 0]);
  assert.is(parseMaskValues(' ids '), null);
  assert.is(parseMaskValues('0-127:0,128-255:1')!.classes, 2);
});

test('settings that mean the same have the same form, which is read back', () => {
  for (const [text, form] of [
    ['0,255', '0:0,255:1'],
    ['255:1, 0:0', '0:0,255:1'],
    ['255,0', '0:1,255:0'],
    ['1,2', '1:0,2:1'],
    ['ids', 'ids'],
    ['0:0,1:1,255:ignore', '0:0,1:1'],
    ['0-127:0,128-255:1', '0-127:0,128-255:1'],
    ['0:0,1-255:1', '0:0,1-255:1'],
    ['0:ignore,1-3:0-2', '0:ignore,1-3:0-2'],
    ['1,2,3,9', '1-3:0-2,9:3'],
    ['0:0,1:1,2:1', '0:0,1-2:1'],
    ['254:ignore,0:0,1:1', '0:0,1:1,254-255:ignore'],
  ]) {
    assert.is(canonicalMaskValues(text), form);
    assert.is(canonicalMaskValues(form), form);
    assert.equal(parseMaskValues(form)?.table, parseMaskValues(text)?.table);
  }
});

test('what cannot be read', () => {
  throws('', /"" is not a number or a range/);
  throws('0,x', /"x" is not a number/);
  throws('0,256', /256 is not within 0 to 255/);
  throws('0,255,0', /the value 0 is named twice/);
  throws('0-9:0,5:1', /the value 5 is named twice/);
  throws('9-3:0', /9-3 is not within/);
  throws('0:0,255', /"255" is not of the form VALUE:CLASS/);
  throws('0:0:1', /"0:0:1" is not of the form/);
  throws('0:,1:1', /"0:" is not of the form/);
  throws('0-127,128-255', /the range 0-127 has no class/);
  throws('0:300', /300 is not within 0 to 254/);
  throws('1-3:0-1', /1-3 and 0-1 are ranges of different lengths/);
  throws('0:ignore', /no value is a class/);
  throws('0:0,1:-1', /"-1" is not a number/);
});

test('a map fits the number of classes', () => {
  checkMaskValues('0,255', undefined);
  checkMaskValues('0,255', 3);
  checkMaskValues('0:0,255:2', 3);
  checkMaskValues('ids', undefined);
  assert.throws(() => checkMaskValues('0,128,255', 2), /they give 3 classes, but there are 2/);
  assert.throws(() => checkMaskValues('0:0,255:2', undefined), /no value is of class 1; if that is meant, give/);
  assert.throws(() => checkMaskValues('0-255:0', undefined), /there is one class only/);
});

test('labels of values; what is not a class is refused by its file', () => {
  const { table } = parseMaskValues('0,128')!;
  assert.equal([...labelsOf(Uint8Array.of(0, 128, 255), table, 2, 'm.png')], [0, 1, 255]);
  const unnamed = /m\.png holds the value 7, which is not among the mask values 0:0,128:1 — give it a class/;
  assert.throws(() => labelsOf(Uint8Array.of(0, 7), table, 2, 'm.png'), says(unnamed));
  assert.equal([...labelsOf(Uint8Array.of(0, 1, 255), null, 2, 'm.png')], [0, 1, 255]);
  const outside = /m\.png has class id 2, but there are 2 classes \(0 to 1; 255 is ignored\) — raise `classes`/;
  assert.throws(() => labelsOf(Uint8Array.of(0, 2), null, 2, 'm.png'), says(outside));
});

test.run();
