// Axes of a reduction: names, groups, strides.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ShapeError } from '../../runtime/errors.ts';
import { lines, normaliseAxes, passOver, reduction } from '../../runtime/kernel/axes.ts';

test('axes are counted from the front, each once', () => {
  assert.equal(normaliseAxes('t', [2, 3, 4], [-1, 0]), [0, 2]);
  assert.equal(normaliseAxes('t', [2, 3, 4]), [0, 1, 2]);
  assert.equal(normaliseAxes('t', [2, 3], []), [0, 1]);
  assert.equal(normaliseAxes('t', [], -1), [0]);
  for (const wrong of [3, -4, 0.5, [0, -3]])
    assert.throws(
      () => normaliseAxes('t', [2, 3, 4], wrong),
      (e: unknown) => e instanceof ShapeError,
    );
});

test('neighbouring axes become one group, axes of size 1 none', () => {
  const r = reduction('t', [2, 3, 1, 4, 5], [1, 3], false);
  assert.equal([r.k, r.n, r.shape], [10, 12, [2, 1, 5]]);
  assert.equal(r.gather, {
    kept_size: [1, 1, 2, 5],
    kept_stride: [0, 0, 60, 1],
    reduced_size: [1, 1, 1, 12],
    reduced_stride: [0, 0, 0, 5],
  });
  assert.equal([...r.spread.stride_a, ...r.spread.stride_b], [0, 0, 0, 0, 0, 5, 0, 1]);
  assert.equal(reduction('t', [2, 3], 0, true).shape, [1, 3]);
});

test('more groups than the kernels take are refused', () => {
  assert.throws(() => reduction('t', [2, 2, 2, 2, 2, 2, 2, 2, 2], [0, 2, 4, 6, 8], false), /alternate/);
  assert.is(reduction('t', [2, 2, 2, 2, 2, 2, 2, 2], [0, 2, 4, 6], false).n, 16);
});

test('lines along an axis, and through all', () => {
  const l = lines('t', [2, 3, 4], -2);
  assert.equal([l.outer, l.n, l.inner, l.shape(7), l.shape(null)], [2, 3, 4, [2, 7, 4], [2, 4]]);
  const all = lines('t', [2, 3]);
  assert.equal([all.outer, all.n, all.inner, all.shape(null)], [1, 6, 1, []]);
});

test('passes shorten what they are given', () => {
  for (const contiguous of [true, false]) {
    for (let n of [1, 63, 64, 65, 256, 257, 4097, 3e6, 2 ** 28]) {
      let passes = 0;
      for (; n > 1 || passes === 0; passes++) {
        const { chunk, chunks } = passOver(n, contiguous);
        assert.ok(chunk * chunks >= n && chunk * (chunks - 1) < n);
        if (chunks === 1) break;
        n = chunks;
      }
      assert.ok(passes < 4);
    }
  }
});

test.run();
