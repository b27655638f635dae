// Scores from confusion matrices.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scores } from '../../src/metrics/miou.ts';

test('the worked example of the method specification: an absent class is skipped, or counts as zero', () => {
  const s = scores([2, 1, 0, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], 4);
  assert.equal(s.iou, [0.5, 0.75, 0, null]);
  assert.ok(Math.abs(s.miou - 0.41666667) < 1e-8);
  assert.is(s.miouAbsentZero, 0.3125);
  assert.is(s.pixelAccuracy, 5 / 7);
});

test('an empty matrix scores nothing, and nothing is NaN', () => {
  assert.equal(scores([0, 0, 0, 0], 2), { iou: [null, null], miou: 0, miouAbsentZero: 0, pixelAccuracy: 0 });
});

test.run();
