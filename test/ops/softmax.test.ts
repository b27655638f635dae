// Softmax and its logarithm along an axis.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { logSoftmax, softmax } from '../../runtime/ops/index.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';
import { checkRaces } from '../support/races.ts';
import { mapLines } from '../support/reduction.ts';

function reference(line: number[], scale: number, log: boolean): number[] {
  const z = line.map((v) => scale * v), top = Math.max(...z);
  const sum = z.reduce((s, v) => s + Math.exp(v - top), 0);
  return z.map((v) => (log ? v - top - Math.log(sum) : Math.exp(v - top) / sum));
}

const SHAPES: readonly (readonly [shape: readonly number[], axis: number])[] = [
  [[5], -1], [[3, 1], -1], [[2, 9, 11, 21], -1], [[40, 257], -1], [[8, 128, 128, 3], -1],
  [[5, 7], 0], [[2, 3, 4, 5, 3], 2], [[2, 21, 9, 11], -3], [[0, 3], 1], [[3, 0], 1],
  [[3, 1029], -1], [[2, 2049, 3], 1], // a workgroup for each line
];

const cases: OpCase[] = SHAPES.flatMap(([shape, axis]) =>
  [false, true].map((log): OpCase => ({
    name: `${log ? 'logSoftmax' : 'softmax'} [${shape}] along ${axis} scale 0.7`,
    inputs: { x: { shape, draw: (rng) => 3 * rng.normal() } },
    run: ({ x }) => (log ? logSoftmax : softmax)(x, 0.7, axis),
    reference: ({ x }) => mapLines(x, axis, (l) => reference(l, 0.7, log)),
  })),
);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('huge scores neither overflow nor lose the small differences between them', async () => {
  const device = await testDevice();
  const x = device.tensor(Float32Array.of(1e4, 1e4 - 1, -1e4, 3e38, 3e38, -3e38), [2, 3]);
  const [y, l] = await device.read([softmax(x), logSoftmax(x)]);
  [0.731058579, 0.268941421, 0, 0.5, 0.5, 0].forEach((v, i) => assert.ok(Math.abs(y[i] - v) < 1e-5, `${i}: ${y[i]}`));
  [-0.313261688, -1.313261688].forEach((v, i) => assert.ok(Math.abs(l[i] - v) < 1e-5, `${i}: ${l[i]}`));
});

test('the same, where a workgroup has the line', async () => {
  const device = await testDevice();
  const v = Float32Array.from({ length: 2000 }, (_, i) => (i < 1000 ? 3e38 : i === 1999 ? -Infinity : -3e38));
  const [y, l] = await device.read([softmax(device.tensor(v, [2000])), logSoftmax(device.tensor(v, [2000]))]);
  v.forEach((_, i) => assert.ok(Math.abs(y[i] - (i < 1000 ? 1e-3 : 0)) < 1e-8, `${i}: ${y[i]}`));
  assert.ok(Math.abs(l[0] + Math.log(1000)) < 1e-5);
});

test('scalars, and axes that are not there', async () => {
  const device = await testDevice();
  assert.is(await softmax(device.tensor([7], [])).item(), 1);
  assert.throws(() => softmax(device.empty([2, 3]), 1, 2), /no axis 2/);
});

test('a workgroup has no races', () => {
  const x = Float32Array.from({ length: 26 }, (_, i) => Math.sin(1 + i)), y = new Float32Array(26);
  const params = { rows: 2, c: 13, scale: 1, inner: 1 };
  checkRaces({ shader: 'softmax', entry: 'forwardWide', constants: { WG: 8 }, data: { x, y }, params, groups: 2 });
  checkRaces({ shader: 'softmax', entry: 'backwardWide', constants: { WG: 8 }, data: { y_in: x, dy: x, dx: y }, params, groups: 2 });
});

test('a NaN makes its line NaN, and no other; -Infinity is a score that is ruled out', async () => {
  for (const device of [await testDevice(), await gpuVariants(), await softwareVariants()]) {
    for (const [rows, c] of [[3, 4], [3, 2000], [2000, 3]]) {
      const data = new Float32Array(rows * c).fill(1), bad = rows - 2;
      data[bad * c + c - 1] = NaN;
      data[0] = -Infinity;
      const x = device.tensor(data, [rows, c]);
      for (const f of [softmax, logSoftmax]) {
        const y = await f(x).read();
        assert.ok(y.every((v, i) => Number.isNaN(v) === (Math.floor(i / c) === bad)), `${f.name} of [${rows}, ${c}]`);
        assert.is(y[0], f === softmax ? 0 : -Infinity);
      }
    }
  }
});

test.run();
