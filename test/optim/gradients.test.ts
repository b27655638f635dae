// Clipping by the global norm, and sums of gradients.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { accumulate, GradientSum } from '../../runtime/optim/accumulate.ts';
import { AdamW } from '../../runtime/optim/adamw.ts';
import { clipCoefficient } from '../../runtime/optim/clip.ts';
import { hyperTensor } from '../../runtime/optim/hyper.ts';
import { Rmsprop } from '../../runtime/optim/rmsprop.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import { Rng } from '../../runtime/random.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';

test('global norm and clip coefficient over tensors of all sizes', async () => {
  const device = await testDevice();
  const rng = new Rng(3, 1);
  const values = [1, 7, 64, 65, 5000, 40000].map((n) => Float32Array.from({ length: n }, () => rng.normal()));
  const grads = values.map((v) => device.tensor(v, [v.length]));
  const norm = 0.25 * Math.sqrt(values.reduce((s, v) => s + v.reduce((a, x) => a + x * x, 0), 0));
  const hyper = hyperTensor(device, { lr: 1, step: 1, gradScale: 0.25 });
  for (const most of [1, 1e6]) {
    const clip = clipCoefficient(grads, most, hyper);
    close(
      [await clip.norm.item(), await clip.coefficient.item()],
      [norm, Math.min(1, most / (norm + 1e-6))],
      1e-6,
      `most ${most}`,
    );
  }
  assert.throws(() => clipCoefficient([], 1, hyper), /no gradients/);
  assert.throws(() => clipCoefficient(grads, 0, hyper), /positive/);
});

test('a norm that is not finite, as PyTorch has it; a scaled loss whose squares overflow', async () => {
  const device = await testDevice();
  const made = async (values: number[], gradScale: number): Promise<number[]> => {
    const grads = [device.tensor([1, 2], [2]), device.tensor(values, [values.length])];
    const { norm, coefficient } = clipCoefficient(grads, 1, hyperTensor(device, { lr: 1, step: 1, gradScale }));
    return [await norm.item(), await coefficient.item()];
  };
  assert.equal(await made([3, NaN], 1), [NaN, NaN]);
  assert.equal(await made([Infinity], 1), [Infinity, 0]);
  assert.equal(await made([2e19], 1), [Infinity, 0]);
  close(await made([2 ** 70], 2 ** -24), [2 ** 46, 2 ** -46], 1e-6, 'scaled');
});

test('the coefficient shortens the step to the largest norm', async () => {
  const device = await testDevice();
  const w = device.tensor([0, 0], [2]);
  const grads = [device.tensor([3, 4], [2])];
  const hyper = hyperTensor(device, { lr: 1, step: 1 });
  new Sgd(new Map([['w', w]])).step(grads, hyper, clipCoefficient(grads, 1, hyper).coefficient);
  close(await w.read(), [-0.6, -0.8], 1e-6, 'w');
});

test('a gradient that is not finite is told by the norm and is not clipped away', async () => {
  const device = await testDevice();
  for (const [value, norm, coefficient] of [
    [NaN, NaN, NaN],
    [Infinity, Infinity, 0],
    [-Infinity, Infinity, 0],
  ]) {
    const grads = [device.tensor([3, 4], [2]), device.tensor([1, value, 2], [3])];
    const clip = clipCoefficient(grads, 1e6);
    assert.equal([await clip.norm.item(), await clip.coefficient.item()], [norm, coefficient], `${value}`);
    // The step says so in the weights, too.
    for (const Kind of [Sgd, AdamW, Rmsprop]) {
      const w = new Map([
        ['a', device.tensor([0, 0], [2])],
        ['b', device.tensor([0, 0, 0], [3])],
      ]);
      const hyper = hyperTensor(device, { lr: 1, step: 1 });
      new Kind(w).step(grads, hyper, clip.coefficient);
      assert.ok(Number.isNaN((await w.get('b')!.read())[1]), `${Kind.name}, ${value}`);
    }
  }
});

test('sums of gradients', async () => {
  const device = await testDevice();
  const params = new Map([
    ['a', device.tensor([0, 0, 0, 0, 0], [5])],
    ['b', device.tensor([0], [1])],
  ]);
  const sum = new GradientSum(params);
  const a = device.tensor([1, 2, 3, 4, 5], [5]);
  const b = device.tensor([10], [1]);
  sum.add([a, b], 0.5, true);
  sum.add(new Map([['a', a]]), device.tensor([2], []));
  assert.equal([...(await sum.grads.get('a')!.read())], [2.5, 5, 7.5, 10, 12.5]);
  assert.is(await sum.grads.get('b')!.item(), 5);
  sum.add(new Map([['a', a]]), device.tensor([2], []), true);
  assert.equal([...(await sum.grads.get('a')!.read()), await sum.grads.get('b')!.item()], [2, 4, 6, 8, 10, 0]);
  assert.throws(() => sum.add([a]), /1 gradients for 2/);
  assert.throws(() => accumulate(a, b), /cannot be added/);
  sum.dispose();
});

test.run();
