// Making tensors from numbers.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  arange,
  empty,
  emptyLike,
  eye,
  linspace,
  ones,
  onesLike,
  parameter,
  randomSeed,
  tensor,
  zerosLike,
  type NestedNumbers,
} from '../../runtime/create.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { Rng } from '../../runtime/random.ts';
import { uniform } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';

test('nested arrays give the shape', async () => {
  const device = await testDevice();
  const cases: [NestedNumbers, number[]][] = [
    [7, []],
    [[1, 2], [2]],
    [
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      [2, 3],
    ],
    [
      [[[1]], [[2]]],
      [2, 1, 1],
    ],
    [[], [0]],
    [
      [[], []],
      [2, 0],
    ],
  ];
  for (const [data, shape] of cases) {
    const t = tensor(device, data);
    assert.equal([t.shape, t.dtype], [shape, 'f32']);
    assert.equal([...(await t.read())], [data].flat(9));
  }
  assert.is(await tensor(device, -1.5).item(), -1.5);
  assert.equal([...(await tensor(device, [[1, -2]], { dtype: 'i32' }).read())], [1, -2]);
  assert.equal(tensor(device, [1, 2, 3, 4], { shape: [2, 2] }).shape, [2, 2]);
});

test('typed arrays keep their dtype', async () => {
  const device = await testDevice();
  for (const [data, dtype] of [
    [Float32Array.of(1, 2), 'f32'],
    [Int32Array.of(1, 2), 'i32'],
    [Uint32Array.of(1, 2), 'u32'],
  ] as const) {
    const t = tensor(device, data);
    assert.equal([t.dtype, t.shape, await t.read()], [dtype, [2], data]);
  }
  assert.equal(tensor(device, new Float32Array(6), { shape: [2, 3] }).shape, [2, 3]);
});

test('what is ragged or does not make the shape is refused', async () => {
  const device = await testDevice();
  const shape = (e: unknown): boolean => e instanceof ShapeError;
  for (const data of [
    [[1, 2], [3]],
    [[1], 2],
    [1, [2]],
    [[], [1]],
    [[[1]], [2]],
  ] as NestedNumbers[])
    assert.throws(() => tensor(device, data), shape, JSON.stringify(data));
  assert.throws(() => tensor(device, [1, 2, 3], { shape: [2] }), shape);
  assert.throws(() => tensor(device, Float32Array.of(1), { dtype: 'i32' as 'f32' }), shape);
  assert.throws(() => empty(device, [-1]), shape);
});

test('ranges, ones, zeros, the identity', async () => {
  const device = await testDevice();
  const values = async (t: { read(): Promise<ArrayLike<number>> }): Promise<number[]> => Array.from(await t.read());
  assert.equal(await values(arange(device, 0, 5)), [0, 1, 2, 3, 4]);
  assert.equal(await values(arange(device, 1, 0, -0.25)), [1, 0.75, 0.5, 0.25]);
  assert.equal(await values(arange(device, 3, 0, -1, 'i32')), [3, 2, 1]);
  assert.throws(() => arange(device, 0, 1.1, 0.5, 'i32'), /arange: 0.5 is not an i32/);
  assert.equal(arange(device, 3, 3).shape, [0]);
  assert.throws(
    () => arange(device, 0, 1, 0),
    (e: unknown) => e instanceof ShapeError,
  );
  assert.throws(
    () => arange(device, 0, 1, -1),
    (e: unknown) => e instanceof ShapeError,
  );
  assert.throws(
    () => arange(device, 0, 1e15),
    (e: unknown) => e instanceof ShapeError,
  );
  assert.equal(await values(linspace(device, -1, 1, 5)), [-1, -0.5, 0, 0.5, 1]);
  assert.equal(await values(linspace(device, 2, 3, 1)), [2]);
  assert.equal(linspace(device, 2, 3, 0).size, 0);
  const identity = eye(device, 2, 3, 'i32');
  assert.equal([identity.shape, identity.dtype], [[2, 3], 'i32']);
  assert.equal(await values(identity), [1, 0, 0, 0, 1, 0]);
  assert.throws(
    () => eye(device, -1),
    (e: unknown) => e instanceof ShapeError,
  );
  const x = ones(device, [2, 2], 'u32');
  for (const [t, value] of [
    [x, 1],
    [zerosLike(x), 0],
    [onesLike(x), 1],
  ] as const)
    assert.equal([t.shape, t.dtype, await values(t)], [[2, 2], 'u32', Array(4).fill(value)]);
  assert.equal([emptyLike(x).shape, emptyLike(x).dtype], [[2, 2], 'u32']);
});

test("a seed's numbers are the host's", async () => {
  const device = await testDevice();
  const rng = new Rng(7, 8, 9);
  const got = await uniform(randomSeed(device, 7, 8, 9), [5]).read();
  assert.equal(
    [...got],
    Array.from({ length: 5 }, () => rng.uniform()),
  );
  assert.throws(
    () => randomSeed(device, -1),
    (e: unknown) => e instanceof ShapeError,
  );
});

test('a parameter outlives its scope', async () => {
  const device = await testDevice();
  let w = ones(device, [1]);
  device.scope(() => {
    w = parameter(ones(device, [1]));
  });
  assert.ok(w.requiresGrad && !w.isDisposed);
});

test.run();
