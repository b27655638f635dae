// What the scaling report concludes from its points.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { excesses, exponent, type Point } from '../../bench/growth.ts';
import { svg } from '../../bench/plot.ts';

const point = (value: number, flops: number, ms: number, more: Partial<Point> = {}): Point => ({
  axis: 'batch',
  value,
  flops,
  scores: 0,
  ms,
  bytes: flops,
  ...more,
});

test('the exponent is the slope on logarithmic axes', () => {
  assert.ok(Math.abs(exponent([1, 2, 4, 8].map((f) => ({ flops: f, value: 3 * f ** 1.5 })))! - 1.5) < 1e-9);
  assert.is(exponent([{ flops: 1, value: 1 }]), null);
  assert.is(
    exponent([
      { flops: 1, value: 1 },
      { flops: 1.01, value: 2 },
    ]),
    null,
  );
});

test('what grows faster than its FLOPs is found, and the kernels that did', () => {
  const points = [
    point(1, 100, 10, { kernels: { conv: 8, loss: 2 } }),
    point(2, 200, 19, { kernels: { conv: 15, loss: 4 } }),
    point(4, 400, 60, { kernels: { conv: 30, loss: 30 } }),
    point(8, 800, 0, { ms: undefined, bytes: undefined, why: 'no memory' }),
  ];
  const [found, ...more] = excesses(points);
  assert.equal(more, []);
  assert.equal([found.of, found.from, found.to, found.flops], ['time', 2, 4, 2]);
  assert.equal(
    found.kernels.map((k) => [k.kernel, k.grew, k.excess_ms]),
    [['loss', 7.5, 22]],
  );
});

test('memory that grows faster says how much of it the scores are', () => {
  const [found] = excesses([
    point(2, 100, 10, { bytes: 1000, scores: 100 }),
    point(5, 101, 10, { bytes: 2000, scores: 900 }),
  ]);
  assert.equal([found.of, found.grew, found.scores], ['memory', 2, 0.8]);
});

test('charts leave out what was not measured', () => {
  const picture = svg(
    [
      { title: 'a<b', unit: 'ms', x: [1, 2, 4], y: [1, null, 3], expected: [1, 2, 4] },
      { title: 'absent', unit: 'ms', x: [1], y: [null], expected: [null] },
    ],
    2,
  );
  assert.is(picture.match(/<circle/g)?.length, 2);
  assert.match(picture, 'a&lt;b');
  assert.not.match(picture, /NaN|Infinity|absent/);
});

test.run();
