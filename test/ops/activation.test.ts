// Activations and other functions of one tensor that saturate.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import * as ops from '../support/ops.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { checkSecond } from '../support/curvature.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, type OpCase } from '../support/op.ts';
import { erf, erfc, sigmoid, softplus } from '../support/special.ts';

const SHAPES = [[], [0], [1], [7], [3, 5, 2], [2, 9, 11, 5], [2, 1, 3, 1, 5]];
const limit = (v: number, lo: number, hi: number): number => Math.min(Math.max(v, lo), hi);

type F = [(x: Tensor) => Tensor, (v: number) => number];
const SMOOTH: Record<string, F> = {
  elu: [ops.elu, (v) => (v > 0 ? v : Math.expm1(v))],
  'elu alpha 0.7': [(x) => ops.elu(x, 0.7), (v) => (v > 0 ? v : 0.7 * Math.expm1(v))],
  selu: [ops.selu, (v) => 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * Math.expm1(v))],
  'celu alpha 2': [(x) => ops.celu(x, 2), (v) => (v > 0 ? v : 2 * Math.expm1(v / 2))],
  softsign: [ops.softsign, (v) => v / (1 + Math.abs(v))],
  softplus: [ops.softplus, softplus],
  'softplus beta 3': [(x) => ops.softplus(x, 3), (v) => softplus(3 * v) / 3],
  logSigmoid: [ops.logSigmoid, (v) => -softplus(-v)],
  sigmoid: [ops.sigmoid, sigmoid],
  tanh: [ops.tanh, Math.tanh],
  silu: [ops.silu, (v) => v * sigmoid(v)],
  gelu: [ops.gelu, (v) => 0.5 * v * erfc(-v / Math.SQRT2)],
  'gelu tanh': [
    (x) => ops.gelu(x, { approximate: 'tanh' }),
    (v) => v * sigmoid(2 * Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)),
  ],
  mish: [ops.mish, (v) => v * Math.tanh(softplus(v))],
  erf: [ops.erf, erf],
  expm1: [ops.expm1, Math.expm1],
};
const KINKED: Record<string, F> = {
  relu: [ops.relu, (v) => Math.max(v, 0)],
  'leakyRelu 0.1': [(x) => ops.leakyRelu(x, 0.1), (v) => (v >= 0 ? v : 0.1 * v)],
  hardtanh: [ops.hardtanh, (v) => limit(v, -1, 1)],
  'hardtanh -0.3 0.8': [(x) => ops.hardtanh(x, -0.3, 0.8), (v) => limit(v, -0.3, 0.8)],
  relu6: [(x) => ops.relu6(x), (v) => limit(v, 0, 6)],
  hardsigmoid: [ops.hardsigmoid, (v) => limit(v / 6 + 0.5, 0, 1)],
  hardswish: [ops.hardswish, (v) => v * limit(v / 6 + 0.5, 0, 1)],
};

const caseOf = (name: string, [run, f]: F, shape: number[], draw?: (n: number) => number): OpCase => ({
  name: `${name} [${shape}]`,
  inputs: { x: { shape, draw: draw && ((rng) => draw(rng.normal())) } },
  run: ({ x }) => run(x),
  reference: ({ x }) => ({ shape, data: x.data.map(f) }),
  tolerance: 1e-6,
});

for (const [name, f] of Object.entries({ ...SMOOTH, ...KINKED })) {
  test(name, async () => {
    const device = await testDevice();
    for (const shape of SHAPES)
      await checkCase(
        device,
        caseOf(name, f, shape, (n) => 2 * n),
      );
  });
}

test('log1p', async () => {
  const device = await testDevice();
  for (const shape of SHAPES)
    await checkCase(
      device,
      caseOf('log1p', [ops.log1p, Math.log1p], shape, (n) => Math.exp(n) - 0.9),
    );
});

test('at a real size', async () => {
  await checkCase(await testDevice(), caseOf('silu', SMOOTH.silu, [8, 128, 128, 3]));
  await checkCase(await testDevice(), caseOf('relu', KINKED.relu, [8, 128, 128, 3]));
});

for (const [name, f] of Object.entries(SMOOTH)) {
  test(`the second derivative of ${name}`, async () =>
    checkSecond(
      await testDevice(),
      caseOf(name, f, [3, 17], (n) => 1.5 * n),
    ));
}

