// Matrix products and softmax.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { full } from '../../runtime/ops/fill.ts';
import { matmul } from '../../runtime/ops/matmul.ts';
import { logSoftmax, softmax } from '../../runtime/ops/softmax.ts';
import { sumTo } from '../../runtime/ops/sumTo.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type OpCase } from '../support/op.ts';

const cases: OpCase[] = [];

for (const [batchA, batchB, m, k, n] of [
  [[], [], 5, 7, 3],
  [[2], [2], 9, 4, 6],
  [[2, 3], [2, 3], 3, 5, 2],
  [[3], [], 4, 6, 5],
  [[], [2], 4, 3, 9],
  [[], [], 1, 1, 1],
  [[], [], 70, 33, 130],
  [[], [], 68, 12, 20],
  [[3], [3], 36, 8, 4],
  [[], [2], 33, 4, 36],
  [[2], [], 132, 4, 8],
] as [Shape, Shape, number, number, number][]) {
  for (const transposeA of [false, true])
    for (const transposeB of [false, true]) {
      const a: Shape = [...batchA, ...(transposeA ? [k, m] : [m, k])];
      const b: Shape = [...batchB, ...(transposeB ? [n, k] : [k, n])];
      const batch = batchA.length ? batchA : batchB;
      const count = batch.reduce((x, y) => x * y, 1);
      cases.push({
        name: `matmul [${a}]${transposeA ? "'" : ''} [${b}]${transposeB ? "'" : ''}`,
        inputs: { a: { shape: a }, b: { shape: b } },
        run: (t) => matmul(t.a, t.b, { transposeA, transposeB }),
        reference: (t) => {
          const y = f64([...batch, m, n]);
          for (let s = 0; s < count; s++)
            for (let i = 0; i < m; i++)
              for (let j = 0; j < n; j++) {
                const a0 = batchA.length ? s * m * k : 0;
                const b0 = batchB.length ? s * k * n : 0;
                let sum = 0;
                for (let q = 0; q < k; q++)
                  sum +=
                    t.a.data[a0 + (transposeA ? q * m + i : i * k + q)] *
                    t.b.data[b0 + (transposeB ? j * k + q : q * n + j)];
                y.data[(s * m + i) * n + j] = sum;
              }
          return y;
        },
      });
    }
}

// Broadcast batches, vectors, and a sum taken back.
const BROADCAST: [Shape, Shape][] = [
  [
    [2, 1, 4, 5],
    [3, 5, 6],
  ],
  [
    [2, 1, 3, 1, 2, 3],
    [4, 1, 5, 3, 2],
  ],
  [
    [3, 1, 2, 3],
    [3, 4, 3, 1],
  ],
  [[5, 6], [6]],
  [[6], [6, 3]],
  [[2, 5, 6], [6]],
  [[3], [2, 2, 3, 4]],
  [[8], [8]],
];
for (const [a, b] of BROADCAST) {
  const full2 = (s: Shape, row: boolean): Shape => (s.length > 1 ? s : row ? [1, s[0]] : [s[0], 1]);
  const fa = full2(a, true);
  const fb = full2(b, false);
  const [m, k] = fa.slice(-2);
  const n = fb[fb.length - 1];
  const rank = Math.max(fa.length, fb.length) - 2;
  const ba = fa.slice(0, -2);
  const bb = fb.slice(0, -2);
  const batch = Array.from({ length: rank }, (_, i) =>
    Math.max(ba[i - rank + ba.length] ?? 1, bb[i - rank + bb.length] ?? 1),
  );
  /** Which matrix of a factor makes the matrix of y at `at`. */
  const matrix = (s: Shape, at: number[]): number =>
    s.reduce((p, d, i) => p * d + (d === 1 ? 0 : at[i + rank - s.length]), 0);
  cases.push({
    name: `matmul [${a}] [${b}]`,
    inputs: { a: { shape: a }, b: { shape: b } },
    run: (t) => matmul(t.a, t.b),
    reference: (t) => {
      const y = f64([...batch, ...(a.length > 1 ? [m] : []), ...(b.length > 1 ? [n] : [])]);
      for (let s = 0; s < sizeOf(batch); s++) {
        const at = batch.map((d, i) => Math.floor(s / sizeOf(batch.slice(i + 1))) % d);
        const a0 = matrix(ba, at) * m * k;
        const b0 = matrix(bb, at) * k * n;
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++)
            for (let q = 0; q < k; q++)
              y.data[(s * m + i) * n + j] += t.a.data[a0 + i * k + q] * t.b.data[b0 + q * n + j];
      }
      return y;
    },
  });
}

