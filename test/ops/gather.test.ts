// Reading and writing at indices.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import {
  embedding,
  gather,
  index,
  indexAdd,
  indexSelect,
  mul,
  scatter,
  scatterAdd,
  scatterReduce,
} from '../../runtime/ops/index.ts';
import type { DType, Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { Draw, each, made, of, place } from '../support/nd.ts';
import { checkCase, f64, type CaseInput, type F64, type OpCase } from '../support/op.ts';

/** Indices from -n to n - 1, now and then one outside. */
const indices = (shape: Shape, n: number, dtype: DType = 'i32'): CaseInput => ({
  shape,
  dtype,
  draw: (r) =>
    dtype === 'u32' ? r.int(n + 1) : r.bernoulli(0.1) ? (r.bernoulli(0.5) ? n : -n - 1) : r.int(2 * Math.max(1, n)) - n,
});

/** The index as one from 0, or -1 for nowhere. */
const placed = (k: number, n: number): number => (k >= 0 && k < n ? k : k < 0 && k >= -n ? k + n : -1);
const along = (at: readonly number[], axis: number, k: number): number[] => at.map((v, a) => (a === axis ? k : v));

type How = 'set' | 'add' | 'prod' | 'amax' | 'amin';
const HOW: Record<How, (a: number, b: number) => number> = {
  set: (_, b) => b,
  add: (a, b) => a + b,
  prod: (a, b) => a * b,
  amax: Math.max,
  amin: Math.min,
};

function written(x: F64, axis: number, list: F64, src: F64, how: How): F64 {
  const y = f64(x.shape, x.data);
  each(list.shape, (at, i) => {
    const k = placed(list.data[i], x.shape[axis]);
    if (k < 0) return;
    const p = place(x.shape, along(at, axis, k));
    y.data[p] = HOW[how](y.data[p], of(src, at));
  });
  return y;
}

const gathered = (shape: Shape, axis: number, list: Shape, dtype?: DType): OpCase => ({
  name: `gather [${shape}] along ${axis} by ${dtype ?? ''} [${list}]`,
  inputs: { x: { shape }, i: indices(list, shape[axis], dtype) },
  run: ({ x, i }) => gather(x, axis, i),
  reference: ({ x, i }) =>
    made(list, (at) => {
      const k = placed(of(i, at), shape[axis]);
      return k < 0 ? 0 : of(x, along(at, axis, k));
    }),
});

const scattered = (
  shape: Shape,
  axis: number,
  list: Shape,
  how: How,
  more = 0,
  dtype?: DType,
  draw?: CaseInput['draw'],
): OpCase => ({
  name: `scatter (${how}) [${list}] ${dtype ?? ''} along ${axis} into [${shape}], src larger by ${more}`,
  inputs: { x: { shape, draw }, i: indices(list, shape[axis], dtype), src: { shape: list.map((n) => n + more), draw } },
  run: ({ x, i, src }) =>
    how === 'set'
      ? scatter(x, axis, i, src)
      : how === 'add'
        ? scatterAdd(x, axis, i, src)
        : scatterReduce(x, axis, i, src, how),
  reference: ({ x, i, src }) => written(x, axis, i, src, how),
});

const selected = (shape: Shape, axis: number, m: number): OpCase => ({
  name: `indexSelect [${shape}] along ${axis} by ${m}`,
  inputs: { x: { shape }, i: indices([m], shape[axis]) },
  run: ({ x, i }) => indexSelect(x, axis, i),
  reference: ({ x, i }) =>
    made(
      shape.map((n, a) => (a === axis ? m : n)),
      (at) => {
        const k = placed(i.data[at[axis]], shape[axis]);
        return k < 0 ? 0 : of(x, along(at, axis, k));
      },
    ),
});

const added = (shape: Shape, axis: number, m: number): OpCase => ({
  name: `indexAdd of ${m} along ${axis} into [${shape}]`,
  inputs: { x: { shape }, i: indices([m], shape[axis]), src: { shape: shape.map((n, a) => (a === axis ? m : n)) } },
  run: ({ x, i, src }) => indexAdd(x, axis, i, src),
  reference: ({ x, i, src }) =>
    written(
      x,
      axis,
      made(src.shape, (at) => i.data[at[axis]]),
      src,
      'add',
    ),
});

const indexed = (shape: Shape, lists: Shape[], axis: number, out: Shape): OpCase => ({
  name: `index [${shape}] from axis ${axis} by [${lists.join('] [')}]`,
  inputs: { x: { shape }, ...Object.fromEntries(lists.map((l, k) => [`i${k}`, indices(l, shape[axis + k])])) },
  run: ({ x, ...is }) =>
    index(
      x,
      lists.map((_, k) => is[`i${k}`]),
      axis,
    ),
  reference: ({ x, ...is }) =>
    made([...shape.slice(0, axis), ...out, ...shape.slice(axis + lists.length)], (at) => {
      const common = at.slice(axis, axis + out.length);
      const ks = lists.map((l, k) =>
        placed(
          of(
            is[`i${k}`],
            l.map((n, a) => (n === 1 ? 0 : common[out.length - l.length + a])),
          ),
          shape[axis + k],
        ),
      );
      return ks.some((k) => k < 0) ? 0 : of(x, [...at.slice(0, axis), ...ks, ...at.slice(axis + out.length)]);
    }),
});

const cases: OpCase[] = [
  gathered([5], 0, [7]),
  gathered([3, 5], 1, [3, 4]),
  gathered([3, 5], 1, [2, 9], 'u32'),
  gathered([4, 3, 2], 0, [2, 3, 2]),
  gathered([2, 3, 4, 2, 3], 2, [2, 2, 6, 1, 3]),
  gathered([2, 0, 3], 1, [2, 2, 3]),
  gathered([2, 4, 3], 1, [2, 0, 3]),
  gathered([8, 128, 128, 3], 3, [8, 128, 128, 1]),
  gathered([3], 0, [5000]),
  scattered([5], 0, [3], 'set'),
  scattered([3, 6], 1, [3, 3], 'set'),
  scattered([3, 4], 1, [3, 9], 'set'),
  scattered([4, 3, 4], 1, [2, 5, 3], 'set', 1, 'u32'),
  scattered([2, 3, 2, 3, 2], 4, [2, 3, 2, 3, 4], 'set'),
  scattered([3, 2], 0, [0, 2], 'set'),
  scattered([5], 0, [3], 'add'),
  scattered([3, 4], 1, [3, 9], 'add'),
  scattered([3, 2], 0, [40, 2], 'add'),
  scattered([4, 3, 4], 1, [2, 5, 3], 'add', 1, 'u32'),
  scattered([2, 3, 2, 3, 2], 0, [4, 3, 2, 3, 2], 'add'),
  scattered([7], 0, [20000], 'add'),
  scattered([0, 2], 0, [3, 2], 'add'),
  scattered([64, 64, 3], 2, [64, 64, 5], 'add'),
  scattered([5], 0, [9], 'prod'),
  scattered([3, 4], 1, [3, 9], 'prod', 0, 'i32', (r) => r.int(4) - 1),
  scattered([4, 3, 4], 1, [2, 5, 3], 'prod', 1, 'u32', (r) => r.int(3)),
  scattered([3, 4], 1, [3, 30], 'amax'),
  scattered([40, 2], 0, [60, 1], 'amin', 2),
  selected([6, 3], 0, 9),
  selected([2, 3, 5], 2, 4),
  selected([3, 8], 0, 6),
  selected([2, 3, 2, 2, 4], 1, 5),
  selected([4], 0, 0),
  selected([0, 3], 0, 2),
  selected([1000, 64], 0, 300),
  selected([8, 64, 64, 3], 1, 32),
  added([5, 3], 0, 8),
  added([2, 3, 4], 1, 100),
  added([2, 5], 1, 0),
  added([10], 0, 10000),
  added([40, 32], 0, 700),
  indexed([5, 4], [[7]], 0, [7]),
  indexed([5, 4, 2], [[3, 1], [4]], 0, [3, 4]),
  indexed([2, 5, 4, 3], [[6], [6]], 1, [6]),
  indexed([3, 2, 4, 2, 3], [[2, 3], [1, 3], [1]], 1, [2, 3]),
  indexed([5, 3], [[]], 0, []),
  indexed([5, 3], [[0], [1]], 0, [0]),
  indexed([64, 64, 8], [[50, 1], [50]], 0, [50, 50]),
  {
    name: 'embedding [3,5] of [10,4]',
    inputs: { w: { shape: [10, 4] }, i: indices([3, 5], 10) },
    run: ({ w, i }) => embedding(i, w),
    reference: ({ w, i }) =>
      made([3, 5, 4], ([a, b, c]) => {
        const k = placed(of(i, [a, b]), 10);
        return k < 0 ? 0 : of(w, [k, c]);
      }),
  },
];

const draw = new Draw(20262);
for (let n = 0; n < 20; n++) {
  const rank = draw.whole(1, 5);
  const shape = draw.shape(rank);
  const axis = draw.whole(0, rank - 1);
  const list = shape.map((d, a) => (a === axis ? draw.whole(0, 7) : draw.whole(0, d)));
  cases.push(
    gathered(shape, axis, list),
    scattered(shape, axis, list, 'set', draw.whole(0, 1)),
    scattered(shape, axis, list, 'add', draw.whole(0, 1)),
    scattered(shape, axis, list, (['prod', 'amax', 'amin'] as const)[n % 3], draw.whole(0, 1)),
    selected(shape, axis, draw.whole(0, 6)),
    added(shape, axis, draw.whole(0, 9)),
  );
}

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('integers are added and kept exactly', async () => {
  const device = await testDevice();
  const i = device.tensor([0, 1, 0, 9], [4], 'i32');
  for (const dtype of ['i32', 'u32'] as DType[]) {
    const src = device.tensor([16777217, 5, 1, 7], [4], dtype);
    const x = device.tensor([1, 2], [2], dtype);
    assert.equal([...(await scatterAdd(x, 0, i, src).read())], [16777219, 7]);
    assert.equal([...(await scatter(x, 0, i, src).read())], [1, 5]);
    assert.equal([...(await gather(src, 0, i).read())], [16777217, 5, 16777217, 0]);
  }
});

test('of several that are written to one place the last counts, and only it has a gradient', async () => {
  const device = await testDevice();
  const x = device.tensor(new Float32Array(3), [3]);
  const src = device.tensor([1, 2, 3, 4], [4]);
  const i = device.tensor([1, 1, 0, 1], [4], 'i32');
  x.requiresGrad = src.requiresGrad = true;
  const y = scatter(x, 0, i, src);
  assert.equal([...(await y.read())], [3, 4, 0]);
  const [dx, dsrc] = grad(y, [x, src], { dy: device.tensor([10, 20, 30], [3]) });
  assert.equal([...(await dx.read())], [0, 0, 30]);
  assert.equal([...(await dsrc.read())], [0, 0, 10, 20]);
});

test('equal extremes share the gradient', async () => {
  const device = await testDevice();
  const x = device.tensor([2, 0, 7], [3]);
  const src = device.tensor([2, 1, 2, 5, 7], [5]);
  const i = device.tensor([0, 0, 0, 1, 3], [5], 'i32');
  x.requiresGrad = src.requiresGrad = true;
  const y = scatterReduce(x, 0, i, src, 'amax');
  assert.equal([...(await y.read())], [2, 5, 7]);
  const [dx, dsrc] = grad(y, [x, src], { dy: device.tensor([3, 4, 5], [3]) });
  assert.equal([...(await dx.read())], [1, 0, 5]);
  assert.equal([...(await dsrc.read())], [1, 0, 1, 4, 0]);
  assert.throws(() => scatterReduce(x, 0, i, src, 'mean' as 'sum'), /no way mean/);
});

test('gradients can be differentiated again', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3], [3]);
  const i = device.tensor([0, 2, 2], [3], 'i32');
  const ones = device.tensor([1, 1, 1], [3]);
  x.requiresGrad = true;
  // y = e³ for e of which counts[k] are x_k.
  const cases = [
    { e: () => gather(x, 0, i), counts: [1, 0, 2] },
    { e: () => scatter(x, 0, device.tensor([1], [1], 'i32'), device.tensor([0], [1])), counts: [1, 0, 1] },
  ];
  for (const { e: make, counts } of cases) {
    const e = make();
    const [dx] = grad(mul(mul(e, e), e), [x], { dy: ones, createGraph: true });
    assert.equal(
      [...(await dx.read())],
      counts.map((n, k) => 3 * n * (k + 1) ** 2),
    );
    const [ddx] = grad(dx, [x], { dy: ones });
    assert.equal(
      [...(await ddx.read())],
      counts.map((n, k) => 6 * n * (k + 1)),
    );
  }
});

