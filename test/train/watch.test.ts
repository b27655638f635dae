// The watch over training steps: the first bad one is named exactly, however late the host reads.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { tensor } from '../../runtime/create.ts';
import { HYPER_SIZE, hyperValues } from '../../runtime/optim/hyper.ts';
import { LossScaler } from '../../runtime/optim/lossScaler.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { Watch, type Bad } from '../../src/train/watch.ts';
import { testDevice } from '../support/device.ts';

/** Sizes of what is watched: an empty one, ones that fill several workgroups, more than a launch takes. */
const SIZES = [3, 64, 0, 65, 70000, 1, 17000, 5];
const NAMES = SIZES.map((_, i) => `tensor ${i}`);

interface Step {
  loss?: readonly number[];
  /** Values to set: tensor, place, value. */
  gradient?: readonly [number, number, number];
  weight?: readonly [number, number, number];
  gradScale?: number;
}

/** Replays steps, and reads once at their end. */
async function follow(steps: readonly Step[]): Promise<Bad | null> {
  const device = await testDevice();
  const kept = (n: number): Tensor => device.keep(device.tensor(new Float32Array(n), [n]));
  const losses = kept(2);
  const gradients = SIZES.map(kept);
  const weights = SIZES.map(kept);
  const watch = new Watch(device);
  const named = (tensors: readonly Tensor[]): [string, Tensor][] => tensors.map((t, i) => [NAMES[i], t]);
  const step = plan(device, { hyper: { shape: [HYPER_SIZE] } }, ({ hyper }) => {
    watch.gradients(named(gradients), hyper);
    watch.finish(losses, named(weights));
    return {};
  });
  const fill = (tensors: readonly Tensor[], at: Step['gradient']): void =>
    tensors.forEach((t, i) => {
      const values = new Float32Array(t.size).fill(0.5);
      if (at && at[0] === i) values[at[1]] = at[2];
      if (t.size > 0) device.write(t, values);
    });
  for (const s of steps) {
    device.write(losses, Float32Array.from(s.loss ?? [1, 2]));
    fill(gradients, s.gradient);
    fill(weights, s.weight);
    step.run({ hyper: hyperValues({ lr: 1, step: 1, gradScale: s.gradScale }) });
  }
  const bad = watch.first(await watch.state.read());
  step.dispose();
  for (const t of [losses, ...gradients, ...weights, watch]) t.dispose();
  return bad;
}

const last = (i: number): number => SIZES[i] - 1;

test('finite steps pass', async () => {
  // The greatest number, denormals; a norm that is just below the greatest number.
  const most = 3.4028234e38;
  const finite: Step[] = [{ loss: [most, -1e-45] }, { weight: [1, 2, -most] }, { gradient: [0, 1, 1.8e19] }];
  assert.is(await follow(finite), null);
  assert.is(await follow([]), null);
});

for (const v of [NaN, Infinity, -Infinity]) {
  test(`${v} is found wherever it is`, async () => {
    assert.equal(await follow([{}, { loss: [v, 1] }, {}]), { step: 2, kind: 'loss', loss: 0 });
    assert.equal(await follow([{ loss: [1, v] }]), { step: 1, kind: 'loss', loss: 1 });
    for (const i of [0, 1, 3, 4, 5, 6, 7]) {
      for (const place of i === 4 ? [0, 16384, 69999] : [last(i)]) {
        const name = NAMES[i];
        assert.equal(await follow([{}, {}, { weight: [i, place, v] }, {}]), { step: 3, kind: 'weight', name });
        assert.equal(await follow([{}, { gradient: [i, place, v] }]), { step: 2, kind: 'gradient', name });
      }
    }
  });
}

test('the first bad step stays, and what comes first in it', async () => {
  const weight = [6, 3, NaN] as const;
  const gradient = [7, 0, Infinity] as const;
  const later = [{ loss: [NaN, NaN] }, { gradient }];
  assert.equal(await follow([{}, { weight }, ...later]), { step: 2, kind: 'weight', name: NAMES[6] });
  assert.equal(await follow([{ weight, gradient }, {}]), { step: 1, kind: 'gradient', name: NAMES[7] });
  assert.equal(await follow([{ weight, gradient, loss: [1, NaN] }]), { step: 1, kind: 'loss', loss: 1 });
});

test('a norm that overflows although every gradient is finite', async () => {
  assert.equal(await follow([{}, { gradient: [4, 9, 2e19] }]), { step: 2, kind: 'gradient', name: undefined });
  // What counts is what the optimiser takes.
  assert.is(await follow([{ gradient: [4, 9, 2e19], gradScale: 2 ** -16 }]), null);
});

test('memory behind the last element does not count', async () => {
  const device = await testDevice();
  const dirty = tensor(device, new Array<number>(64).fill(NaN));
  dirty.dispose();
  assert.is(await follow([{}]), null);
});

test('steps that a loss scaler skips pass, until the scale stays at its minimum', async () => {
  const device = await testDevice();
  const scaler = new LossScaler(device, { scale: 4 });
  const watch = new Watch(device);
  const dw = device.keep(tensor(device, [1, 1]));
  const loss = device.keep(tensor(device, [1]));
  const step = plan(device, { hyper: { shape: [HYPER_SIZE] } }, ({ hyper }) => {
    const settings = scaler.unscale([dw], hyper);
    watch.gradients([['w', dw]], settings, scaler.scale);
    watch.finish(loss, [['w', dw]]);
    return {};
  });
  const run = (gradient: number): void => {
    device.write(dw, Float32Array.of(gradient, 1));
    step.run({ hyper: hyperValues({ lr: 1, step: 1 }) });
  };
  const found = async (): Promise<Bad | null> => watch.first(await watch.state.read());
  // What an f16 that overflowed is where the adapter rounds towards 0: the scaler skips it. The second such step makes
  // the scale fall to 1.
  for (let i = 0; i < 10; i++) run(65504);
  assert.is(await found(), null);
  run(1);
  for (let i = 0; i < 9; i++) run(65504);
  assert.is(await found(), null);
  run(65504);
  assert.equal(await found(), { step: 21, kind: 'scale' });
  step.dispose();
  for (const t of [scaler, watch, dw, loss]) t.dispose();
});

test.run();
