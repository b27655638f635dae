// Scaled dot-product attention against float64 loops.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { scaledDotProductAttention } from '../../runtime/ops/index.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type CaseInput, type F64 } from '../support/op.ts';

/** The element at an index, of a tensor that broadcasts to `index.length` axes. */
const get = (t: F64, index: readonly number[]): number =>
  t.data[t.shape.reduce((p, d, a) => p * d + (d === 1 ? 0 : index[index.length - t.shape.length + a]), 0)];

function reference(
  t: Record<string, F64>,
  batch: readonly number[],
  o: { causal?: boolean; scale?: number; added?: boolean },
): F64 {
  const { q, k, v, mask } = t;
  const [i, d] = q.shape.slice(-2);
  const j = k.shape[k.shape.length - 2];
  const e = v.shape[v.shape.length - 1];
  const y = f64([...batch, i, e]);
  for (let b = 0; b < sizeOf(batch); b++)
    for (let r = 0; r < i; r++) {
      const lead = batch.map((size, a) => Math.floor(b / sizeOf(batch.slice(a + 1))) % size);
      const s = Array.from({ length: j }, (_, c) => {
        let dot = 0;
        for (let x = 0; x < d; x++) dot += get(q, [...lead, r, x]) * get(k, [...lead, c, x]);
        const m = mask ? get(mask, [...lead, r, c]) : 0;
        if ((o.causal && c > r) || (mask && !o.added && m === 0)) return -Infinity;
        return dot * (o.scale ?? 1 / Math.sqrt(d)) + (o.added ? m : 0);
      });
      const high = Math.max(...s, -1e300);
      const w = s.map((x) => Math.exp(x - high));
      const sum = w.reduce((a, x) => a + x, 0);
      for (let c = 0; c < e; c++)
        y.data[(b * i + r) * e + c] = sum === 0 ? 0 : w.reduce((a, x, n) => a + x * get(v, [...lead, n, c]), 0) / sum;
    }
  return y;
}

interface Case {
  q: Shape;
  k: Shape;
  v: Shape;
  mask?: Shape;
  added?: boolean;
  causal?: boolean;
  scale?: number;
}

const CASES: Case[] = [
  { q: [2, 2, 5, 8], k: [2, 2, 6, 8], v: [2, 2, 6, 4] },
  { q: [6, 3], k: [6, 3], v: [6, 5], causal: true },
  { q: [2, 4, 3], k: [2, 7, 3], v: [2, 7, 1], causal: true, scale: 2 },
  { q: [2, 3, 4, 5], k: [3, 6, 5], v: [1, 1, 6, 2] },
  { q: [2, 3, 4, 5], k: [2, 3, 6, 5], v: [2, 3, 6, 5], mask: [4, 6] },
  { q: [2, 3, 4, 5], k: [2, 3, 6, 5], v: [2, 3, 6, 5], mask: [2, 1, 1, 6] },
  { q: [2, 3, 4, 5], k: [2, 3, 6, 5], v: [2, 3, 6, 5], mask: [2, 1, 4, 6], added: true },
  { q: [2, 3, 4, 5], k: [2, 3, 6, 5], v: [2, 3, 6, 5], mask: [3, 1, 6], added: true, causal: true },
  { q: [3, 4, 5], k: [3, 6, 5], v: [3, 6, 5], mask: [3, 4, 1], added: true },
  { q: [1, 1, 1], k: [1, 1, 1], v: [1, 1, 1] },
  { q: [0, 4, 2], k: [0, 4, 2], v: [0, 4, 2] },
  { q: [2, 4, 2], k: [2, 0, 2], v: [2, 0, 3] },
  { q: [1, 2, 128, 16], k: [1, 2, 128, 16], v: [1, 2, 128, 16] },
];

for (const { q, k, v, mask, added, ...o } of CASES) {
  const name = `attention q [${q}] k [${k}] v [${v}]${mask ? ` ${added ? 'added' : 'boolean'} mask [${mask}]` : ''} ${JSON.stringify(o)}`;
  const rank = Math.max(q.length, k.length) - 2;
  const batch = Array.from({ length: rank }, (_, a) => {
    const [x, y] = [q, k].map((s) => s[s.length - 2 - rank + a] ?? 1);
    return x === 1 ? y : x;
  });
  const m: CaseInput | undefined =
    mask &&
    (added
      ? { shape: mask }
      : { shape: mask, dtype: 'i32', draw: (r, i) => (i % 6 === 0 ? 1 : Math.floor(r.uniform(0, 2))) });
  test(name, async () =>
    checkCase(await testDevice(), {
      name,
      inputs: { q: { shape: q }, k: { shape: k }, v: { shape: v }, ...(m ? { mask: m } : {}) },
      run: (t) => scaledDotProductAttention(t.q, t.k, t.v, { ...o, mask: t.mask }),
      reference: (t) => reference(t, batch, { ...o, added }),
      tolerance: 2e-5,
      // What is added to all scores of a row changes nothing: the gradient is 0 but for rounding.
      ...(added && mask?.at(-1) === 1 ? { h: 0 } : {}),
    }),
  );
}