test('every specialisation compiles', async () => {
  const device = await testDevice();
  for (const Element of ['u32', 'vec4<u32>']) device.kernels.get('gather', 'forward', { Element });
  device.kernels.get('gather', 'forward', { WON: true });
  for (const FIRST of [false, true]) device.kernels.get('gather', 'linear', { FIRST });
  for (const Number of ['f32', 'i32', 'u32']) {
    for (const COMBINE of [1, 2, 3]) device.kernels.get('gather', 'add', { Number, COMBINE });
    for (const entry of ['add', 'overwrite']) device.kernels.get('gather', entry, { Number });
    for (const BASE of [false, true]) device.kernels.get('gather', 'combine', { Number, BASE });
  }
  await device.sync();
});

test('what cannot be', async () => {
  const device = await testDevice();
  const x = device.empty([2, 3]);
  const i = device.empty([2, 2], 'i32');
  const list = device.empty([4], 'i32');
  assert.throws(() => gather(x, 2, i), /no axis 2/);
  assert.throws(() => gather(x, 1, x), /are f32/);
  assert.throws(() => gather(x, 1, list), /do not fit/);
  assert.throws(() => gather(x, 1, device.empty([3, 2], 'i32')), /do not fit/);
  assert.throws(() => scatter(x, 1, i, device.empty([2, 1])), /src \[2,1\]/);
  assert.throws(() => scatterAdd(x, 1, i, device.empty([2, 2], 'i32')), /src \[2,2\] i32/);
  assert.throws(() => indexSelect(x, 0, i), /do not fit/);
  assert.throws(() => indexAdd(x, 0, list, device.empty([3, 3])), /src \[3,3\]/);
  assert.throws(() => index(x, [list, list, list]), /3 indices from axis 0/);
  assert.throws(() => index(x, []), /0 indices/);
  assert.throws(() => index(x, [list, device.empty([3], 'i32')]), /cannot become/);
  assert.throws(() => embedding(x, x), /are f32/);
});

