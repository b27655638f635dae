// Order statistics against sorting: negative numbers, ties, masks, interpolation.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import { kthLargest, percentile } from '../../src/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { testDevice } from '../support/device.ts';
import { says } from '../support/errors.ts';

function wanted(sorted: Float32Array, q: number): number {
  const at = (q / 100) * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

for (const n of [1, 2, 63, 1000, 70000]) {
  test(`order statistics of ${n} numbers`, async () => {
    const device = await testDevice();
    const rng = new Rng(n, 1);
    const values = Float32Array.from({ length: n }, () =>
      rng.uniform() < 0.2 ? Math.round(rng.normal()) : rng.normal() * 10 ** rng.int(4),
    );
    const mask = Float32Array.from({ length: n }, (_, i) => (i === 0 || rng.uniform() < 0.7 ? 1 : 0));
    const x = device.tensor(values, [n]);
    const valid = device.tensor(mask, [n]);
    const sorted = values.slice().sort();
    const masked = values.filter((_, i) => mask[i] !== 0).sort();
    for (const k of [1, Math.ceil(n / 3), n]) assert.is(await kthLargest(x, k).item(), sorted[n - k]);
    for (const q of [0, 20, 50, 80, 97.5, 100]) {
      for (const [t, s] of [
        [undefined, sorted],
        [valid, masked],
      ] as const) {
        const got = await percentile(x, q, t).item();
        const want = wanted(s, q);
        assert.ok(Math.abs(got - want) <= 1e-5 * Math.max(1, Math.abs(want)), `${q}: ${got}, expected ${want}`);
      }
    }
  });
}

test('nothing valid, and what cannot be asked for', async () => {
  const device = await testDevice();
  const x = device.tensor([3, 4], [2]);
  assert.is(await percentile(x, 50, device.tensor([0, 0], [2])).item(), 0);
  assert.throws(() => kthLargest(x, 3), says(/1 to 2/));
  assert.throws(() => percentile(x, 101), says(/between 0 and 100/));
  assert.throws(() => percentile(x, 50, device.empty([3])), says(/valid is \[3\]/));
});

test('a percentile from a tensor that changes between replays', async () => {
  const device = await testDevice();
  const x = device.tensor([4, 1, 3, 2, 5], [5]);
  const step = plan(device, { q: { shape: [] } }, ({ q }) => ({ y: percentile(x, q) }));
  for (const [q, want] of [
    [0, 1],
    [50, 3],
    [62.5, 3.5],
    [100, 5],
    [120, 5],
  ]) {
    step.run({ q: Float32Array.of(q) });
    assert.is(await step.outputs.y.item(), want);
  }
  step.dispose();
  assert.throws(() => percentile(x, x), says(/q is \[5\]/));
});

test('the rank is exact beyond what f32 holds', async () => {
  const device = await testDevice();
  const counts = new Uint32Array(256);
  counts[3] = 2 ** 24 + 1;
  counts[7] = 5;
  const bins = device.tensor(counts, [256]);
  const state = device.tensor(new Uint32Array(6), [6]);
  const params = { n: 2 ** 24 + 6, items: 1, shift: 24, rank: 2 ** 24 + 1, share: -1 };
  device.run({
    shaders: SEGMENTATION,
    shader: 'orderStatistic',
    entry: 'walk',
    bindings: { bins, state, percent: device.tensor([0], [1]) },
    params,
    groups: [1, 1, 1],
  });
  assert.equal([...(await state.read())].slice(0, 2), [7 * 2 ** 24, 0]);
});

test('NaN of either sign is the largest number, and makes a percentile NaN unless it is masked', async () => {
  const device = await testDevice();
  const bits = new Float32Array(Uint32Array.of(0xffc00000, 0x7fc00000, 0x3f800000, 0x40000000).buffer);
  const x = device.tensor(bits, [4]);
  assert.equal(await Promise.all([1, 2, 3, 4].map((k) => kthLargest(x, k).item())), [NaN, NaN, 2, 1]);
  for (const q of [0, 30, 100]) {
    assert.equal(await percentile(x, q).item(), NaN);
    assert.equal(await percentile(x, device.tensor([q], [])).item(), NaN);
    assert.equal(await percentile(x, q, device.tensor([1, 0, 1, 1], [4])).item(), NaN);
  }
  const valid = device.tensor([0, 0, 1, 1], [4]);
  assert.equal(await Promise.all([0, 50, 100].map((q) => percentile(x, q, valid).item())), [1, 1.5, 2]);
  assert.equal(await percentile(x, device.tensor([NaN], []), valid).item(), NaN);
  assert.is(await percentile(x, 50, device.tensor([0, 0, 0, 0], [4])).item(), 0);
});

test('a percentile between a number and an infinity is that infinity', async () => {
  const device = await testDevice();
  const at = (row: number[], q: number): Promise<number> => percentile(device.tensor(row, [row.length]), q).item();
  for (const [row, q, y] of [
    [[1, Infinity], 50, Infinity],
    [[-Infinity, 1], 50, -Infinity],
    [[-Infinity, 1], 100, 1],
  ] as const) {
    assert.is(await at([...row], q), y);
  }
  assert.is(await at([Infinity, Infinity], 50), Infinity);
  assert.equal(await at([-Infinity, Infinity], 50), NaN);
});

test.run();