test('a query without keys gives zeros, and its gradients are zeros; -infinity in the mask; huge scores', async () => {
  const device = await testDevice();
  const [q, k, v] = [3, 5, 7].map((s) =>
    device.tensor(
      Float32Array.from({ length: 4 }, (_, i) => 1e15 * ((i * s) % 4)),
      [2, 2],
    ),
  );
  q.requiresGrad = true;
  for (const mask of [
    device.tensor(Int32Array.of(0, 0, 1, 0), [2, 2]),
    device.tensor([-Infinity, -Infinity, 0, -Infinity], [2, 2]),
  ]) {
    const y = scaledDotProductAttention(q, k, v, { mask });
    assert.equal([...(await y.read())], [0, 0, ...(await v.read()).slice(0, 2)]);
    assert.equal([...(await grad(y, [q], { dy: device.tensor([1, 1, 1, 1], [2, 2]) })[0].read())], [0, 0, 0, 0]);
  }
});

test('weights are dropped by the seed', async () => {
  const device = await testDevice();
  const [q, k] = [device.tensor([0, 0], [2, 1]), device.tensor(new Float32Array(1000), [1000, 1])];
  const v = device.tensor(new Float32Array(1000).fill(1), [1000, 1]);
  const [a, b] = await scaledDotProductAttention(q, k, v, {
    dropout: { seed: device.tensor(Uint32Array.of(1, 2, 3, 0), [4]), p: 0.5 },
  }).read();
  assert.ok(a !== b && Math.abs(a - 1) < 0.2 && Math.abs(b - 1) < 0.2);
});

test('what does not fit is refused, nothing is left behind', async () => {
  const device = await testDevice();
  const t = (...s: number[]) => device.empty(s);
  assert.throws(() => scaledDotProductAttention(t(4), t(4, 2), t(4, 2)), says(/tokens, channels/));
  assert.throws(() => scaledDotProductAttention(t(4, 3), t(4, 2), t(4, 2)), says(/same channels/));
  assert.throws(() => scaledDotProductAttention(t(4, 2), t(5, 2), t(4, 2)), says(/same tokens/));
  assert.throws(() => scaledDotProductAttention(t(2, 4, 2), t(3, 5, 2), t(5, 2)), /differ along axis 0/);
  assert.throws(() => scaledDotProductAttention(t(4, 2), t(5, 2), t(5, 2), { mask: t(3, 4, 5) }), /does not broadcast/);
  assert.throws(() => scaledDotProductAttention(device.empty([4, 2], 'i32'), t(5, 2), t(5, 2)), /is i32/);
  const [q, k] = [t(4, 2), t(5, 2)];
  assert.is(device.collect(() => scaledDotProductAttention(q, k, k)).made.size, 1);
});

test('NaN reaches the queries that see it: scores, masks of floats', async () => {
  const device = await testDevice();
  const ones = (n: number, at = -1): Float32Array => Float32Array.from({ length: n }, (_, i) => (i === at ? NaN : 1));
  const q = device.tensor(ones(6, 2), [3, 2]);
  const k = device.tensor(ones(6), [3, 2]);
  const v = device.tensor(ones(6), [3, 2]);
  const broken = (t: ArrayLike<number>): boolean[] => [0, 2, 4].map((i) => Number.isNaN(t[i]));
  assert.equal(broken(await scaledDotProductAttention(q, k, v).read()), [false, true, false]);
  // A key that is NaN is seen by those from its own query on.
  const key = device.tensor(ones(6, 2), [3, 2]);
  const query = device.tensor(ones(6), [3, 2]);
  assert.equal(broken(await scaledDotProductAttention(query, key, v, { causal: true }).read()), [false, true, true]);
  const hidden = device.tensor(Int32Array.from([1, 0, 1, 1, 1, 1, 1, 0, 1]), [3, 3]);
  assert.equal(broken(await scaledDotProductAttention(query, key, v, { mask: hidden }).read()), [false, true, false]);
  const added = device.tensor(Float32Array.from([0, NaN, 0, 0, 0, 0, -Infinity, -Infinity, -Infinity]), [3, 3]);
  const y = await scaledDotProductAttention(query, k, v, { mask: added }).read();
  assert.equal([broken(y), y[4]], [[true, false, false], 0]);
});

test.run();
