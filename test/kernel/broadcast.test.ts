// Shapes that meet by broadcasting.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { broadcasting, broadcastShape, layout } from '../../runtime/kernel/broadcast.ts';

test('the common shape', () => {
  assert.equal(broadcastShape('add'), []);
  assert.equal(broadcastShape('add', [], []), []);
  assert.equal(broadcastShape('add', [4, 1, 5], [3, 1], []), [4, 3, 5]);
  assert.equal(broadcastShape('add', [0, 1], [3]), [0, 3]);
  assert.throws(() => broadcastShape('add', [0], [3]), /add: \[0\] and \[3\] differ along axis 0/);
  assert.throws(() => broadcastShape('add', [2, 5], [3, 1]), /differ along axis 0/);
});

test('axes that every operand allows are taken together', () => {
  assert.equal(layout('add', [2, 3, 5], [[2, 3, 5], [5]]), {
    size: [6, 5],
    strides: [
      [5, 1],
      [0, 1],
    ],
  });
  assert.equal(
    layout(
      'add',
      [2, 3, 4, 5],
      [
        [2, 3, 4, 5],
        [1, 3, 1, 1],
      ],
    ),
    {
      size: [2, 3, 20],
      strides: [
        [60, 20, 1],
        [0, 1, 0],
      ],
    },
  );
  assert.equal(
    layout(
      'add',
      [4, 3, 5],
      [
        [4, 1, 5],
        [3, 1],
      ],
    ),
    {
      size: [4, 3, 5],
      strides: [
        [5, 0, 1],
        [0, 1, 0],
      ],
    },
  );
  assert.equal(layout('add', [7, 1, 9], [[7, 1, 9], []]), { size: [63], strides: [[1], [0]] });
  assert.equal(layout('add', [], [[], []]), { size: [], strides: [[], []] });
});

test('what the kernels take', () => {
  assert.equal(broadcasting('add', [2, 3], { a: [2, 3], b: [1, 2, 3].slice(1) }).constants, {});
  const { constants, params } = broadcasting('add', [2, 3], { a: [2, 3], b: [3] });
  assert.equal(constants, { BROADCAST: true });
  assert.equal(params, {
    size: [1, 1, 2, 3],
    outer_size: [1, 1, 1, 1],
    a_stride: [0, 0, 3, 1],
    a_outer: [0, 0, 0, 0],
    b_stride: [0, 0, 0, 1],
    b_outer: [0, 0, 0, 0],
  });
  assert.equal(broadcasting('add', [2, 3, 2, 3, 2], { a: [2, 1, 2, 1, 2], b: [3, 1, 3, 1] }).constants, {
    BROADCAST: true,
    DEEP: true,
  });
});

test.run();