test('scatterReduce: NaN comes out of the extreme and of the product that it went into', async () => {
  const device = await testDevice();
  const x = device.tensor([1, NaN, 3], [3]);
  const index = device.tensor(Int32Array.of(0, 0, 1, 2), [4]);
  const src = device.tensor([NaN, 5, 5, 5], [4]);
  assert.equal([...(await scatterReduce(x, 0, index, src, 'amax').read())], [NaN, NaN, 5]);
  assert.equal([...(await scatterReduce(x, 0, index, src, 'amin').read())], [NaN, NaN, 3]);
  assert.equal([...(await scatterReduce(x, 0, index, src, 'prod').read())], [NaN, NaN, 15]);
  // An index outside takes nothing from a NaN.
  const outside = device.tensor(Int32Array.of(9, 0, -9, 2), [4]);
  assert.equal([...(await scatterReduce(device.tensor([1, 2, 3], [3]), 0, outside, src, 'amax').read())], [5, 2, 5]);
  const whole = device.tensor(Int32Array.of(2 ** 31 - 1, 16777217), [2]);
  const places = device.tensor(Int32Array.of(0, 1), [2]);
  const small = device.tensor(Int32Array.of(16777217, 16777216), [2]);
  assert.equal([...(await scatterReduce(whole, 0, places, small, 'amax').read())], [2 ** 31 - 1, 16777217]);
});

test.run();
