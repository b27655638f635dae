// Confusion counts, mIoU in both treatments of absent classes.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { countConfusion, oneClassLine, scores } from '../../src/metrics/miou.ts';

const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-8, `${a} is not ${b}`);

test('the worked example: an ignored pixel, a class never hit, a class absent', () => {
  const counts = countConfusion([0, 0, 1, 1, 2, 255, 1, 0], [0, 1, 1, 1, 0, 2, 1, 0], 4);
  assert.equal([...counts], [2, 1, 0, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  const s = scores(counts, 4);
  assert.equal(s.iou, [0.5, 0.75, 0, null]);
  near(s.miou, 0.41666666666);
  near(s.miouAbsentZero, 0.3125);
  near(s.pixelAccuracy, 5 / 7);
});

test('reliability of a pseudo-label: agreement of an earlier prediction with the final one', () => {
  const final = [0, 1, 1, 1];
  const agreement = (p: number[]): number => scores(countConfusion(final, p, 3), 3).miou;
  near(agreement([0, 0, 1, 1]), 0.58333333333);
  near((agreement([0, 0, 1, 1]) + agreement(final)) / 2, 0.79166666666);
});

test('nothing judged: zeros, no NaN', () => {
  const s = scores(countConfusion([255], [0], 2), 2);
  assert.equal(s.iou, [null, null]);
  assert.equal([s.miou, s.pixelAccuracy], [0, 0]);
  assert.throws(() => scores([1, 2, 3], 2), /3 counts for 2 classes/);
  assert.throws(() => countConfusion([1], [1, 2], 2), /1 true labels, 2 predicted/);
  const huge = { length: 2 ** 32 };
  assert.throws(() => countConfusion(huge, huge, 2), /4294967296 labels are more than 32-bit counts/);
});

test('a truth of one class, or of none, is told', () => {
  const line = 'only "a" occurs in the masks: the score says nothing about the other classes';
  assert.is(oneClassLine([3, 1, 0, 0], ['a', 'b']), line);
  assert.match(oneClassLine([0, 0, 0, 2], ['a', 'b'])!, /^only "b" occurs/);
  assert.match(oneClassLine([0, 0, 0, 0], ['a', 'b'])!, /no pixel of the masks has a class/);
  assert.is(oneClassLine([3, 0, 0, 2], ['a', 'b']), null);
  assert.is(oneClassLine([0, 0, 0, 1, 0, 0, 0, 0, 1], ['a', 'b', 'c']), null);
  assert.is(oneClassLine([5], ['a']), null);
});

test.run();
