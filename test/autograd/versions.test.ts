// Tensors that are changed between an operation and its gradient: refused where the gradient needs their elements, and
// only there.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { defineOp, noGrad } from '../../runtime/autograd/tape.ts';
import { emptyLike, parameter, tensor } from '../../runtime/create.ts';
import type { Device } from '../../runtime/device/device.ts';
import { errorText, GradientError } from '../../runtime/errors.ts';
import { shader } from '../../runtime/kernel/shader.ts';
import { accumulate, GradientSum } from '../../runtime/optim/accumulate.ts';
import { AdamW } from '../../runtime/optim/adamw.ts';
import { Ema } from '../../runtime/optim/ema.ts';
import { LossScaler } from '../../runtime/optim/lossScaler.ts';
import { Rmsprop } from '../../runtime/optim/rmsprop.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import { add, batchNorm, detach, mul, relu, reshape, softmax, square, sum } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

const refused = (body: () => unknown, ...words: RegExp[]): void => {
  assert.throws(body, (e: unknown) => e instanceof GradientError && words.every((w) => w.test(errorText(e))));
};
const leaf = (device: Device, values: readonly number[]): Tensor => parameter(tensor(device, values as number[]));
const doubled = shader(
  'doubled',
  `
  @group(0) @binding(0) var<storage, read_write> y: array<f32>;
  @group(0) @binding(1) var<uniform> n: u32;
  @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < n) { y[id.x] = 2.0 * y[id.x]; }
  }`,
);

/** Everything that changes a tensor [2] in place, by the name that the message says. */
const CHANGES: Record<string, [by: RegExp, change: (t: Tensor, device: Device) => void]> = {
  write: [/which write changed/, (t, d) => d.write(t, Float32Array.of(5, 6))],
  'write through a view': [/which write changed/, (t, d) => d.write(t.view([1, 2]), Float32Array.of(5, 6))],
  'write through a reshape': [/which write changed/, (t, d) => d.write(reshape(t, [2, 1]), Float32Array.of(5, 6))],
  'write through detach': [/which write changed/, (t, d) => d.write(detach(t), Float32Array.of(5, 6))],
  'write through a wrapped buffer': [
    /which write changed/,
    (t, d) => d.write(d.wrap(t.buffer, [2]), Float32Array.of(5, 6)),
  ],
  copy: [/which copy changed/, (t, d) => d.copy(tensor(d, [5, 6]), t)],
  copyInto: [/which copyInto changed/, (t, d) => d.copyInto(tensor(d, [5]), t, 1)],
  clear: [/which clear changed/, (t, d) => d.clear(t)],
  Sgd: [/which sgd changed/, (t, d) => new Sgd({ t }, { lr: 1 }).step([tensor(d, [1, 1])])],
  AdamW: [/which adamw changed/, (t, d) => new AdamW({ t }, { lr: 1 }).step([tensor(d, [1, 1])])],
  Rmsprop: [/which rmsprop changed/, (t, d) => new Rmsprop({ t }, { lr: 1 }).step([tensor(d, [1, 1])])],
  'Ema.update': [/which ema changed/, (t, d) => average(t, d).update()],
  'Ema.copy': [/which copy changed/, (t, d) => average(t, d).copy()],
  accumulate: [/which accumulate changed/, (t, d) => accumulate(t, tensor(d, [1, 1]))],
  'a kernel of the user': [
    /which doubled changed/,
    (t) => void doubled.run({ entry: 'main', bindings: { y: t }, params: { n: 2 }, threads: 2 }),
  ],
  'a replay of a plan': [/a replay of a plan changed/, (t, d) => replay(t, d)],
};

function average(t: Tensor, d: Device): Ema {
  const none = new Map<string, Tensor>();
  return new Ema(
    { params: new Map([['t', t]]), buffers: none },
    { params: new Map([['t', tensor(d, [7, 8])]]), buffers: none },
    { buffers: 'own', decay: 0.5 },
  );
}

function replay(t: Tensor, d: Device): void {
  const sgd = new Sgd({ t }, { lr: 1 });
  const step = plan(d, {}, () => {
    sgd.step(grad(sum(square(t)), [t]));
    return {};
  });
  step.run();
  step.dispose();
}