const INVERSE: Record<string, [F, (n: number) => number]> = {
  asinh: [[ops.asinh, Math.asinh], (n) => 3 * n],
  acosh: [[ops.acosh, Math.acosh], (n) => 1.2 + Math.abs(n)],
  atanh: [[ops.atanh, Math.atanh], (n) => 0.9 * Math.tanh(n)],
};
for (const [name, [f, draw]] of Object.entries(INVERSE)) {
  test(name, async () => {
    for (const shape of SHAPES) await checkCase(await testDevice(), caseOf(name, f, shape, draw));
    await checkSecond(await testDevice(), caseOf(name, f, [3, 17], draw));
  });
}

test('prelu with a slope for each channel', async () => {
  await checkCase(await testDevice(), {
    name: 'prelu',
    inputs: { x: { shape: [3, 4, 5] }, slope: { shape: [5] } },
    run: ({ x, slope }) => ops.prelu(x, slope),
    reference: ({ x, slope }) => ({ shape: x.shape, data: x.data.map((v, i) => (v > 0 ? v : v * slope.data[i % 5])) }),
  });
  const device = await testDevice();
  const x = device.tensor([-2, 3], [2], 'i32');
  assert.equal([...(await ops.prelu(x, device.tensor([5], [1], 'i32')).read())], [-10, 3]);
});

test('the second derivative of log1p', async () =>
  checkSecond(
    await testDevice(),
    caseOf('log1p', [ops.log1p, Math.log1p], [3, 17], (n) => Math.exp(n) - 0.5),
  ));

test('the second derivative of hardswish is 1/3 inside, that of relu 0', async () => {
  const device = await testDevice();
  const second = (f: (x: Tensor) => Tensor): Tensor =>
    device.scope(() => {
      const x = device.tensor([-4, -1, 2, 5], [4]);
      x.requiresGrad = true;
      const dy = device.tensor([1, 2, 3, 4], [4]);
      return grad(grad(f(x), [x], { dy, createGraph: true })[0], [x], { dy: device.tensor([1, 1, 1, 1], [4]) })[0];
    });
  close(await second(ops.hardswish).read(), [0, 2 / 3, 1, 0], 1e-6, 'hardswish');
  assert.equal([...(await second(ops.relu).read())], [0, 0, 0, 0]);
});

// Where the plain formulas cancel, vanish or overflow: relative accuracy, element by element.
const FAR: Record<string, [F, number[]]> = {
  expm1: [
    [ops.expm1, Math.expm1],
    [-80, -1, -0.51, -0.5, -1e-3, -1e-7, 1e-7, 1e-3, 0.499, 0.5, 3, 80],
  ],
  asinh: [
    [ops.asinh, Math.asinh],
    [-1e30, -1e5, -1e-6, 1e-20, 1e-3, 0.4, 1, 100, 1e12],
  ],
  acosh: [
    [ops.acosh, Math.acosh],
    [1.001, 1.01, 2, 1e5, 1e12, 1e30],
  ],
  atanh: [
    [ops.atanh, Math.atanh],
    [-0.9999, -0.5, -1e-6, 1e-20, 0.3, 0.99],
  ],
  log1p: [
    [ops.log1p, Math.log1p],
    [-0.999, -0.5, -1e-3, -1e-7, 1e-7, 1e-3, 0.499, 0.5, 3, 1e20],
  ],
  erf: [
    [ops.erf, erf],
    [-30, -4, -1.01, -0.99, -1e-6, 1e-6, 0.3, 0.99, 1, 1.01, 4, 30],
  ],
  gelu: [
    [ops.gelu, SMOOTH.gelu[1]],
    [-12, -8, -5, -1, -1e-6, 1e-6, 1, 5, 1e4],
  ],
  sigmoid: [
    [ops.sigmoid, sigmoid],
    [-87, -30, -1, 0, 1, 30, 1e5],
  ],
  tanh: [
    [ops.tanh, Math.tanh],
    [-1e5, -20, -1, -1e-6, 0, 1e-6, 0.3, 20, 1e5],
  ],
  softplus: [
    [ops.softplus, softplus],
    [-87, -30, -1, 0, 1, 30, 1e5],
  ],
  logSigmoid: [
    [ops.logSigmoid, (v) => -softplus(-v)],
    [-1e5, -30, -1, 0, 1, 30, 87],
  ],
  mish: [
    [ops.mish, SMOOTH.mish[1]],
    [-80, -30, -1, -1e-6, 1, 30, 1e5],
  ],
  silu: [
    [ops.silu, SMOOTH.silu[1]],
    [-80, -30, -1, -1e-6, 1, 30, 1e5],
  ],
  elu: [
    [ops.elu, SMOOTH.elu[1]],
    [-1e5, -30, -1e-6, 0, 1e5],
  ],
};
for (const [name, [[run, f], values]] of Object.entries(FAR)) {
  test(`${name} is accurate far out and near 0`, async () => {
    const device = await testDevice();
    const x = device.tensor(values, [values.length]);
    const y = await run(x).read();
    const exact = Array.from(Float32Array.from(values), f);
    exact.forEach((w, i) =>
      assert.ok(Math.abs(y[i] - w) <= 2e-5 * Math.abs(w) + 1e-37, `${name}(${values[i]}) is ${y[i]}, expected ${w}`),
    );
    x.requiresGrad = true;
    const h = 1e-6;
    const [dx] = await device.read(grad(run(x), [x], { dy: ops.full(device, x.shape, 1) }));
    Float32Array.from(values).forEach((v, i) => {
      const d =
        (f(v + h * Math.max(1, Math.abs(v))) - f(v - h * Math.max(1, Math.abs(v)))) /
        (2 * h * Math.max(1, Math.abs(v)));
      assert.ok(
        Number.isFinite(dx[i]) && (name === 'log1p' || v === 0 || Math.abs(dx[i] - d) <= 1e-3 * Math.abs(d) + 1e-6),
        `${name}'(${v}) is ${dx[i]}, expected ${d}`,
      );
    });
  });
}

