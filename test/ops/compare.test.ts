// Comparisons, logic, and what kind of number an element is.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as ops from '../support/ops.ts';
import type { Operand } from '../../runtime/ops/index.ts';
import type { DType, Tensor } from '../../runtime/tensor.ts';
import { repeated } from '../support/broadcast.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';

const FUNCTIONS: Record<string, [run: (a: Operand, b: Operand) => Tensor, f: (a: number, b: number) => boolean]> = {
  eq: [ops.eq, (a, b) => a === b],
  ne: [ops.ne, (a, b) => a !== b],
  lt: [ops.lt, (a, b) => a < b],
  le: [ops.le, (a, b) => a <= b],
  gt: [ops.gt, (a, b) => a > b],
  ge: [ops.ge, (a, b) => a >= b],
  logicalAnd: [ops.logicalAnd, (a, b) => a !== 0 && b !== 0],
  logicalOr: [ops.logicalOr, (a, b) => a !== 0 || b !== 0],
  logicalXor: [ops.logicalXor, (a, b) => (a !== 0) !== (b !== 0)],
};
const SHAPES: [number[], number[]][] = [
  [[], []],
  [[0], [1]],
  [[7], [7]],
  [
    [3, 5, 2],
    [5, 1],
  ],
  [[], [4]],
  [
    [2, 1, 3, 1, 5],
    [4, 1, 7, 1],
  ],
  [[2, 9, 11, 5], [5]],
];

const caseOf = (name: string, a: number[], b: number[], dtype: DType): OpCase => {
  const few = (rng: { normal(): number }): number => Math.round(2 * rng.normal()); // so that many are equal, or 0
  const draw = dtype === 'u32' ? (rng: { normal(): number }) => Math.abs(few(rng)) : few;
  return {
    name: `${name} [${a}] [${b}] ${dtype}`,
    inputs: { a: { shape: a, dtype, draw, grad: false }, b: { shape: b, dtype, draw, grad: false } },
    run: (t) => FUNCTIONS[name][0](t.a, t.b),
    reference: (t) => repeated([t.a, t.b], (u, v) => Number(FUNCTIONS[name][1](u, v))),
    tolerance: 0,
  };
};

for (const name of Object.keys(FUNCTIONS)) {
  test(name, async () => {
    const device = await testDevice();
    for (const [a, b] of SHAPES) await checkCase(device, caseOf(name, a, b, 'f32'));
    for (const dtype of ['i32', 'u32'] as const) await checkCase(device, caseOf(name, [3, 5, 2], [5, 1], dtype));
  });

  test(`${name} of every kind of number`, async () => {
    const device = await testDevice();
    const f = FUNCTIONS[name][1];
    const odd = [NaN, -Infinity, -3e38, -1, -1e-42, -0, 0, 1e-42, 1, 16777217, 3e38, Infinity];
    const all = Float32Array.from(odd);
    const y = await FUNCTIONS[name][0](device.tensor(all, [12, 1]), device.tensor(all, [12])).read();
    all.forEach((u, i) =>
      all.forEach((v, j) => assert.is(y[12 * i + j], Number(f(u, v)), `${name} ${odd[i]} ${odd[j]}`)),
    );
    const whole = Int32Array.from([-(2 ** 31), -1, 0, 1, 16777217, 2 ** 31 - 1]);
    const unsigned = Uint32Array.from(whole);
    for (const k of [whole, unsigned]) {
      const z = await FUNCTIONS[name][0](device.tensor(k, [6, 1]), device.tensor(k, [6])).read();
      k.forEach((u, i) => k.forEach((v, j) => assert.is(z[6 * i + j], Number(f(u, v)), `${name} ${u} ${v}`)));
    }
  });
}

test('numbers as operands', async () => {
  const device = await testDevice();
  const x = device.tensor([-1, 0.5, 2], [3]);
  const labels = device.tensor(Int32Array.from([1, 255, 3]), [3]);
  assert.equal([...(await ops.gt(x, 0.5).read())], [0, 0, 1]);
  assert.equal([...(await ops.gt(0.5, x).read())], [1, 0, 0]);
  assert.equal([...(await ops.eq(labels, 255).read())], [0, 1, 0]);
  assert.throws(() => ops.eq(labels, 0.5), /eq: 0.5 is not an i32/);
  assert.throws(() => ops.lt(labels, x), /lt: b \[3\] is f32, a \[3\] i32/);
});

test('what kind of number an element is', async () => {
  const device = await testDevice();
  const x = device.tensor([NaN, Infinity, -Infinity, 0, -0, 3e38, 1e-42], [7]);
  const k = device.tensor(Int32Array.from([0, 5, 0x7fc00000]), [3]);
  const read = async (t: Tensor): Promise<number[]> => [...(await t.read())];
  assert.equal(await read(ops.isNan(x)), [1, 0, 0, 0, 0, 0, 0]);
  assert.equal(await read(ops.isInf(x)), [0, 1, 1, 0, 0, 0, 0]);
  assert.equal(await read(ops.isFinite(x)), [0, 0, 0, 1, 1, 1, 1]);
  assert.equal(await read(ops.logicalNot(x)), [0, 0, 0, 1, 1, 0, 0]);
  assert.equal(await read(ops.isNan(k)), [0, 0, 0]);
  assert.equal(await read(ops.isFinite(k)), [1, 1, 1]);
  assert.equal(await read(ops.logicalNot(k)), [1, 0, 0]);
  const half = ops.cast(x, 'f16');
  assert.equal(await read(ops.isInf(half)), [0, 1, 1, 0, 0, 1, 0]);
  assert.is(ops.eq(half, half).dtype, 'i32');
});

test.run();
