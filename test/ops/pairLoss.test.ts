// Losses of two tensors: every kind and reduction against float64.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import {
  bceWithLogits,
  huber,
  klDiv,
  l1,
  mse,
  sigmoidFocal,
  smoothL1,
  type PairLossOptions,
} from '../../runtime/ops/index.ts';
import type { Shape, Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type CaseInput, type OpCase } from '../support/op.ts';

type Loss = (
  a: Tensor,
  b: Tensor,
  o: PairLossOptions & { posWeight?: Tensor; beta?: number; delta?: number },
) => Tensor;
interface Kind {
  run: Loss;
  f(a: number, b: number, pw: number): number;
  /** Draws b: a target between 0 and 1. */
  unit?: boolean;
  extra?: { beta?: number; delta?: number };
}

const kinds: Record<string, Kind> = {
  mse: { run: mse, f: (a, b) => (a - b) ** 2 },
  l1: { run: l1, f: (a, b) => Math.abs(a - b) },
  smoothL1: {
    run: smoothL1,
    f: (a, b) => (Math.abs(a - b) < 0.7 ? (a - b) ** 2 / 1.4 : Math.abs(a - b) - 0.35),
    extra: { beta: 0.7 },
  },
  huber: {
    run: huber,
    f: (a, b) => (Math.abs(a - b) < 0.7 ? (a - b) ** 2 / 2 : 0.7 * (Math.abs(a - b) - 0.35)),
    extra: { delta: 0.7 },
  },
  bceWithLogits: {
    run: bceWithLogits,
    f: (a, b, pw) => (1 - b) * a + (1 + (pw - 1) * b) * (Math.log1p(Math.exp(-Math.abs(a))) + Math.max(-a, 0)),
    unit: true,
  },
  klDiv: { run: klDiv, f: (a, b) => b * (Math.log(b) - a), unit: true },
  'klDiv of logarithms': {
    run: (a, b, o) => klDiv(a, b, { ...o, logTarget: true }),
    f: (a, b) => Math.exp(b) * (b - a),
  },
};

function makeCase(
  kind: string,
  shape: Shape,
  o: PairLossOptions,
  tensors: { w?: boolean; s?: boolean; pw?: boolean } = {},
): OpCase {
  const k = kinds[kind];
  const c = shape.at(-1) ?? 1;
  const pixels = shape.slice(0, -1);
  const inputs: Record<string, CaseInput> = {
    a: { shape },
    b: { shape, draw: k.unit ? (r) => 0.05 + 0.9 * r.uniform() : undefined },
  };
  if (tensors.w)
    inputs.pixelWeight = { shape: pixels, grad: false, draw: (r) => (r.uniform() < 0.4 ? 0 : r.uniform()) };
  if (tensors.s) inputs.scalar = { shape: [], grad: false };
  if (tensors.pw) inputs.posWeight = { shape: [c], grad: false, draw: (r) => 0.5 + r.uniform() };
  return {
    name: `${kind} [${shape}] ${JSON.stringify(o)} ${Object.keys(tensors)}`,
    inputs,
    run: ({ a, b, pixelWeight, scalar, posWeight }) =>
      k.run(a, b, { ...o, ...k.extra, pixelWeight, scalar, posWeight }),
    reference: ({ a, b, pixelWeight, scalar, posWeight }) => {
      const w = (i: number): number => pixelWeight?.data[Math.floor(i / c)] ?? 1;
      const each = a.data.map((v, i) => (scalar?.data[0] ?? 1) * w(i) * k.f(v, b.data[i], posWeight?.data[i % c] ?? 1));
      if (o.reduction === 'none') return { shape, data: each };
      const sum = each.reduce((s, v) => s + v, 0);
      const r = o.reduction ?? 'meanC';
      const count = o.over === 'kept' ? each.reduce((s, _, i) => s + w(i), 0) : each.length;
      return f64(
        [],
        [sum / (typeof r === 'number' ? r : { meanC: count, mean: count, sumC: count / c, 'none-sum': 1, sum: 1 }[r])],
      );
    },
  };
}

