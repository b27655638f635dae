// What the compiler knows: dtypes and ranks of tensors, of what is read from them, and of a plan's inputs.
// `npm run check` is the test; each wrong use must be an error.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import {
  add,
  argmax,
  cast,
  conv2d,
  div,
  emptyLike,
  eq,
  full,
  gt,
  maxPool2d,
  ones,
  parameter,
  plan,
  randomSeed,
  relu,
  reshape,
  ShapeError,
  sort,
  sum,
  tensor,
  where,
  zeros,
  zerosLike,
  type Elements,
  type Plan,
  type Tensor,
} from '../../runtime/index.ts';
import { testDevice } from '../support/device.ts';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where both are the same type. */
const same = <A, B>(_: Equal<A, B>): void => {};

test('makers know the dtype', async () => {
  const device = await testDevice();
  const x = tensor(device, [
    [1, 2],
    [3, 4],
  ]);
  const i = tensor(device, [1, 2], { dtype: 'i32' });
  const u = tensor(device, new Uint32Array(2));
  same<typeof x, Tensor<'f32', 2>>(true);
  same<typeof i, Tensor<'i32', 1>>(true);
  same<typeof u, Tensor<'u32', 1>>(true);
  const z = zeros(device, [2]);
  const o = ones(device, [2], 'i32');
  const f = full(device, [2], 1, 'f16');
  const p = parameter(zerosLike(x));
  const e = emptyLike(u);
  const seed = randomSeed(device, 1);
  same<typeof z, Tensor<'f32', 1>>(true);
  same<typeof o, Tensor<'i32', 1>>(true);
  same<typeof f, Tensor<'f16', 1>>(true);
  same<typeof p, Tensor<'f32', 2>>(true);
  same<typeof e, Tensor<'u32', 1>>(true);
  same<typeof seed, Tensor<'u32'>>(true);
  // @ts-expect-error a Float32Array holds no i32
  assert.throws(() => tensor(device, new Float32Array(2), { dtype: 'i32' }));
  assert.throws(
    // @ts-expect-error there is no such dtype
    () => zeros(device, [2], 'f64'),
    (error: unknown) => error instanceof ShapeError && /no dtype f64/.test(errorText(error)),
  );
  assert.ok(Number.isFinite(device.pool.stats.inUse));
});

test('reading gives the array of the dtype', async () => {
  const device = await testDevice();
  const x = tensor(device, [1, 2]);
  const real = await x.read();
  const whole = await cast(x, 'i32').read();
  same<typeof real, Float32Array>(true);
  same<typeof whole, Int32Array>(true);
  assert.instance(real, Float32Array);
  assert.instance(whole, Int32Array);
  same<Elements<'f16'>, Float32Array>(true);
  same<Elements, Float32Array | Int32Array | Uint32Array>(true);
  const positive = await relu(x).read();
  same<typeof positive, Float32Array>(true);
});

test('comparisons and indices are i32', async () => {
  const device = await testDevice();
  const x = tensor(device, [1, 2]);
  const mask = gt(x, 1);
  const best = argmax(x);
  const { indices } = sort(x);
  same<typeof mask, Tensor<'i32', 1>>(true);
  same<typeof best, Tensor<'i32'>>(true);
  same<typeof indices, Tensor<'i32'>>(true);
  assert.equal([mask.dtype, best.dtype, indices.dtype, eq(x, x).dtype], ['i32', 'i32', 'i32', 'i32']);
  const general: Tensor = where(mask, x, 0);
  // @ts-expect-error a tensor of any dtype is not known to be i32
  const special: Tensor<'i32'> = general;
  assert.is(special, general);
});

test('ranks go through operations, and a wrong one is an error', async () => {
  const device = await testDevice();
  const x = zeros(device, [1, 8, 8, 4]);
  const w = zeros(device, [3, 3, 4, 2]);
  const rows = zeros(device, [4, 6]);
  const y = relu(maxPool2d(conv2d(x, w, undefined, { padding: 1 }), { kernel: 2 }));
  same<typeof y, Tensor<'f32', 4>>(true);
  const [n, h, width, c] = y.shape;
  same<typeof c, number>(true);
  assert.equal([n, h, width, c], [1, 4, 4, 2]);
  // @ts-expect-error there is no fifth axis
  assert.is(y.shape[4], undefined);
  assert.throws(
    // @ts-expect-error rows must be images
    () => conv2d(rows, w),
    (error: unknown) => error instanceof ShapeError,
  );
  const flat = reshape(y, [n, -1]);
  const total = sum(flat);
  const perRow = sum(flat, 1);
  const biased = add(flat, zeros(device, [1]));
  const any: Tensor = y;
  same<typeof flat, Tensor<'f32', 2>>(true);
  same<typeof total, Tensor<'f32', 0>>(true);
  same<typeof perRow, Tensor<'f32'>>(true);
  same<typeof biased, Tensor<'f32', 1 | 2>>(true);
  const whole = zeros(device, [3], 'i32');
  const half = div(whole, 2);
  const more = add(whole, 1);
  same<typeof half, Tensor<'f32', 1>>(true);
  same<typeof more, Tensor<'i32', 1>>(true);
  assert.equal([half.dtype, more.dtype], ['f32', 'i32']);
  // A tensor of unknown rank goes anywhere, and is looked at when it gets there.
  assert.is(conv2d(any, zeros(device, [1, 1, 2, 3])).rank, 4);
});

test('the body of a plan knows its inputs', async () => {
  const device = await testDevice();
  const step = plan(device, { x: { shape: [2] }, y: { shape: [2], dtype: 'i32' } }, ({ x, y, ...rest }) => {
    same<typeof x, Tensor<'f32'>>(true);
    same<typeof y, Tensor<'i32'>>(true);
    // @ts-expect-error there is no such input
    assert.is(rest.z, undefined);
    return { total: sum(x) };
  });
  same<typeof step, Plan<{ total: Tensor<'f32', 0> }>>(true);
  // @ts-expect-error there is no such output
  assert.is(step.outputs.loss, undefined);
  step.dispose();
});

test.run();