for (const [name, [by, change]] of Object.entries(CHANGES)) {
  test(`${name} between forward and grad`, async () => {
    const device = await testDevice();
    const w = leaf(device, [1, 2]);
    const x = leaf(device, [3, 4]);
    const y = sum(mul(x, w));
    change(w, device);
    refused(() => grad(y, [x]), /^mul: the gradient of a needs b \[2\] f32/, by, /take the gradient before the change/);
    // The gradient of w needs x alone.
    assert.equal([...(await grad(y, [w])[0].read())], [3, 4]);
    // From the values that are there now.
    const now = await w.read();
    assert.equal(await grad(sum(mul(x, w)), [x])[0].read(), now);
  });
}

test('a result that its own gradient needs, and an attribute', async () => {
  const device = await testDevice();
  const x = leaf(device, [1, 2]);
  const y = softmax(x);
  const loss = sum(square(y));
  device.write(y, Float32Array.of(0, 0));
  refused(() => grad(loss, [x]), /needs (x|y) \[2\] f32, which write changed/);
  const other = softmax(x);
  const first = sum(other);
  device.write(other, Float32Array.of(0, 0));
  refused(() => grad(first, [x]), /^softmax: .* needs y/);
  const op = defineOp<{ deep: { factor: Tensor }[] }>({
    name: 'scaled',
    inputs: ['x'],
    outputs: ['y'],
    forward: ({ x: input }, { deep }) => mul(input, deep[0].factor),
    backward: { x: ({ dy, attrs }) => mul(dy, attrs.deep[0].factor) },
  });
  const factor = tensor(device, [2, 2]);
  const scaled = sum(op({ x }, { deep: [{ factor }] }).y);
  device.write(factor, Float32Array.of(3, 3));
  refused(() => grad(scaled, [x]), /^scaled/, /an attribute/);
});

test('what only its shape is needed of may change; so may what no gradient passes', async () => {
  const device = await testDevice();
  const a = leaf(device, [1, 2]);
  const b = tensor(device, [3]);
  const y = sum(add(a, b));
  device.write(b, Float32Array.of(9));
  device.write(a, Float32Array.of(9, 9));
  assert.equal([...(await grad(y, [a])[0].read())], [1, 1]);
  const frozen = tensor(device, [1, 2]);
  const z = sum(add(mul(frozen, frozen), a));
  device.write(frozen, Float32Array.of(0, 0));
  assert.equal([...(await grad(z, [a])[0].read())], [1, 1]);
});

test('a parameter that a step has changed, in the gradient of a second loss', async () => {
  const device = await testDevice();
  const w = leaf(device, [1, 2]);
  const sgd = new Sgd({ w }, { lr: 0.1 });
  const first = sum(square(w));
  const second = sum(mul(square(w), w));
  sgd.step(grad(first, [w]));
  refused(() => grad(second, [w]), /which sgd changed/);
  for (let i = 0; i < 3; i++) device.scope(() => sgd.step(grad(sum(square(w)), [w])));
});

test('batch norm: its own statistics move in training; those that an evaluation used must not', async () => {
  const device = await testDevice();
  const x = parameter(
    tensor(device, [
      [1, 2],
      [3, 5],
      [6, 1],
    ]),
  );
  const gamma = leaf(device, [1, 1]);
  const beta = leaf(device, [0, 0]);
  const running = { mean: tensor(device, [0, 0]), variance: tensor(device, [1, 1]) };
  const norm = (mode: 'train' | 'eval'): Tensor => sum(square(batchNorm(x, gamma, beta, running, { mode })));
  const twice = add(norm('train'), norm('train'));
  grad(twice, [x, gamma, beta]);
  const evaluated = norm('eval');
  norm('train');
  refused(() => grad(evaluated, [x]), /^batchNorm/, /running(Mean|Variance)/, /which batchNorm changed/);
});

