// The GPU's random numbers are the host's.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { bernoulli, normal, uniform } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { testDevice } from '../support/device.ts';

test('the same numbers as on the host', async () => {
  const device = await testDevice();
  for (const [seed, stream, step] of [
    [0, 0, 0],
    [7, 3000000000, 12],
    [4294967295, 81, 4000000000],
  ]) {
    for (const n of [1, 6, 4099]) {
      const rng = new Rng(seed, stream, step);
      const want = Float32Array.from({ length: n }, () => rng.uniform());
      assert.equal(
        await uniform(device.tensor(Uint32Array.of(seed, stream, step, 0), [4]), [n]).read(),
        want,
        `${seed} ${stream} ${step} ${n}`,
      );
    }
  }
  assert.throws(() => uniform(device.empty([4]), [3]), /the seed is \[4\] f32/);
});

test('normal numbers are those of the host', async () => {
  const device = await testDevice();
  const rng = new Rng(7, 3, 9);
  const seed = device.tensor(Uint32Array.of(7, 3, 9, 0), [4]);
  const n = 40001;
  const got = await normal(seed, [n]).read();
  let sum = 0;
  let squares = 0;
  got.forEach((v, i) => {
    const w = rng.normal();
    assert.ok(Math.abs(v - w) <= 3e-6 * Math.max(0.1, Math.abs(w)), `[${i}] is ${v}, on the host ${w}`);
    sum += v;
    squares += v * v;
  });
  assert.ok(Math.abs(sum / n) < 0.02 && Math.abs(squares / n - 1) < 0.03);
  const wide = await normal(seed, [n], { mean: 3, std: 2 }).read();
  wide.forEach((v, i) => assert.ok(Math.abs(v - (3 + 2 * got[i])) <= 1e-5));
});

test('limits, dtypes and chances', async () => {
  const device = await testDevice();
  const seed = device.tensor(Uint32Array.of(1, 2, 3, 0), [4]);
  const u = await uniform(seed, [5000]).read();
  assert.equal(
    await uniform(seed, [5000], { low: -2, high: 8, dtype: 'i32' }).read(),
    Int32Array.from(u, (v) => Math.fround(Math.fround(v * 10) - 2)),
  );
  assert.is(uniform(seed, [3], { dtype: 'f16' }).dtype, 'f16');
  assert.equal(
    await bernoulli(seed, [5000], 0.3).read(),
    Float32Array.from(u, (v) => (v < Math.fround(0.3) ? 1 : 0)),
  );
  const each = device.tensor([0, 1], [2]);
  const hit = bernoulli(seed, [2500, 2], each, { dtype: 'i32' });
  assert.equal([hit.dtype, ...hit.shape], ['i32', 2500, 2]);
  assert.ok((await hit.read()).every((v, i) => v === i % 2));
  assert.throws(() => bernoulli(seed, [3], 1.5), /the probability is 1.5/);
  assert.throws(() => bernoulli(seed, [1, 2], device.tensor([0, 1, 1, 1], [2, 2])), /do not broadcast/);
  assert.throws(() => normal(seed, [3], { std: Infinity }), says(/give finite numbers/));
  assert.throws(() => normal(device.empty([3], 'u32'), [3]), /the seed is/);
});

test.run();
