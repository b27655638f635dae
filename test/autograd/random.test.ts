// Random numbers in plans: other ones at each replay, the same ones in equal runs, and no silent repetition.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { randomSeed, tensor } from '../../runtime/create.ts';
import type { Device } from '../../runtime/device/device.ts';
import { errorText, UsageError } from '../../runtime/errors.ts';
import { Dropout, Dropout2d, Sequential } from '../../runtime/modules/layers.ts';
import { TRAIN } from '../../runtime/modules/module.ts';
import { hyperTensor } from '../../runtime/optim/hyper.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import { add, bernoulli, dropout, dropout2d, full, normal, square, sum, uniform } from '../../runtime/ops/index.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

const layers = async (): Promise<Sequential> =>
  new Sequential(new Dropout(0.5), new Dropout2d(0.3)).init(await testDevice());
const DRAWS: Record<string, (x: Tensor, seed: Tensor, net: Sequential) => Tensor> = {
  uniform: (_, seed) => uniform(seed, [4, 8, 2]),
  normal: (_, seed) => normal(seed, [4, 8, 2]),
  bernoulli: (_, seed) => bernoulli(seed, [4, 8, 2], 0.5),
  dropout: (x, seed) => dropout(x, seed, 0.5),
  dropout2d: (x, seed) => dropout2d(x, seed, 0.5),
  modules: (x, seed, net) => net.forward(x, { ...TRAIN, dropout: seed }),
};
const ones = new Float32Array(64).fill(1);
const refused =
  (message: RegExp) =>
  (e: unknown): boolean =>
    e instanceof UsageError && message.test(errorText(e));

for (const [name, draw] of Object.entries(DRAWS)) {
  const run = async (device: Device, net: Sequential, first: number, count: number): Promise<number[][]> => {
    const step = plan(device, { x: { shape: [4, 8, 2] } }, ({ x }) => {
      return { y: device.scope(() => draw(x, randomSeed(device, 42, 7, first), net)) };
    });
    const results: number[][] = [];
    for (let i = 0; i < count; i++) results.push([...(await step.run({ x: ones }).y.read())]);
    step.dispose();
    return results;
  };

  test(`${name} in a plan: as eager steps draw, and resumed as unbroken`, async () => {
    const device = await testDevice();
    const net = await layers();
    const x = tensor(device, ones, { shape: [4, 8, 2] });
    const unbroken = await run(device, net, 5, 4);
    for (const [i, got] of unbroken.entries()) {
      const eager = device.scope(() => draw(x, randomSeed(device, 42, 7, 5 + i), net));
      assert.equal(got, [...(await eager.read())]);
      for (const other of unbroken.slice(0, i)) assert.not.equal(got, other);
    }
    assert.equal([...(await run(device, net, 5, 2)), ...(await run(device, net, 7, 2))], unbroken);
    net.dispose();
  });

  test(`${name}: a seed that would not change is refused`, async () => {
    const device = await testDevice();
    const net = await layers();
    const sizes = { x: { shape: [4, 8, 2] } };
    const constants: (() => Tensor)[] = [
      () => tensor(device, Uint32Array.of(1, 2, 3, 0)),
      () => full(device, [4], 7, 'u32'),
      () => add(tensor(device, Uint32Array.of(1, 2, 3, 0)), tensor(device, Uint32Array.of(0, 1, 0, 0))),
    ];
    for (const seed of constants) {
      assert.throws(
        () => plan(device, sizes, ({ x }) => ({ y: draw(x, seed(), net) })),
        refused(/seed is a constant of the plan.*randomSeed/),
      );
    }
    const outside = randomSeed(device, 42, 7, 0);
    const step = plan(device, sizes, ({ x }) => ({ y: draw(x, outside, net) }));
    const first = [...(await step.run({ x: ones }).y.read())];
    assert.throws(() => step.run(), refused(/seed from outside.*randomSeed in the body/));
    device.write(outside, Uint32Array.of(42, 7, 1, 0));
    assert.not.equal([...(await step.run().y.read())], first);
    device.write(outside, Uint32Array.of(42, 7, 0, 0));
    assert.equal([...(await step.run().y.read())], first);
    step.dispose();
    net.dispose();
  });

  test(`${name}: a seed that is an input`, async () => {
    const device = await testDevice();
    const net = await layers();
    const sizes = { x: { shape: [4, 8, 2] }, seed: { shape: [4], dtype: 'u32' } } as const;
    const step = plan(device, sizes, ({ x, seed }) => ({ y: draw(x, seed, net) }));
    const at = async (i: number): Promise<number[]> => [
      ...(await step.run({ x: ones, seed: Uint32Array.of(1, 2, i, 0) }).y.read()),
    ];
    const [a, b, c] = [await at(0), await at(1), await at(0)];
    assert.not.equal(a, b);
    assert.equal(a, c);
    step.dispose();
    net.dispose();
  });
}

test('the first seed and the largest step', async () => {
  const device = await testDevice();
  const step = plan(device, {}, () => ({ u: uniform(randomSeed(device, 3, 4, 2 ** 32 - 1), [4]) }));
  const rng = new Rng(3, 4, 2 ** 32 - 1);
  assert.equal(
    [...(await step.run().u.read())],
    [0, 1, 2, 3].map(() => rng.uniform()),
  );
  const next = new Rng(3, 4, 0);
  assert.equal(
    [...(await step.run().u.read())],
    [0, 1, 2, 3].map(() => next.uniform()),
  );
  step.dispose();
});

test('other numbers of the host that a plan would keep: writes and hyper-parameters are refused, a learning rate follows', async () => {
  const device = await testDevice();
  const w = tensor(device, [1, 2]);
  w.requiresGrad = true;
  assert.throws(
    () => plan(device, {}, () => void device.write(w, Float32Array.of(3, 4)) as never),
    refused(/write: a plan is being recorded/),
  );
  const sgd = new Sgd({ w }, { lr: 0.5 });
  const update = (hyper?: Tensor): void => sgd.step(grad(sum(square(w)), [w]), hyper);
  assert.throws(
    () => plan(device, {}, () => void update(hyperTensor(device, { lr: 0.5, step: 1 })) as never),
    refused(/hyperTensor: in a plan/),
  );
  const step = plan(device, {}, () => {
    update();
    return {};
  });
  step.run();
  assert.equal([...(await w.read())], [0, 0]);
  device.write(w, Float32Array.of(1, 2));
  sgd.lr = 0.25;
  step.run();
  assert.equal([...(await w.read())], [0.5, 1]);
  step.dispose();
});

test.run();
