// Optimisers and the EMA against float64 over several replayed steps, with groups, and the update rules of the
// published methods.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { AdamW, type AdamWOptions } from '../../runtime/optim/adamw.ts';
import { Ema } from '../../runtime/optim/ema.ts';
import { HYPER_SIZE, hyperTensor, hyperValues } from '../../runtime/optim/hyper.ts';
import { noDecayForVectors, type Optimizer } from '../../runtime/optim/optimizer.ts';
import { Adagrad, Rmsprop } from '../../runtime/optim/rmsprop.ts';
import { Sgd, type SgdOptions } from '../../runtime/optim/sgd.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';

const STEPS = 5;
const draw = (rng: Rng, n: number): Float32Array => Float32Array.from({ length: n }, () => rng.normal());

const groups = [{ ...noDecayForVectors, lrScale: 10 }];

interface Rule {
  name: string;
  make(params: Map<string, Tensor>): Optimizer;
  decay: number;
  betas?: readonly [number, number];
  /** One update of one weight in float64. */
  update(w: number, g: number, s: { v: number; m: number }, lr: number, t: number, decay: number): number;
}

function sgdRule(o: SgdOptions): Rule {
  return {
    name: `sgd ${JSON.stringify(o)}`,
    decay: o.weightDecay ?? 0,
    make: (p) => new Sgd(p, { ...o, groups }),
    update(w, g0, s, lr, t, decay) {
      const g = g0 + decay * w;
      const m = o.momentum ?? 0;
      s.v = t === 1 ? g : m * s.v + (1 - (o.dampening ?? 0)) * g;
      return w - lr * (m === 0 ? g : o.nesterov ? g + m * s.v : s.v);
    },
  };
}

function adamRule(o: AdamWOptions): Rule {
  const [b1, b2] = o.betas ?? [0.9, 0.999];
  return {
    name: `adamw ${JSON.stringify(o)}`,
    decay: o.weightDecay ?? 0,
    betas: [b1, b2],
    make: (p) => new AdamW(p, { ...o, groups }),
    update(w0, g0, s, lr, t, decay) {
      const w = o.decoupled === false ? w0 : w0 * (1 - lr * decay);
      const g = o.decoupled === false ? g0 + decay * w0 : g0;
      s.m = b1 * s.m + (1 - b1) * g;
      s.v = b2 * s.v + (1 - b2) * g * g;
      return w - ((lr / (1 - b1 ** t)) * s.m) / (Math.sqrt(s.v / (1 - b2 ** t)) + (o.eps ?? 1e-8));
    },
  };
}

function squareRule(name: string, keep: number, gain: number, make: Rule['make'], eps: number): Rule {
  return {
    name,
    make,
    decay: 0.1,
    update(w, g0, s, lr, _, decay) {
      const g = g0 + decay * w;
      s.v = keep * s.v + gain * g * g;
      return w - (lr * g) / (Math.sqrt(s.v) + eps);
    },
  };
}