test('at the kinks the gradient is that of PyTorch', async () => {
  const device = await testDevice();
  const at = async (f: (x: Tensor) => Tensor, values: number[]): Promise<number[]> => {
    const x = device.tensor(values, [values.length]);
    x.requiresGrad = true;
    return [...(await grad(f(x), [x], { dy: ops.full(device, x.shape, 1) })[0].read())];
  };
  assert.equal(await at(ops.relu, [0]), [0]);
  assert.equal(await at((x) => ops.leakyRelu(x, 0.25), [0]), [0.25]);
  assert.equal(await at(ops.hardtanh, [-1, 1]), [0, 0]);
  assert.equal(await at(ops.relu6, [0, 6]), [0, 0]);
  assert.equal(await at(ops.hardsigmoid, [-3, 3]), [0, 0]);
  close(await at(ops.hardswish, [-3, 3]), [-0.5, 1.5], 1e-6, 'hardswish');
  assert.equal(await at((x) => ops.elu(x, 0.5), [0]), [0.5]);
});

test('f16 is computed in f32', async () => {
  const device = await testDevice();
  const x = ops.cast(device.tensor([-1, 0.5, 2], [3]), 'f16');
  x.requiresGrad = true;
  const y = ops.sigmoid(x);
  assert.is(y.dtype, 'f16');
  const [dx] = grad(y, [x], { dy: ops.full(device, [3], 1, 'f16') });
  assert.is(dx.dtype, 'f16');
  close(await y.read(), [-1, 0.5, 2].map(sigmoid), 1e-3, 'y');
  close(
    await dx.read(),
    [-1, 0.5, 2].map((v) => sigmoid(v) * sigmoid(-v)),
    1e-3,
    'dx',
  );
});

test('integers', async () => {
  const device = await testDevice();
  const x = device.tensor(Int32Array.from([-3, 0, 9]), [3]);
  assert.equal([...(await ops.relu(x).read())], [0, 0, 9]);
  assert.equal([...(await ops.relu6(x).read())], [0, 0, 6]);
  assert.is(ops.relu6(x).dtype, 'i32');
  close(await ops.sigmoid(x).read(), [-3, 0, 9].map(sigmoid), 1e-6, 'sigmoid');
});

test('what is not a number stays so', async () => {
  const device = await testDevice();
  const x = device.tensor([NaN, Infinity], [2]);
  for (const f of [ops.relu, ops.hardtanh, ops.sigmoid, ops.tanh, ops.gelu, ops.softplus])
    assert.ok(Number.isNaN((await f(x).read())[0]));
  assert.equal([...(await ops.relu(x).read())], [NaN, Infinity]);
  assert.is((await ops.tanh(x).read())[1], 1);
});

test('wrong settings and dtypes are refused', async () => {
  const device = await testDevice();
  assert.throws(() => ops.elu(device.empty([2], 'i32')), /elu: x \[2\] is i32/);
  assert.throws(() => ops.hardtanh(device.empty([2]), 1, -1), /hardtanh: min is 1, max -1/);
  assert.throws(() => ops.softplus(device.empty([2]), 0), /softplus: beta is 0/);
  assert.throws(() => ops.celu(device.empty([2]), 0), /celu: alpha is 0/);
});

test.run();
