// A choice between two tensors, filling under a mask, limits.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import * as ops from '../support/ops.ts';
import { clamp, maskedFill, where } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { repeated } from '../support/broadcast.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type CaseInput, type OpCase } from '../support/op.ts';

const mask = (shape: number[]): CaseInput => ({
  shape,
  dtype: 'i32',
  grad: false,
  draw: (rng) => (rng.normal() > 0 ? (rng.normal() > 0 ? 1 : -3) : 0),
});

const SHAPES: [number[], number[], number[]][] = [
  [[], [], []],
  [[0], [0], [0]],
  [[7], [7], [7]],
  [
    [3, 5, 2],
    [3, 5, 2],
    [3, 5, 2],
  ],
  [[3, 1], [2, 3, 4], [4]],
  [[4], [3, 1], []],
  [[1], [0, 1], [3]],
  [
    [2, 1, 3, 1, 5],
    [4, 1, 7, 1],
    [1, 1, 3, 1, 1],
  ],
  [[8, 128, 128, 1], [8, 128, 128, 3], [3]],
];
const cases: OpCase[] = SHAPES.map(([c, a, b]) => ({
  name: `where [${c}] [${a}] [${b}]`,
  inputs: { cond: mask(c), a: { shape: a }, b: { shape: b } },
  run: (t) => where(t.cond, t.a, t.b),
  reference: (t) => repeated([t.cond, t.a, t.b], (k, u, v) => (k ? u : v)),
  tolerance: 2e-6,
}));
cases.push(
  {
    name: 'where with a number first',
    inputs: { cond: mask([3, 1]), b: { shape: [5] } },
    run: ({ cond, b }) => where(cond, 1.5, b),
    reference: ({ cond, b }) => repeated([cond, b], (k, v) => (k ? 1.5 : v)),
  },
  {
    name: 'where with a number second',
    inputs: { cond: mask([5]), a: { shape: [5] } },
    run: ({ cond, a }) => where(cond, a, -2),
    reference: ({ cond, a }) => repeated([cond, a], (k, v) => (k ? v : -2)),
  },
  {
    name: 'where with two numbers',
    inputs: { cond: mask([3, 5]) },
    run: ({ cond }) => where(cond, 1.5, -2),
    reference: ({ cond }) =>
      f64(
        [3, 5],
        cond.data.map((k) => (k ? 1.5 : -2)),
      ),
  },
  {
    name: 'maskedFill',
    inputs: { x: { shape: [2, 3, 4] }, m: mask([3, 1]) },
    run: ({ x, m }) => maskedFill(x, m, 7),
    reference: ({ x, m }) => repeated([x, m], (v, k) => (k ? 7 : v)),
  },
  {
    name: 'maskedFill with a tensor',
    inputs: { x: { shape: [2, 3, 4] }, m: mask([3, 1]), v: { shape: [] } },
    run: ({ x, m, v }) => maskedFill(x, m, v),
    reference: ({ x, m, v }) => repeated([x, m, v], (u, k, w) => (k ? w : u)),
  },
  ...[{ min: -0.5 }, { max: 0.3 }, { min: -0.5, max: 0.3 }, { min: 0.3, max: -0.5 }].map(
    (limits: { min?: number; max?: number }): OpCase => ({
      name: `clamp ${JSON.stringify(limits)}`,
      inputs: { x: { shape: [3, 5, 2] } },
      run: ({ x }) => clamp(x, limits),
      reference: ({ x }) =>
        f64(
          [3, 5, 2],
          x.data.map((v) => Math.min(Math.max(v, limits.min ?? -Infinity), limits.max ?? Infinity)),
        ),
    }),
  ),
  {
    name: 'clamp by tensors',
    inputs: {
      x: { shape: [4, 3, 5] },
      lo: { shape: [3, 1], draw: (rng) => rng.normal() - 1 },
      hi: { shape: [5], draw: (rng) => rng.normal() + 1 },
    },
    run: ({ x, lo, hi }) => clamp(x, { min: lo, max: hi }),
    reference: ({ x, lo, hi }) => repeated([x, lo, hi], (v, l, h) => Math.min(Math.max(v, l), h)),
  },
);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('any bits of any dtype pass', async () => {
  const device = await testDevice();
  const read = async (t: Tensor): Promise<number[]> => [...(await t.read())];
  const cond = device.tensor(Uint32Array.from([1, 0, 2 ** 31]), [3]);
  assert.equal(await read(where(cond, device.tensor([NaN, 1, -Infinity], [3]), device.tensor([0, -0, 0], [3]))), [
    NaN,
    -0,
    -Infinity,
  ]);
  assert.equal(await read(where(cond, device.tensor(Int32Array.from([-5, 6, 7]), [3]), -1)), [-5, -1, 7]);
  assert.equal(await read(where(cond, device.tensor(Uint32Array.from([4e9, 6, 7]), [3]), 4e9)), [4e9, 4e9, 7]);
  assert.equal(await read(clamp(device.tensor(Int32Array.from([-5, 1, 9]), [3]), { min: -2, max: 3 })), [-2, 1, 3]);
  assert.equal(await read(clamp(device.tensor([NaN, Infinity, -Infinity], [3]), { min: -2, max: 3 })), [NaN, 3, -2]);
  const half = where(cond, ops.cast(device.tensor([1, 2, 3], [3]), 'f16'), 0.5);
  assert.is(half.dtype, 'f16');
  assert.equal(await read(half), [1, 0.5, 3]);
});

test('an infinite branch that is not chosen leaves the gradient finite', async () => {
  const device = await testDevice();
  const x = device.tensor([0, 4], [2]);
  x.requiresGrad = true;
  const positive = ops.gt(x, 0);
  const y = where(positive, ops.log(where(positive, x, 1)), -1);
  assert.equal([...(await grad(y, [x], { dy: device.tensor([1, 1], [2]) })[0].read())], [0, 0.25]);
});

test('the second derivative through a choice, a mask and limits', async () => {
  const device = await testDevice();
  const x = device.tensor([-2, 0.5, 3], [3]);
  x.requiresGrad = true;
  const dy = device.tensor([1, 1, 1], [3]);
  const y = where(ops.gt(x, 0), ops.mul(x, ops.mul(x, x)), clamp(ops.square(x), { max: 1 }));
  const [dx] = grad(y, [x], { dy, createGraph: true });
  assert.equal([...(await dx.read())], [0, 0.75, 27]);
  assert.equal([...(await grad(dx, [x], { dy })[0].read())], [0, 3, 18]);
});

test('wrong operands are refused', async () => {
  const device = await testDevice();
  const cond = device.empty([2], 'i32');
  assert.throws(() => where(device.empty([2]), 1, 2), /the condition \[2\] is f32/);
  assert.throws(() => where(cond, device.empty([3]), 2), /where: \[2\] and \[3\] differ along axis 0/);
  assert.throws(() => where(cond, device.empty([2]), device.empty([2], 'i32')), /where: b \[2\] is i32, a \[2\] f32/);
  assert.throws(() => where(cond, device.empty([2], 'i32'), 0.5), /where: 0.5 is not an i32/);
  assert.throws(() => clamp(device.empty([2]), {}), /clamp: there is neither min nor max/);
});

test.run();
