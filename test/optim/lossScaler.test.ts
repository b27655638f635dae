// Dynamic loss scaling: a skipped step leaves no trace, the scale moves by the rule, eagerly and in plans.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { parameter, tensor } from '../../runtime/create.ts';
import { DisposedError, errorText, ShapeError, UsageError } from '../../runtime/errors.ts';
import { AdamW } from '../../runtime/optim/adamw.ts';
import { HYPER_SIZE, hyperTensor, hyperValues } from '../../runtime/optim/hyper.ts';
import { LossScaler } from '../../runtime/optim/lossScaler.ts';
import type { NamedTensors, Optimizer } from '../../runtime/optim/optimizer.ts';
import { Adagrad, Rmsprop } from '../../runtime/optim/rmsprop.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import { cast, mul, square, sub, sum } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';

const rules: Record<string, (p: NamedTensors) => Optimizer> = {
  sgd: (p) => new Sgd(p, { weightDecay: 0.1 }),
  'sgd with momentum': (p) => new Sgd(p, { momentum: 0.9, dampening: 0.3, weightDecay: 0.1, maxNorm: 2 }),
  adamw: (p) => new AdamW(p, { weightDecay: 0.1 }),
  adam: (p) => new AdamW(p, { weightDecay: 0.1, decoupled: false, betas: [0.8, 0.95], maxNorm: 2 }),
  rmsprop: (p) => new Rmsprop(p, { weightDecay: 0.1 }),
  adagrad: (p) => new Adagrad(p, { weightDecay: 0.1 }),
};
/** The factors of the losses: gradients of the others overflow. */
const FACTORS = [Infinity, NaN, 1, 2, -Infinity, 0.5, 1];

const loss = (w: Tensor, b: Tensor, factor: Tensor): Tensor => mul(sum(square(sub(mul(w, b), 3))), factor);

for (const [name, make] of Object.entries(rules)) {
  test(`${name}: a skipped step changes nothing, and the others are what they would be without it`, async () => {
    const device = await testDevice();
    const rng = new Rng(2, 1);
    const start = Float32Array.from({ length: 133 }, () => rng.normal());
    const fresh = (): Map<string, Tensor> =>
      new Map([
        ['w', parameter(tensor(device, start))],
        ['b', parameter(tensor(device, [0.5]))],
      ]);
    const state = async (p: Map<string, Tensor>, o: Optimizer): Promise<number[]> =>
      (await device.read([...p.values(), ...o.state().values()])).flatMap((v) => [...v]);
    const betas: { betas: readonly [number, number] } = { betas: name === 'adam' ? [0.8, 0.95] : [0.9, 0.999] };
    const step = (p: Map<string, Tensor>, o: Optimizer, factor: Tensor, hyper: Tensor, scaler: LossScaler): void => {
      const grads = grad(loss(p.get('w')!, p.get('b')!, factor), p, { dy: scaler.scale });
      o.step(grads, scaler.unscale(grads, hyper));
    };
    // By hand, without the steps that overflow and without a scale.
    const wanted = fresh();
    const reference = make(wanted);
    const one = new LossScaler(device, { scale: 1 });
    FACTORS.filter(Number.isFinite).forEach((f, i) =>
      device.scope(() =>
        step(wanted, reference, tensor(device, f), hyperTensor(device, { lr: 0.01, step: i + 1, ...betas }), one),
      ),
    );
    const want = await state(wanted, reference);

    const eager = fresh();
    const a = make(eager);
    const scaler = new LossScaler(device, { scale: 1024 });
    let before = await state(eager, a);
    const scales: number[] = [];
    for (const [i, f] of FACTORS.entries()) {
      device.scope(() =>
        step(eager, a, tensor(device, f), hyperTensor(device, { lr: 0.01, step: i + 1, ...betas }), scaler),
      );
      const after = await state(eager, a);
      if (Number.isFinite(f)) assert.not.equal(after, before, `step ${i + 1}`);
      else assert.equal(after, before, `step ${i + 1}`);
      before = after;
      scales.push(await scaler.scale.item());
    }
    assert.equal(scales, [512, 256, 256, 256, 128, 128, 128]);
    assert.equal([...(await scaler.counts.read())], [0, 2, 3]);
    close(before, want, 3e-4, 'eager');

    const planned = fresh();
    const b = make(planned);
    const other = new LossScaler(device, { scale: 1024 });
    const recorded = plan(device, { factor: { shape: [] }, hyper: { shape: [HYPER_SIZE] } }, ({ factor, hyper }) => {
      step(planned, b, factor, hyper, other);
      return {};
    });
    FACTORS.forEach((f, i) =>
      recorded.run({ factor: Float32Array.of(f), hyper: hyperValues({ lr: 0.01, step: i + 1, ...betas }) }),
    );
    assert.equal(await state(planned, b), before);
    assert.equal(
      [...(await scaler.scale.read()), ...(await scaler.counts.read())],
      [...(await other.scale.read()), ...(await other.counts.read())],
    );
    recorded.dispose();
    for (const t of [reference, a, b, one, scaler, other, ...[wanted, eager, planned].flatMap((p) => [...p.values()])])
      t.dispose();
  });
}

