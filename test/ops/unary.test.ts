// Elementary functions of one tensor.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import * as ops from '../support/ops.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { checkSecond } from '../support/curvature.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';
import { round } from '../support/special.ts';

const SHAPES = [[], [0], [1], [7], [3, 5, 2], [2, 9, 11, 5], [2, 1, 3, 1, 5]];

type F = [run: (x: Tensor) => Tensor, f: (v: number) => number, draw?: (n: number) => number];
const away = (n: number): number => Math.sign(n) * (0.5 + Math.abs(n)); // from 0
const above = (n: number): number => 0.2 + Math.abs(n);
const within = (n: number): number => 0.9 * Math.tanh(n);
const SMOOTH: Record<string, F> = {
  neg: [ops.neg, (v) => -v],
  square: [ops.square, (v) => v * v],
  reciprocal: [ops.reciprocal, (v) => 1 / v, away],
  sqrt: [ops.sqrt, Math.sqrt, above],
  rsqrt: [ops.rsqrt, (v) => 1 / Math.sqrt(v), above],
  exp: [ops.exp, Math.exp],
  log: [ops.log, Math.log, above],
  log2: [ops.log2, Math.log2, above],
  sin: [ops.sin, Math.sin, (n) => 3 * n],
  cos: [ops.cos, Math.cos, (n) => 3 * n],
  tan: [ops.tan, Math.tan, within],
  asin: [ops.asin, Math.asin, within],
  acos: [ops.acos, Math.acos, within],
  atan: [ops.atan, Math.atan],
  sinh: [ops.sinh, Math.sinh],
  cosh: [ops.cosh, Math.cosh],
};
const STEPS: Record<string, F> = {
  sign: [ops.sign, Math.sign],
  floor: [ops.floor, Math.floor],
  ceil: [ops.ceil, Math.ceil],
  round: [ops.round, round],
  trunc: [ops.trunc, Math.trunc],
};

const caseOf = (name: string, [run, f, draw]: F, shape: number[]): OpCase => ({
  name: `${name} [${shape}]`,
  inputs: { x: { shape, draw: draw && ((rng) => draw(rng.normal())) } },
  run: ({ x }) => run(x),
  reference: ({ x }) => ({ shape, data: x.data.map(f) }),
  tolerance: 2e-6,
});

for (const [name, f] of Object.entries({ abs: [ops.abs, Math.abs] as F, ...SMOOTH })) {
  test(name, async () => {
    const device = await testDevice();
    for (const shape of SHAPES) await checkCase(device, caseOf(name, f, shape));
  });
}

for (const [name, f] of Object.entries(SMOOTH)) {
  test(`the second derivative of ${name}`, async () => checkSecond(await testDevice(), caseOf(name, f, [3, 17])));
}

test('the rounding functions, with a gradient of 0', async () => {
  const device = await testDevice();
  const values = [-2.5, -1.5, -0.7, -0.5, -0, 0, 0.5, 0.7, 1.5, 2.5, 1e7, -3e9];
  for (const [name, [run, f]] of Object.entries(STEPS)) {
    for (const shape of SHAPES) await checkCase(device, { ...caseOf(name, STEPS[name], shape), h: 0 });
    const x = device.tensor(values, [12]);
    x.requiresGrad = true;
    const y = run(x);
    const [dx] = grad(y, [x], { dy: ops.full(device, [12], 1) });
    assert.equal(
      [...(await y.read())].map((v) => v + 0),
      Array.from(Float32Array.from(values), (v) => f(v) + 0),
      name,
    );
    assert.equal([...(await dx.read())], Array(12).fill(0), name);
  }
});

test('at a real size', async () => {
  await checkCase(await testDevice(), caseOf('square', SMOOTH.square, [8, 128, 128, 3]));
});

test('accurate far out and near 0', async () => {
  const device = await testDevice();
  const table: [string, F, number[]][] = [
    ['sinh', SMOOTH.sinh, [-89, -5, -1, -0.99, -1e-6, 1e-6, 0.99, 1, 5, 89]],
    ['cosh', SMOOTH.cosh, [-89, -1, 0, 1e-3, 89]],
    ['asin', SMOOTH.asin, [-1, -0.999999, -1e-6, 0, 0.5, 1]],
    ['acos', SMOOTH.acos, [-1, -0.5, 0, 0.999999, 1]],
    ['log', SMOOTH.log, [1e-37, 0.5, 2, 1e38]],
    ['exp', SMOOTH.exp, [-80, -1, 0, 1, 80]],
    ['atan', SMOOTH.atan, [-1e30, -1, 1e-6, 3, 1e30]],
  ];
  for (const [name, [run, f], values] of table) {
    const y = await run(device.tensor(values, [values.length])).read();
    Array.from(Float32Array.from(values), f).forEach((w, i) =>
      assert.ok(Math.abs(y[i] - w) <= 3e-5 * Math.abs(w) + 1e-7, `${name}(${values[i]}) is ${y[i]}, expected ${w}`),
    );
  }
});

test('sine and cosine of any size', async () => {
  const device = await testDevice();
  const rng = new Rng(5, 1);
  const x = Float32Array.from({ length: 4000 }, (_, i) =>
    i < 8
      ? [Math.PI / 2, Math.PI, 1.5e8, 16367173 * 2 ** 72, 3.4e38, 0.785, 0.786, 1e-30][i]
      : rng.normal() * 2 ** rng.uniform(-20, 126),
  );
  const [s, c] = await device.read([ops.sin(device.tensor(x, [4000])), ops.cos(device.tensor(x, [4000]))]);
  x.forEach((v, i) => {
    assert.ok(
      Math.abs(s[i] - Math.sin(v)) <= 1.5e-7 * Math.min(1, 2 * Math.abs(Math.sin(v)) + 1e-3) + 1e-37,
      `sin(${v}) is ${s[i]}, expected ${Math.sin(v)}`,
    );
    assert.ok(Math.abs(c[i] - Math.cos(v)) <= 2e-7, `cos(${v}) is ${c[i]}, expected ${Math.cos(v)}`);
  });
  assert.ok(Number.isNaN(await ops.sin(device.tensor([Infinity], [])).item()));
});

test('integers', async () => {
  const device = await testDevice();
  const x = device.tensor(Int32Array.from([-7, 0, 5, -(2 ** 31)]), [4]);
  const u = device.tensor(Uint32Array.from([7, 0, 4e9, 1]), [4]);
  const read = async (t: Tensor): Promise<number[]> => [...(await t.read())];
  assert.equal(await read(ops.abs(x)), [7, 0, 5, -(2 ** 31)]);
  assert.equal(await read(ops.neg(x)), [7, 0, -5, -(2 ** 31)]);
  assert.equal(await read(ops.square(x)), [49, 0, 25, 0]);
  assert.equal(await read(ops.sign(x)), [-1, 0, 1, -1]);
  assert.equal(await read(ops.floor(x)), [-7, 0, 5, -(2 ** 31)]);
  assert.equal(await read(ops.abs(u)), [7, 0, 4e9, 1]);
  assert.equal(await read(ops.neg(u)), [2 ** 32 - 7, 0, 2 ** 32 - 4e9, 2 ** 32 - 1]);
  assert.equal(await read(ops.sign(u)), [1, 0, 1, 1]);
  assert.is(ops.round(u).dtype, 'u32');
  const root = ops.sqrt(u);
  assert.is(root.dtype, 'f32');
  assert.ok(Math.abs((await read(root))[0] - Math.sqrt(7)) < 1e-6);
});

test.run();
