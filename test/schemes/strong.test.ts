// Strong views as steps take them: who is changed, and what moves along; how well probes are recognised.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Plan } from '../../runtime/autograd/plan.ts';
import { Rng } from '../../runtime/random.ts';
import { proximity } from '../../src/augment/gpu/proximity.ts';
import { MEAN } from '../../src/augment/gpu/view.ts';
import { CtAugment } from '../../src/augment/ctaugment.ts';
import type { SourceBatch } from '../../src/data/types.ts';
import { StepContext } from '../../src/schemes/step.ts';
import { strengthen, type StrongOptions } from '../../src/schemes/strong.ts';
import { testDevice } from '../support/device.ts';

const N = 4;
const H = 20;
const W = 28;
const choices: [string, StrongOptions][] = [
  ['colour', { probability: 1 }],
  ['randaugment', { randaugment: { table: 'paper', probability: 1 } }],
  ['augseg', { randaugment: {} }],
  ['ctaugment', { ctaugment: {} }],
];

for (const [name, options] of choices) {
  test(`${name} changes only the chosen images, and moves their maps`, async () => {
    const device = await testDevice();
    const rng = new Rng(1, 1);
    const image = Float32Array.from({ length: N * H * W * 3 }, () => rng.int(256) / 255);
    const labels = Int32Array.from({ length: N * H * W }, () => rng.int(6));
    const cta = 'ctaugment' in options ? new CtAugment(options.ctaugment) : null;
    let context!: StepContext;
    const plan = new Plan(
      device,
      { image: { shape: [N, H, W, 3] }, labels: { shape: [N, H, W], dtype: 'i32' } },
      (given, declare) => {
        context = new StepContext(device, declare, { seed: 3, sourceSize: [H, W], lr: () => 0 });
        const strong = strengthen(context, 'strong', given.image, options, {
          only: (batches) => batches.get('mixed')!.ids.map((id) => id !== 'labelled'),
          cta,
        });
        return { image: strong.image, labels: strong.move(given.labels, 255) };
      },
    );
    const ids = ['u1', 'labelled', 'u2', 'labelled'];
    const batches = new Map([['mixed', { ids } as unknown as SourceBatch]]);
    let changed = 0;
    for (let step = 0; step < 4; step++) {
      const drawn = Object.fromEntries(
        [...context.draws].map(([key, draw]) => [key, draw({ step, progress: 0 }, batches)]),
      );
      plan.run({ image, labels, ...drawn });
      const [x, l] = await device.read([plan.outputs.image, plan.outputs.labels]);
      ids.forEach((id, k) => {
        const from = k * H * W;
        const to = from + H * W;
        if (id === 'labelled') {
          for (let i = 3 * from; i < 3 * to; i++) assert.ok(Math.abs(x[i] - image[i]) < 1e-6);
          assert.equal(l.slice(from, to), labels.slice(from, to));
        } else if (x.slice(3 * from, 3 * to).some((v, i) => Math.abs(v - image[3 * from + i]) > 0.01)) changed++;
        if (name === 'colour' || name === 'augseg') assert.equal(l.slice(from, to), labels.slice(from, to));
      });
    }
    assert.ok(changed >= 5, `${changed} of 8 views differ`);
    plan.dispose();
  });
}

test('squares and the outside are filled with what is asked for, or with the mean', async () => {
  const device = await testDevice();
  const fill = [1, 0, 0.5];
  const filled: [StrongOptions, readonly number[]][] = [
    [{ randaugment: { table: 'cifar', probability: 0, fill } }, fill],
    [{ ctaugment: { fill } }, fill],
    [{ randaugment: { table: 'cifar', probability: 0 } }, MEAN],
    [{ ctaugment: { fill: null } }, MEAN],
  ];
  for (const [options, want] of filled) {
    let context!: StepContext;
    const plan = new Plan(
      device,
      { image: { shape: [N, H, W, 3] }, labels: { shape: [N, H, W], dtype: 'i32' } },
      (given, declare) => {
        context = new StepContext(device, declare, { seed: 3, sourceSize: [H, W], lr: () => 0 });
        const strong = strengthen(context, 'strong', given.image, options, {
          cta: 'ctaugment' in options ? new CtAugment(options.ctaugment) : null,
        });
        return { image: strong.image, labels: strong.move(given.labels, 255) };
      },
    );
    plan.run({
      image: new Float32Array(N * H * W * 3).fill(0.2),
      labels: new Int32Array(N * H * W),
      ...Object.fromEntries([...context.draws].map(([key, draw]) => [key, draw({ step: 0, progress: 0 }, new Map())])),
    });
    const [x, l] = await device.read([plan.outputs.image, plan.outputs.labels]);
    // The last thing that a view gets is its square: of all that was filled some pixels have not been changed since.
    const colours = new Set(
      Array.from(l, (v, p) => (v === 255 ? [0, 1, 2].map((c) => Math.round(255 * x[3 * p + c])).join() : '')),
    );
    assert.ok(
      colours.has(want.map((v) => Math.round(255 * v)).join()),
      `${[...colours].slice(0, 5).join(' ')} for ${want}`,
    );
    plan.dispose();
  }
});

test('proximity is the mean probability of the truth (methods, section 15.8)', async () => {
  const device = await testDevice();
  const one = proximity(
    device.tensor(Float32Array.of(Math.log(0.7), Math.log(0.2), Math.log(0.1)), [1, 1, 1, 3]),
    device.tensor(Int32Array.of(1), [1, 1, 1]),
  );
  assert.ok(Math.abs((await one.item()) - 0.2) < 1e-6);
  const n = 3;
  const h = 13;
  const w = 21;
  const c = 5;
  const rng = new Rng(2, 2);
  const logits = Float32Array.from({ length: n * h * w * c }, () => 3 * rng.normal());
  const labels = Int32Array.from({ length: n * h * w }, (_, i) =>
    i >= 2 * h * w || rng.bernoulli(0.2) ? 255 : rng.int(c),
  );
  const got = await proximity(device.tensor(logits, [n, h, w, c]), device.tensor(labels, [n, h, w])).read();
  for (let k = 0; k < n; k++) {
    let sum = 0;
    let count = 0;
    for (let p = k * h * w; p < (k + 1) * h * w; p++) {
      if (labels[p] === 255) continue;
      const e = Array.from(logits.subarray(p * c, (p + 1) * c), Math.exp);
      sum += e[labels[p]] / e.reduce((a, b) => a + b);
      count++;
    }
    assert.ok(Math.abs(got[k] - (count ? sum / count : -1)) < 1e-5, `image ${k}: ${got[k]}`);
  }
  assert.is(got[2], -1);
});

test.run();