const rules: Rule[] = [
  sgdRule({}),
  sgdRule({ momentum: 0.9, weightDecay: 0.01 }),
  sgdRule({ momentum: 0.9, dampening: 0.3, weightDecay: 0.01 }),
  sgdRule({ momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
  adamRule({ weightDecay: 0.1 }),
  adamRule({ weightDecay: 0.1, decoupled: false }),
  adamRule({ weightDecay: 0.1, betas: [0.8, 0.95], eps: 1e-6 }),
  squareRule('rmsprop', 0.95, 0.05, (p) => new Rmsprop(p, { alpha: 0.95, weightDecay: 0.1, groups }), 1e-8),
  squareRule('adagrad', 1, 1, (p) => new Adagrad(p, { weightDecay: 0.1, groups }), 1e-10),
];

for (const rule of rules) {
  test(`${rule.name}: eager and replayed`, async () => {
    const device = await testDevice();
    const rng = new Rng(1, 5);
    const shapes: Record<string, number[]> = { kernel: [3, 3, 5, 7], bias: [13] };
    const start = Object.fromEntries(
      Object.entries(shapes).map(([k, s]) => [
        k,
        draw(
          rng,
          s.reduce((a, b) => a * b),
        ),
      ]),
    );
    const g = Array.from({ length: STEPS }, () =>
      Object.fromEntries(Object.entries(start).map(([k, v]) => [k, draw(rng, v.length)])),
    );
    const lr = (t: number): number => 0.02 / t;
    const wanted = Object.fromEntries(
      Object.entries(start).map(([k, v]) => [
        k,
        Array.from(v, (w, i) => {
          const s = { m: 0, v: 0 };
          for (let t = 1; t <= STEPS; t++)
            w = rule.update(
              w,
              0.5 * g[t - 1][k][i],
              s,
              lr(t) * (k === 'bias' ? 10 : 1),
              t,
              k === 'bias' ? 0 : rule.decay,
            );
          return w;
        }),
      ]),
    );
    const hyper = (t: number) => ({ lr: lr(t), step: t, betas: rule.betas, gradScale: 0.5 });
    const results: Float32Array[][] = [];
    for (const replayed of [false, true]) {
      const params = new Map(Object.entries(shapes).map(([k, s]) => [k, device.tensor(start[k], s)]));
      const optimizer = rule.make(params);
      if (replayed) {
        const step = plan(
          device,
          { kernel: { shape: shapes.kernel }, bias: { shape: shapes.bias }, hyper: { shape: [HYPER_SIZE] } },
          ({ kernel, bias, hyper: h }) => {
            optimizer.step([kernel, bias], h);
            return {};
          },
        );
        for (let t = 1; t <= STEPS; t++) step.run({ ...g[t - 1], hyper: hyperValues(hyper(t)) });
        step.dispose();
      } else {
        for (let t = 1; t <= STEPS; t++)
          device.scope(() =>
            optimizer.step(
              new Map(Object.entries(g[t - 1]).map(([k, v]) => [k, device.tensor(v, shapes[k])])),
              hyperTensor(device, hyper(t)),
            ),
          );
      }
      results.push(await Promise.all([...params.values()].map((p) => p.read() as Promise<Float32Array>)));
      optimizer.dispose();
    }
    Object.keys(shapes).forEach((k, i) => close(results[0][i], wanted[k], 3e-6, k));
    assert.equal(results[1], results[0]);
  });
}

test('a parameter without a gradient, or with a learning-rate factor of 0, stays', async () => {
  const device = await testDevice();
  const params = new Map([
    ['a', device.tensor([1, 2], [2])],
    ['b', device.tensor([3], [1])],
    ['c', device.tensor([4], [1])],
  ]);
  const sgd = new Sgd(params, { groups: [{ match: (name) => name === 'c', lrScale: 0 }] });
  sgd.step(
    new Map([
      ['a', device.tensor([1, 1], [2])],
      ['c', device.tensor([1], [1])],
    ]),
    hyperTensor(device, { lr: 1, step: 1 }),
  );
  assert.equal(
    [...(await params.get('a')!.read()), await params.get('b')!.item(), await params.get('c')!.item()],
    [0, 1, 3, 4],
  );
  assert.throws(() => sgd.step([], hyperTensor(device, { lr: 1, step: 1 })), /0 gradients for 3/);
  assert.throws(() => new Sgd(params, { nesterov: true }), /Nesterov/);
});

test('state has a tensor for each parameter', async () => {
  const params = new Map([['w', (await testDevice()).tensor([1, 2], [2])]]);
  assert.equal([...new AdamW(params).state().keys()], ['m.w', 'v.w']);
  assert.equal([...new Sgd(params, { momentum: 0.9 }).state().keys()], ['momentum.w']);
  assert.is(new Sgd(params).state().size, 0);
});

test('EMA: the published decay rules', async () => {
  const device = await testDevice();
  const run = async (start: number, students: number[], a: (i: number) => number): Promise<number[]> => {
    const target = device.tensor([start], [1]);
    const source = device.tensor([0], [1]);
    const ema = new Ema(
      { params: new Map([['w', target]]), buffers: new Map() },
      { params: new Map([['w', source]]), buffers: new Map() },
      { buffers: 'own' },
    );
    const seen: number[] = [];
    for (const [i, s] of students.entries()) {
      device.write(source, Float32Array.of(s));
      ema.update(hyperTensor(device, { lr: 0, step: i + 1, emaDecay: a(i) }));
      seen.push(await target.item());
    }
    return seen;
  };
  close(await run(0, [1, 2, 3, 4], (i) => Math.min(1 - 1 / (i + 1), 0.996)), [1, 1.5, 2, 2.5], 1e-6, 'UniMatch V2');
  close(
    await run(1, [1, 2, 3, 4], (i) => Math.min(1 - 1 / (i + 2), 0.999)),
    [1, 1.33333333, 1.75, 2.2],
    1e-6,
    'Mean Teacher',
  );
  close((await run(1, [2, 3, 4], () => 0.99)).slice(-1), [1.059601], 1e-6, 'fixed');
  assert.equal(await run(7, [3], () => 0), [3]);
});

test('EMA: buffers averaged, copied or left alone', async () => {
  const device = await testDevice();
  const make = (v: number) => ({
    params: new Map([['w', device.tensor([v, v, v, v, v], [5])]]),
    buffers: new Map([
      ['mean', device.tensor([10 * v], [1])],
      ['count', device.tensor(Int32Array.of(v), [1])],
    ]),
  });
  for (const [buffers, mean, count] of [
    ['ema', 15, 2],
    ['copy', 20, 2],
    ['own', 10, 1],
  ] as const) {
    const target = make(1);
    new Ema(target, make(2), { buffers }).update(hyperTensor(device, { lr: 0, step: 1, emaDecay: 0.5 }));
    assert.equal([...(await target.params.get('w')!.read())], [1.5, 1.5, 1.5, 1.5, 1.5]);
    assert.equal([await target.buffers.get('mean')!.item(), await target.buffers.get('count')!.item()], [mean, count]);
  }
  const target = make(1);
  new Ema(target, make(3), { buffers: 'own' }).copy();
  assert.equal([await target.buffers.get('mean')!.item(), await target.buffers.get('count')!.item()], [30, 3]);
  assert.throws(() => new Ema(make(1), { ...make(1), buffers: new Map() }, { buffers: 'own' }), /2 buffers/);
});

test('settings that are refused cost no memory', async () => {
  const device = await testDevice();
  const params = new Map([
    ['a', device.empty([2])],
    ['b', device.empty([2])],
  ]);
  const before = device.pool.stats.inUse;
  assert.throws(() => new AdamW(params, { betas: [0.9, 1] }), /betas 0.9,1/);
  assert.throws(() => new Sgd(params, { momentum: 0.9, dampening: 0.1, nesterov: true }), /Nesterov/);
  assert.throws(
    () => new AdamW(params, { groups: [{ match: (name) => name === 'b', weightDecay: -1 }] }),
    /parameter b/,
  );
  assert.throws(() => new AdamW(new Map([...params, ['c', device.empty([2], 'i32')]])), /parameter c \[2\] is i32/);
  assert.is(device.pool.stats.inUse, before + 256);
});

test.run();
