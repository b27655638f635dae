// Elements of another type.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { floatToHalf, halfToFloat } from '../../runtime/half.ts';
import { cast, full, mul } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { DType, Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

const read = async (t: Tensor): Promise<number[]> => [...(await t.read())];

test('every f16 to f32 and back, bit by bit', async () => {
  const device = await testDevice();
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const x = device.tensor(bits, [65536]);
  const y = cast(x, 'f32');
  const want = halfToFloat(bits);
  const got = await y.read();
  want.forEach((w, i) => assert.ok(Object.is(got[i], w), `0x${i.toString(16)} is ${got[i]}, expected ${w}`));
  const back = await cast(y, 'f16').read();
  want.forEach((w, i) => assert.ok(Object.is(back[i], w), `0x${i.toString(16)} comes back as ${back[i]}`));
});

test('f32 to the nearest f16', async () => {
  const device = await testDevice();
  const rng = new Rng(3, 1);
  const ties = [
    65519.996,
    65520,
    65504,
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    2 ** -25,
    2 ** -25 * 1.0000001,
    3 * 2 ** -25,
    2 ** -14 - 2 ** -25,
    6.1e-5,
    1e-10,
    1e-42,
    1e38,
    Infinity,
    -Infinity,
    NaN,
    -0,
    0,
  ];
  for (const n of [0, 1, 2, 5, 20000]) {
    const x = Float32Array.from({ length: n }, (_, i) =>
      i < ties.length ? ties[i] : rng.normal() * 2 ** rng.uniform(-30, 17),
    );
    const got = await cast(device.tensor(x, [n]), 'f16').read();
    const want = halfToFloat(floatToHalf(x));
    want.forEach((w, i) => assert.ok(Object.is(got[i], w), `${x[i]} is ${got[i]}, expected ${w}`));
  }
});

test('between numbers and integers', async () => {
  const device = await testDevice();
  const f = device.tensor([-2.9, -0.5, 0, 0.99, 7.5, 1e10, -1e10], [7]);
  assert.equal(await read(cast(f, 'i32')), [-2, 0, 0, 0, 7, (await read(cast(f, 'i32')))[5], -(2 ** 31)]);
  assert.ok((await read(cast(f, 'i32')))[5] >= 2147483520);
  const u = await read(cast(f, 'u32'));
  assert.equal(u.slice(0, 5), [0, 0, 0, 0, 7]);
  assert.ok(u[5] >= 4294967040 && u[6] === 0);
  const i = device.tensor(Int32Array.from([-1, 5, 2 ** 31 - 1, -(2 ** 31)]), [2, 2]);
  assert.equal(await read(cast(i, 'f32')), [-1, 5, 2 ** 31, -(2 ** 31)]);
  assert.equal(await read(cast(i, 'u32')), [2 ** 32 - 1, 5, 2 ** 31 - 1, 2 ** 31]);
  assert.equal(await read(cast(cast(i, 'u32'), 'i32')), [-1, 5, 2 ** 31 - 1, -(2 ** 31)]);
  assert.equal(await read(cast(cast(i, 'u32'), 'f32')), [2 ** 32, 5, 2 ** 31, 2 ** 31]);
  assert.equal(await read(cast(i, 'f16')), [-1, 5, Infinity, -Infinity]);
  assert.equal(await read(cast(cast(device.tensor([-3.7, 2.2, 9], [3]), 'f16'), 'i32')), [-3, 2, 9]);
});

test('any shape, and the same type', async () => {
  const device = await testDevice();
  for (const shape of [[], [0], [1], [3, 5], [2, 3, 1, 2, 2], [8, 128, 128, 3]]) {
    const n = shape.reduce((a, b) => a * b, 1);
    for (const dtype of ['f32', 'f16', 'i32', 'u32'] as DType[]) {
      const y = cast(
        device.tensor(
          Float32Array.from({ length: n }, (_, k) => k % 100),
          shape,
        ),
        dtype,
      );
      assert.equal([y.dtype, y.shape], [dtype, shape]);
      assert.ok(
        (await y.read()).every((v, k) => v === k % 100),
        `${dtype} [${shape}]`,
      );
    }
  }
});

test('the gradient passes between floats, also twice, and ends at integers', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3], [3]);
  const ones = full(device, [3], 1);
  x.requiresGrad = true;
  const half = cast(x, 'f16');
  const y = cast(half, 'f32');
  const [dx] = grad(mul(y, mul(y, y)), [x], { dy: ones, createGraph: true });
  assert.equal([dx.dtype, await read(dx)], ['f32', [3, 12, 27]]);
  assert.equal(await read(grad(dx, [x], { dy: ones })[0]), [6, 12, 18]);
  assert.equal(await read(grad(cast(x, 'f32'), [x], { dy: ones })[0]), [1, 1, 1]);
  assert.is(cast(x, 'i32').node, null);
});

test('an unknown type is refused', async () => {
  const device = await testDevice();
  assert.throws(() => cast(device.empty([2]), 'f64' as DType), /cast: there is no dtype f64/);
});

test.run();