test('a second derivative looks at what the first one used', async () => {
  const device = await testDevice();
  const x = leaf(device, [1, 2]);
  const w = leaf(device, [3, 4]);
  const [dx] = grad(sum(mul(square(x), w)), [x], { createGraph: true });
  const loss = sum(square(dx));
  assert.equal([...(await grad(loss, [w])[0].read())], [24, 128]);
  device.write(x, Float32Array.of(1, 1));
  refused(() => grad(loss, [w]), /which write changed/);
});

test('a gradient taken twice, a loss scale that moves, and gradients that are summed', async () => {
  const device = await testDevice();
  const w = leaf(device, [1, 2]);
  const scaler = new LossScaler(device, { scale: 4, interval: 1 });
  const sums = new GradientSum(new Map([['w', w]]));
  const sgd = new Sgd({ w }, { lr: 0.1 });
  for (let step = 0; step < 3; step++) {
    device.scope(() => {
      for (let batch = 0; batch < 2; batch++) {
        const grads = grad(sum(square(w)), [w], { dy: scaler.scale });
        sums.add(grads, 0.5, batch === 0);
      }
      sgd.step(sums.grads, scaler.unscale(sums.grads, sgd.nextHyper()));
    });
  }
  const loss = sum(square(w));
  assert.equal(await grad(loss, [w])[0].read(), await grad(loss, [w])[0].read());
  sums.dispose();
});

test('while a plan is being recorded', async () => {
  const device = await testDevice();
  const w = leaf(device, [1, 2]);
  const x = leaf(device, [3, 4]);
  const sgd = new Sgd({ w }, { lr: 0.1 });
  const body =
    (late: boolean) =>
    ({ z }: { z: Tensor }) => {
      const y = sum(mul(mul(x, w), z));
      if (late) sgd.step([z]);
      const [dx] = grad(y, [x]);
      if (!late) sgd.step([z]);
      return { dx };
    };
  const sizes = { z: { shape: [2] } };
  refused(() => plan(device, sizes, body(true)), /which sgd changed/);
  const step = plan(device, sizes, body(false));
  for (let i = 0; i < 3; i++) {
    const before = await w.read();
    const { dx } = step.run({ z: Float32Array.of(1, 2) });
    assert.equal([...(await dx.read())], [before[0], 2 * before[1]]);
  }
  step.dispose();
});

test('the outputs of a plan, in a graph outside of it', async () => {
  const device = await testDevice();
  const x = leaf(device, [3, 4]);
  const step = plan(device, { z: { shape: [2] } }, ({ z }) => ({ y: relu(z) }));
  const { y } = step.run({ z: Float32Array.of(1, 2) });
  const wrapped = device.wrap(y.buffer, [2]);
  const loss = sum(mul(x, y));
  const other = sum(mul(x, wrapped));
  assert.equal([...(await grad(loss, [x])[0].read())], [1, 2]);
  step.run({ z: Float32Array.of(5, 6) });
  refused(() => grad(loss, [x]), /a replay of a plan changed/);
  refused(() => grad(other, [x]), /a replay of a plan changed/);
  const input = sum(mul(x, step.inputs.z));
  device.write(step.inputs.z, Float32Array.of(7, 8));
  refused(() => grad(input, [x]), /which write changed/);
  step.dispose();
});

test('a kernel of the user in the graph', async () => {
  const device = await testDevice();
  const op = defineOp({
    name: 'double',
    inputs: ['x'],
    outputs: ['y'],
    forward({ x }) {
      const y = emptyLike(x);
      device.copy(x, y);
      doubled.run({ entry: 'main', bindings: { y }, params: { n: x.size }, threads: x.size });
      return y;
    },
    backward: {
      x: ({ dy, outputs: { y } }) => mul(dy, y),
    },
  });
  const x = leaf(device, [1, 2]);
  const { y } = op({ x }, undefined);
  assert.equal([...(await grad(sum(y), [x])[0].read())], [2, 4]);
  const loss = sum(y);
  noGrad(() => doubled.run({ entry: 'main', bindings: { y }, params: { n: 2 }, threads: 2 }));
  refused(() => grad(loss, [x]), /^double: the gradient of x needs y \[2\] f32, which doubled changed/);
});

test.run();