const cases: OpCase[] = Object.keys(kinds).flatMap((kind) => [
  makeCase(kind, [7, 1], {}),
  makeCase(kind, [2, 5, 6, 5], { reduction: 'sumC' }, { w: true, s: true }),
  makeCase(kind, [2, 5, 6, 3], { reduction: 'none' }, { w: true, s: true }),
  makeCase(kind, [], { reduction: 'sum' }),
  makeCase(kind, [2, 3, 2, 3, 5], { reduction: 'mean' }),
  makeCase(kind, [3, 0], { reduction: 'none' }),
]);
for (const reduction of ['mean', 'sum', 'none'] as const)
  for (const [alpha, gamma] of [
    [0.25, 2],
    [-1, 1.5],
    [0.7, 0],
  ]) {
    cases.push({
      name: `sigmoidFocal ${reduction} alpha ${alpha} gamma ${gamma}`,
      inputs: {
        x: { shape: [3, 4, 5] },
        t: { shape: [3, 4, 5], draw: (r) => (r.bernoulli(0.3) ? r.uniform() : r.int(2)) },
      },
      run: ({ x, t }) => sigmoidFocal(x, t, { reduction, alpha, gamma }),
      reference: ({ x, t }) => {
        const each = x.data.map((v, i) => {
          const p = 1 / (1 + Math.exp(-v));
          const u = t.data[i];
          const ce = -u * Math.log(p) - (1 - u) * Math.log(1 - p);
          return ce * (1 - p * u - (1 - p) * (1 - u)) ** gamma * (alpha < 0 ? 1 : alpha * u + (1 - alpha) * (1 - u));
        });
        const total = each.reduce((a, b) => a + b, 0);
        return reduction === 'none'
          ? { shape: x.shape, data: each }
          : f64([], [reduction === 'sum' ? total : total / each.length]);
      },
    });
  }
cases.push(
  makeCase('mse', [2, 9, 8, 11], { reduction: 'meanC', over: 'kept' }, { w: true }),
  makeCase('mse', [2, 9, 8, 11], { reduction: 'sumC', over: 'kept' }, { w: true, s: true }),
  makeCase('mse', [2, 48, 64, 16], { reduction: 'sumC' }),
  makeCase('l1', [11, 3], { reduction: 12.5 }),
  makeCase('bceWithLogits', [8, 20], { reduction: 'none-sum' }, { pw: true }),
);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('binary cross-entropy of huge logits', async () => {
  const device = await testDevice();
  const y = await bceWithLogits(device.tensor([1e30, -1e30, 200, -200], [4]), device.tensor([1, 0, 0, 1], [4]), {
    reduction: 'none',
  }).read();
  assert.equal([...y], [0, 0, 200, 200]);
});

test('binary cross-entropy of certain predictions is small, not 0; pixel weights where there are no channels', async () => {
  const device = await testDevice();
  const z = [20, 12, 3, -9];
  const y = await bceWithLogits(device.tensor(z, [4]), device.tensor([1, 1, 1, 0], [4]), { reduction: 'none' }).read();
  z.forEach((v, i) => assert.ok(Math.abs(y[i] / Math.log1p(Math.exp(-Math.abs(v))) - 1) < 4e-6, `${v}: ${y[i]}`));
  // A target that is nearly 0 beside a logit that says so, with a weight.
  const v = Math.fround(4e-5);
  const w = 3;
  const soft = await bceWithLogits(device.tensor([-9], [1]), device.tensor([v], [1]), {
    reduction: 'none',
    posWeight: device.tensor([w], [1]),
  }).read();
  assert.ok(
    Math.abs(soft[0] / ((1 - v) * -9 + (1 + (w - 1) * v) * (9 + Math.log1p(Math.exp(-9)))) - 1) < 4e-6,
    `${soft[0]}`,
  );
  const empty = device.empty([7, 0]);
  const none = mse(empty, empty, { pixelWeight: device.empty([7]), reduction: 'none' });
  assert.equal([...none.shape], [7, 0]);
});

test('the worked example of the method specification', async () => {
  const device = await testDevice();
  const y = await bceWithLogits(device.tensor([2, -1, 0], [3]), device.tensor([1, 0, 1], [3])).item();
  assert.ok(Math.abs(y - 0.37777896) < 1e-6);
});

test('no elements: 0', async () => {
  const device = await testDevice();
  const a = device.empty([3, 0]);
  for (const reduction of ['mean', 'sumC', 'sum'] as const)
    assert.is(await mse(a, a, { reduction }).item(), 0, reduction);
});

test('shapes that do not fit', async () => {
  const device = await testDevice();
  const a = device.empty([2, 3]);
  assert.throws(() => mse(a, device.empty([3, 2])), says(/one shape/));
  assert.throws(() => mse(a, a, { pixelWeight: device.empty([3]) }), /pixel weights/);
  assert.throws(() => mse(a, a, { reduction: -1 }), says(/positive/));
  assert.throws(() => smoothL1(a, a, { beta: 0 }), /beta is 0/);
  assert.throws(() => huber(a, a, { delta: -1 }), /delta is -1/);
  assert.throws(() => bceWithLogits(a, a, { posWeight: device.empty([2]) }), /3 classes/);
});

test.run();
