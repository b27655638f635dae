// Optimisers with a learning rate of their own, eagerly and in plans; averages; gradients by name.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { parameter, tensor } from '../../runtime/create.ts';
import { errorText, GradientError, ShapeError, UsageError } from '../../runtime/errors.ts';
import { liveTensors } from '../../runtime/memory.ts';
import { AdamW } from '../../runtime/optim/adamw.ts';
import { clipCoefficient } from '../../runtime/optim/clip.ts';
import { Ema } from '../../runtime/optim/ema.ts';
import { hyperTensor } from '../../runtime/optim/hyper.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import { mul, square, sub, sum } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

const lr = (step: number): number => 0.1 / (step + 1);
const loss = (w: Tensor): Tensor => sum(square(sub(w, 3)));

test('steps with the own learning rate are those with hyper-parameters, eagerly and replayed', async () => {
  const device = await testDevice();
  for (const make of [
    (w: Tensor, o: object) => new Sgd({ w }, { momentum: 0.9, ...o }),
    (w: Tensor, o: object) => new AdamW({ w }, { betas: [0.8, 0.9], ...o }),
  ]) {
    const [a, b, c] = [0, 0, 0].map(() => parameter(tensor(device, [1, 2])));
    const given = make(a, {});
    const eager = make(b, { lr });
    const planned = make(c, { lr });
    const step = plan(device, {}, () => {
      const l = loss(c);
      planned.step(grad(l, [c]));
      return { l };
    });
    assert.is(planned.steps, 0);
    for (let i = 0; i < 4; i++) {
      given.step(grad(loss(a), [a]), hyperTensor(device, { lr: lr(i), step: i + 1, betas: [0.8, 0.9] }));
      eager.step(grad(loss(b), [b]));
      step.run();
    }
    const [want, ...got] = await device.read([a, b, c]);
    for (const values of got) assert.equal(values, want);
    assert.equal([eager.steps, planned.steps], [4, 4]);
    step.dispose();
    for (const o of [given, eager, planned]) o.dispose();
  }
});

test('wrong use of an optimiser is an error before anything changes', async () => {
  const device = await testDevice();
  const w = parameter(tensor(device, [1, 2]));
  const v = parameter(tensor(device, [1]));
  const g = tensor(device, [1, 1]);
  const usage = (e: unknown): boolean => e instanceof UsageError;
  assert.throws(() => new Sgd({ w }).step([g]), usage);
  const sgd = new Sgd({ w, v }, { lr: 1 });
  assert.throws(
    () => sgd.step([g, g]),
    (e: unknown) => e instanceof ShapeError && /gradient of v/.test(errorText(e)),
  );
  assert.throws(
    () => sgd.step([g]),
    (e: unknown) => e instanceof ShapeError,
  );
  assert.equal([[...(await w.read())], sgd.steps], [[1, 2], 0]);
  assert.throws(
    () =>
      plan(device, {}, () => {
        sgd.step(new Map([['w', g]]));
        sgd.step(new Map([['w', g]]));
        return {};
      }),
    usage,
  );
});

test('a learning rate can be changed between replays', async () => {
  const device = await testDevice();
  const w = parameter(tensor(device, [0]));
  const g = tensor(device, [1]);
  const sgd = new Sgd({ w }, { lr: 1 });
  const step = plan(device, {}, () => {
    sgd.step([g]);
    return {};
  });
  step.run();
  sgd.lr = 10;
  step.run();
  assert.is(await w.item(), -11);
  step.dispose();
});

test('an average with its own decay', async () => {
  const device = await testDevice();
  const t = tensor(device, [1, 2]);
  const s = tensor(device, [3, 6]);
  const networks = [t, s].map((w) => ({ params: new Map([['w', w]]), buffers: new Map<string, Tensor>() }));
  const ema = new Ema(networks[0], networks[1], { buffers: 'own', decay: 0.75 });
  ema.update();
  assert.equal([...(await t.read())], [1.5, 3]);
  assert.throws(
    () => new Ema(networks[0], networks[1], { buffers: 'own' }).update(),
    (e: unknown) => e instanceof UsageError,
  );
  const before = liveTensors(device).length;
  ema.dispose();
  assert.is(liveTensors(device).length, before - 1);
});

test('the norm of gradients without hyper-parameters', async () => {
  const device = await testDevice();
  const { norm, coefficient } = clipCoefficient([tensor(device, [3]), tensor(device, [4])], 2.5);
  assert.is(await norm.item(), 5);
  assert.ok(Math.abs((await coefficient.item()) - 0.5) < 1e-6);
});

test('gradients by name, and of what no gradient is recorded for', async () => {
  const device = await testDevice();
  const w = parameter(tensor(device, [2]));
  const b = tensor(device, [3]);
  const grads = grad(sum(mul(w, b)), new Map([['w', w]]));
  assert.is(await grads.get('w')!.item(), 3);
  assert.throws(
    () => grad(sum(mul(w, b)), [w, b]),
    (e: unknown) => e instanceof GradientError && /tensor 1 \[1\]/.test(errorText(e)),
  );
  const other = parameter(tensor(device, [1, 1]));
  assert.equal([...(await grad(sum(w), [other])[0].read())], [0, 0]);
});

test.run();