test('the scale grows after so many good steps and keeps within its bounds', async () => {
  const device = await testDevice();
  const good = tensor(device, [1]);
  const bad = tensor(device, [Infinity]);
  const hyper = hyperTensor(device, { lr: 1, step: 1, gradScale: 0.5, emaDecay: 0.75 });
  const follow = async (scaler: LossScaler, grads: readonly Tensor[]): Promise<number[][]> => {
    const seen: number[][] = [];
    for (const g of grads) {
      const made = scaler.unscale([g], hyper);
      seen.push([(await made.read())[4], await scaler.scale.item()]);
      made.dispose();
    }
    scaler.dispose();
    return seen;
  };
  assert.equal(
    await follow(new LossScaler(device, { scale: 4, interval: 2 }), [
      good,
      good,
      good,
      bad,
      good,
      good,
      bad,
      bad,
      bad,
      bad,
      good,
    ]),
    [
      [0.125, 4],
      [0.125, 8],
      [0.0625, 8],
      [0, 4],
      [0.125, 4],
      [0.125, 8],
      [0, 4],
      [0, 2],
      [0, 1],
      [0, 1],
      [0.5, 1],
    ],
  );
  assert.equal(
    (await follow(new LossScaler(device, { scale: 2 ** 23, interval: 1 }), [good, good])).map(([, s]) => s),
    [2 ** 24, 2 ** 24],
  );
  assert.equal(
    [...(await hyper.read())],
    [...hyperValues({ lr: 1, step: 1, gradScale: 0.5, emaDecay: 0.75 })],
    'what is given stays',
  );
  for (const t of [good, bad, hyper]) t.dispose();
});

test('one value among many is found wherever it is, and no value behind the last', async () => {
  const device = await testDevice();
  const scaler = new LossScaler(device);
  const hyper = hyperTensor(device, { lr: 1, step: 1 });
  const skips = async (...lists: number[][]): Promise<boolean> => {
    const grads = lists.map((v) => tensor(device, v));
    const made = scaler.unscale(grads, hyper);
    const scale = (await made.read())[4];
    for (const t of [...grads, made]) t.dispose();
    return scale === 0;
  };
  const many = (at: number, v: number): number[] => Array.from({ length: 70000 }, (_, i) => (i === at ? v : 3e38));
  for (const v of [NaN, Infinity, -Infinity, 65504, -65504])
    for (const at of [0, 63, 64, 69999]) assert.ok(await skips([1], many(at, v), [2]), `${v} at ${at}`);
  assert.not.ok(await skips([0, -0, 1e-45, 65503, 65505, -3.4028234e38], many(5, 1), []));
  // Memory of the pool that held infinite values.
  tensor(device, new Array<number>(64).fill(Infinity)).dispose();
  assert.not.ok(await skips([1, 2, 3]));
  // Gradients of f16 that overflow.
  device.write(scaler.scale, Float32Array.of(65536));
  const w = parameter(tensor(device, [1, 1]));
  const grads = grad(sum(mul(cast(cast(w, 'f16'), 'f32'), tensor(device, [100, 1]))), [w], { dy: scaler.scale });
  assert.is((await scaler.unscale(grads, hyper).read())[4], 0);
  scaler.dispose();
});

test("with an optimiser's own learning rate, and the norm of what is unscaled", async () => {
  const device = await testDevice();
  const w = parameter(tensor(device, [0, 0]));
  const x = tensor(device, [3, 4]);
  const scaler = new LossScaler(device);
  const sgd = new Sgd({ w }, { lr: (step) => 1 / (step + 1), maxNorm: 1 });
  const step = plan(device, { factor: { shape: [] } }, ({ factor }) => {
    const grads = grad(mul(sum(mul(w, x)), factor), [w], { dy: scaler.scale });
    sgd.step(grads, scaler.unscale(grads, sgd.nextHyper()));
    return {};
  });
  for (const f of [1, Infinity, 100]) step.run({ factor: Float32Array.of(f) });
  // 1, then nothing, then 1/3 of the unit vector.
  close(await w.read(), [-0.8, -1.0666667], 1e-6, 'w');
  assert.is(sgd.steps, 3);
  step.dispose();
  for (const t of [sgd, scaler, w, x]) t.dispose();
});

test('wrong use is refused before anything changes', async () => {
  const device = await testDevice();
  const scaler = new LossScaler(device);
  const hyper = hyperTensor(device, { lr: 1, step: 1 });
  const g = tensor(device, [Infinity]);
  const fails = (body: () => unknown, kind: typeof ShapeError | typeof UsageError, what: RegExp): void =>
    assert.throws(body, (e: unknown) => e instanceof kind && what.test(errorText(e)));
  fails(() => scaler.unscale([g, cast(g, 'f16')], hyper), ShapeError, /\[1\] is f16/);
  const two = tensor(device, [1, 2]);
  const used = device.pool.stats.inUse;
  fails(() => scaler.unscale([g], two), ShapeError, /\[2\]/);
  assert.is(device.pool.stats.inUse, used);
  const w = parameter(tensor(device, 1, { dtype: 'f16' }));
  fails(() => grad(square(w), [w], { dy: scaler.scale }), ShapeError, /f16/);
  for (const scale of [0.5, 1e9, NaN]) {
    const before = device.pool.stats.inUse;
    fails(() => new LossScaler(device, { scale }), UsageError, /loss scale/);
    assert.is(device.pool.stats.inUse, before);
  }
  assert.is(await scaler.scale.item(), 65536);
  assert.is(
    (await scaler.unscale([tensor(device, [1])], hyper).read())[4],
    1 / 65536,
    'what was refused is not counted',
  );
  scaler.dispose();
  assert.throws(
    () => scaler.unscale([g], hyper),
    (e: unknown) => e instanceof DisposedError,
  );
});

test.run();
