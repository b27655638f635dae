// The walk backwards: what it asks of the gradient that it starts with, and second derivatives.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { errorText, GradientError, ShapeError } from '../../runtime/errors.ts';
import {
  add,
  concat,
  crossEntropy,
  full,
  layerNorm,
  logsumexp,
  matmul,
  mul,
  pad2d,
  relu,
  reshape,
  slice,
  softmax,
  weightedSum,
} from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';

test('dy must be like the result', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  x.requiresGrad = true;
  const y = relu(x);
  const wrong = (e: unknown): boolean => e instanceof ShapeError && /dy is/.test(errorText(e));
  assert.throws(() => grad(y, [x], { dy: device.empty([3, 2]) }), wrong);
  assert.throws(() => grad(y, [x], { dy: device.empty([3]) }), wrong);
  assert.throws(() => grad(y, [x], { dy: device.empty([2, 3], 'i32') }), wrong);
});

/**
 * f(x) = sum over i of x_i^4 through the operation under test; its gradient 4 x^3 is differentiated once more: 12 x^2.
 */
const FOURTH: Record<string, (x: Tensor) => Tensor> = {
  mul: (x) => mul(mul(x, x), mul(x, x)),
  reshape: (x) => {
    const v = reshape(mul(x, x), [x.size, 1]);
    return mul(v, v);
  },
  matmul: (x) => {
    const v = reshape(mul(x, x), [x.size, 1]);
    return matmul(v, v, { transposeA: true });
  },
  'matmul over a batch': (x) => {
    const v = mul(x, x);
    const one = full(x.device, [2, 1, 1], 1);
    return matmul(one, mul(reshape(v, [1, x.size]), reshape(v, [1, x.size])));
  },
  'slice, pad2d and concat': (x) => {
    const v = reshape(mul(x, x), [1, 1, x.size, 1]);
    const parts = concat([slice(v, [0, 0, 0, 0], [1, 1, 2, 1]), slice(v, [0, 0, 2, 0], [1, 1, x.size - 2, 1])], 2);
    const padded = pad2d(
      parts,
      [
        [1, 0],
        [0, 2],
      ],
      3,
    );
    return mul(padded, padded);
  },
  'add and weightedSum': (x) => {
    const v = mul(x, x);
    const w = mul(v, v);
    return weightedSum([
      [add(w, w), 2],
      [w, -3],
    ]);
  },
};

for (const [name, f] of Object.entries(FOURTH)) {
  test(`the second derivative through ${name}`, async () => {
    const device = await testDevice();
    const values = [0.5, -1, 2, 1.5];
    const copies = name === 'matmul over a batch' ? 2 : 1;
    const got = device.scope(() => {
      const x = device.tensor(values, [4]);
      x.requiresGrad = true;
      const y = f(x);
      const [dx] = grad(y, [x], { dy: full(device, y.shape, 1), createGraph: true });
      return { dx, ddx: grad(dx, [x], { dy: full(device, [4], 1) })[0] };
    });
    close(
      await got.dx.read(),
      values.map((v) => copies * 4 * v ** 3),
      1e-6,
      'first',
    );
    close(
      await got.ddx.read(),
      values.map((v) => copies * 12 * v ** 2),
      1e-6,
      'second',
    );
    got.dx.dispose();
    got.ddx.dispose();
  });
}

test('an operation without a second derivative says so', async () => {
  const device = await testDevice();
  device.scope(() => {
    const x = device.tensor([1, 2], [1, 2]);
    x.requiresGrad = true;
    const labels = device.tensor([1], [1], 'i32');
    for (const y of [layerNorm(x, [2]), crossEntropy(mul(x, x), labels), logsumexp(x)]) {
      const dy = full(device, y.shape, 1);
      assert.throws(
        () => grad(y, [x], { dy, createGraph: true }),
        (e: unknown) => e instanceof GradientError && /no second derivative/.test(errorText(e)),
      );
      grad(y, [x], { dy });
    }
    // Softmax has a second derivative, and no third.
    const dy = device.tensor([1, -2], [1, 2]);
    const [dx] = grad(softmax(x), [x], { dy, createGraph: true });
    grad(dx, [x], { dy });
    assert.throws(
      () => grad(dx, [x], { dy, createGraph: true }),
      (e: unknown) => e instanceof GradientError && /softmax gradient/.test(errorText(e)),
    );
  });
});

test.run();
