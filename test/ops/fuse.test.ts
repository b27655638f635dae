// Fusion and sharpening against float64.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { fuse, sharpen, type FuseOptions } from '../../src/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';

const softmax = (z: Float64Array): Float64Array => {
  const top = Math.max(...z);
  const e = z.map((v) => Math.exp(v - top));
  const sum = e.reduce((a, v) => a + v, 0);
  return e.map((v) => v / sum);
};
const sharp = (p: Float64Array, t: number): Float64Array => {
  const e = p.map((v) => v ** (1 / t));
  const sum = e.reduce((a, v) => a + v, 0);
  return e.map((v) => v / sum);
};
const rows = (x: Float64Array, c: number, f: (row: Float64Array, at: number) => Float64Array): Float64Array => {
  const out = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += c) out.set(f(x.subarray(at, at + c), at), at);
  return out;
};
const squares = (x: Float64Array): number => x.reduce((s, v) => s + v * v, 0);

function makeCase(shape: Shape, o: FuseOptions): OpCase {
  const c = shape.at(-1)!;
  const { norm = 'rms-batch', gamma = 0.5, temperature = 0.5 } = o;
  return {
    name: `fuse [${shape}] ${JSON.stringify(o)}`,
    inputs: { a: { shape, draw: (r) => 5 * r.normal() }, b: { shape } },
    run: ({ a, b }) => fuse(a, b, o),
    reference: ({ a, b }) => {
      const rms = Math.sqrt((squares(a.data) + squares(b.data)) / (2 * a.data.length) + 1e-8);
      const data = rows(a.data, c, (row, at) => {
        const other = b.data.subarray(at, at + c);
        const r = norm === 'l2-pixel' ? Math.sqrt(squares(row) + squares(other)) : rms;
        const p = softmax(row.map((v) => v / r));
        const m = softmax(other.map((v) => v / r));
        return sharp(
          p.map((v, i) => gamma * v + (1 - gamma) * m[i]),
          temperature,
        );
      });
      return { shape, data };
    },
    h: 0,
  };
}

const shapes: Shape[] = [
  [7, 1],
  [2, 5, 6, 3],
  [2, 9, 8, 21],
  [2, 48, 64, 16],
];
const cases: OpCase[] = shapes.flatMap((shape) => [
  makeCase(shape, {}),
  makeCase(shape, { norm: 'l2-pixel', gamma: 0.3, temperature: 0.7 }),
  {
    name: `sharpen [${shape}]`,
    inputs: { p: { shape, draw: (r) => r.uniform() } },
    run: ({ p }) => sharpen(p, 0.4),
    reference: ({ p }) => ({ shape, data: rows(p.data, shape.at(-1)!, (row) => sharp(row, 0.4)) }),
    h: 0,
  },
]);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('one map alone, certain and impossible classes, zero logits', async () => {
  const device = await testDevice();
  const p = device.tensor([1, 0, 0.5, 0.5], [2, 2]);
  assert.equal([...(await sharpen(p, 0.5).read())], [1, 0, 0.5, 0.5]);
  const zero = device.tensor([0, 0], [1, 2]);
  for (const norm of ['rms-batch', 'l2-pixel'] as const)
    assert.equal([...(await fuse(zero, zero, { norm }).read())], [0.5, 0.5]);
});

test('what cannot be fused', async () => {
  const device = await testDevice();
  const a = device.empty([2, 3]);
  assert.throws(() => fuse(a, device.empty([3, 2])), says(/one shape/));
  assert.throws(() => fuse(a, a, { gamma: 2 }), /gamma is 2/);
  assert.throws(() => fuse(a, a, { norm: 'max' as 'l2-pixel' }), /no norm max/);
  assert.throws(() => sharpen(a, 0), /temperature/);
});

test('a pixel without any probability stays 0 when it is sharpened', async () => {
  const device = await testDevice();
  const p = device.tensor([0, 0, 0, 0.5, 0.25, 0.25], [2, 3]);
  const q = await sharpen(p, 0.5).read();
  assert.equal([...q.subarray(0, 3)], [0, 0, 0]);
  assert.ok(Math.abs(q[3] - 2 / 3) < 1e-6);
});

test.run();