for (const [whole, shape] of [
  [
    [4, 3, 5, 2],
    [1, 3, 1, 2],
  ],
  [[4, 3, 5, 2], [2]],
  [[4, 3, 5, 2], []],
  [
    [4, 3, 5, 2],
    [4, 1, 1, 1],
  ],
  [
    [4, 3, 5, 2],
    [4, 3, 5, 2],
  ],
  [
    [3, 40, 30, 2],
    [3, 1, 1, 2],
  ],
  [
    [2, 65537],
    [2, 1],
  ],
  [[8, 128, 128, 3], []],
  [[0, 3], [3]],
] as [Shape, Shape][]) {
  cases.push({
    name: `sumTo [${whole}] to [${shape}]`,
    inputs: { x: { shape: whole } },
    run: ({ x }) => sumTo(x, shape),
    reference: ({ x }) => {
      const y = f64(shape);
      x.data.forEach((v, i) => {
        const at = whole.map((d, axis) => Math.floor(i / sizeOf(whole.slice(axis + 1))) % d);
        y.data[shape.reduce((p, d, axis) => p * d + (d === 1 ? 0 : at[axis + whole.length - shape.length]), 0)] += v;
      });
      return y;
    },
  });
}

for (const shape of [
  [4, 5],
  [2, 3, 7],
  [3, 1],
  [2, 40, 33],
] as Shape[]) {
  for (const log of [false, true]) {
    const c = shape[shape.length - 1];
    cases.push({
      name: `${log ? 'logSoftmax' : 'softmax'} [${shape}] of half the scores`,
      inputs: { x: { shape, draw: (r) => 4 * r.normal() } },
      run: ({ x }) => (log ? logSoftmax : softmax)(x, -1, { scale: 0.5 }),
      reference: ({ x }) => {
        const y = f64(shape);
        for (let r = 0; r < x.data.length; r += c) {
          const row = x.data.subarray(r, r + c).map((v) => 0.5 * v);
          const high = Math.max(...row);
          const sum = row.reduce((s, v) => s + Math.exp(v - high), 0);
          row.forEach((v, i) => (y.data[r + i] = log ? v - high - Math.log(sum) : Math.exp(v - high) / sum));
        }
        return y;
      },
    });
  }
}

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('huge scores stay finite, mismatched sizes are refused', async () => {
  const device = await testDevice();
  const y = await softmax(device.tensor([1e30, -1e30, 1e30], [1, 3])).read();
  assert.equal([...y], [0.5, 0, 0.5]);
  assert.throws(
    () => matmul(device.tensor(new Float32Array(6), [2, 3]), device.tensor(new Float32Array(8), [2, 4])),
    /inner sizes 3 and 2/,
  );
});

for (const [a, b, want] of [
  [
    [4, 2, 3],
    [1, 1, 3, 2],
    [1, 4, 2, 2],
  ],
  [
    [1, 1, 3, 2],
    [4, 2, 3],
    [1, 4, 3, 3],
  ],
  [
    [1, 2, 3],
    [1, 1, 3, 2],
    [1, 1, 2, 2],
  ],
  [
    [0, 2, 3],
    [3, 2],
    [0, 2, 2],
  ],
  [
    [2, 3],
    [0, 3, 2],
    [0, 2, 2],
  ],
] as Shape[][]) {
  test(`the batch of [${a}] [${b}], and gradients in the shapes of the factors`, async () => {
    const device = await testDevice();
    const ta = full(device, a, 1);
    const tb = full(device, b, 2);
    ta.requiresGrad = tb.requiresGrad = true;
    const y = matmul(ta, tb);
    assert.equal(y.shape, want);
    assert.ok((await y.read()).every((v) => v === 2 * a.at(-1)!));
    const [da, db] = grad(y, [ta, tb], { dy: full(device, want, 1) });
    assert.equal([da.shape, db.shape], [a, b]);
    const matrices = (s: Shape): number => sizeOf(s.slice(0, -2));
    const summed = (s: Shape): number => (matrices(s) === 1 ? matrices(want) : 1);
    assert.ok((await da.read()).every((v) => v === 2 * want.at(-1)! * summed(a)));
    assert.ok((await db.read()).every((v) => v === want.at(-2)! * summed(b)));
  });
}

test('what is not a product of matrices is refused', async () => {
  const device = await testDevice();
  const make = (...shape: number[]) => device.empty(shape);
  assert.throws(() => matmul(make(2, 2, 3), make(3, 3, 2)), /\[2\] and \[3\] differ along axis 0/);
  assert.throws(() => matmul(make(), make(3, 3)), says(/by a scalar/));
  assert.throws(() => matmul(make(3), make(3, 3), { transposeA: true }), says(/cannot be transposed/));
  assert.throws(() => matmul(make(2, 1, 2, 1, 2, 2, 2), make(1, 2, 1, 2, 1, 2, 2)), /alternate/);
  assert.throws(() => sumTo(make(2, 3), [2]), /does not broadcast|differ along axis/);
  assert.throws(() => sumTo(make(1, 3), [2, 3]), /does not broadcast/);
});

test('more rows than one dimension of the grid holds', async () => {
  const device = await testDevice();
  const a = device.tensor(
    Float32Array.from({ length: 600000 }, (_, i) => i),
    [600000, 1],
  );
  const y = await matmul(a, device.tensor([2], [1, 1])).read();
  assert.ok(y.every((v, i) => v === 2 * i));
  const many = await matmul(a.view([100000, 6, 1]), device.tensor([2], [1, 1])).read();
  assert.ok(many.every((v, i) => v === 2 * i));
});

test.run();
