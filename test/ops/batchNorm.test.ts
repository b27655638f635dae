// Batch normalisation in both modes, with and without ReLU, and its running statistics.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { batchNorm } from '../../runtime/ops/batchNorm.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, f64, type F64, type OpCase } from '../support/op.ts';

function moments(x: F64): { mean: Float64Array; variance: Float64Array } {
  const c = x.shape[x.shape.length - 1], rows = x.data.length / c;
  const mean = new Float64Array(c), variance = new Float64Array(c);
  x.data.forEach((v, i) => (mean[i % c] += v / rows));
  x.data.forEach((v, i) => (variance[i % c] += (v - mean[i % c]) ** 2 / rows));
  return { mean, variance };
}

function normalise(x: F64, gamma: F64, beta: F64, mean: ArrayLike<number>, variance: ArrayLike<number>, relu: boolean): F64 {
  const c = gamma.data.length;
  return f64(x.shape, x.data.map((v, i) => {
    const y = ((v - mean[i % c]) / Math.sqrt(variance[i % c] + 1e-5)) * gamma.data[i % c] + beta.data[i % c];
    return relu ? Math.max(y, 0) : y;
  }));
}

const SHAPES: Shape[] = [[2, 3, 4, 5], [3, 16, 17, 8], [2, 48, 64, 3], [7, 1]];

for (const shape of SHAPES) {
  const c = shape[shape.length - 1];
  for (const relu of [false, true]) {
    const train: OpCase = {
      name: `batchNorm train [${shape}]${relu ? ' relu' : ''}`,
      inputs: { x: { shape, draw: (r) => 3 + 2 * r.normal() }, gamma: { shape: [c] }, beta: { shape: [c] } },
      run: ({ x, gamma, beta }) => batchNorm(x, gamma, beta, undefined, { mode: 'train', relu }),
      reference: ({ x, gamma, beta }) => {
        const { mean, variance } = moments(x);
        return normalise(x, gamma, beta, mean, variance, relu);
      },
      tolerance: 2e-5,
      h: 1e-6,
    };
    test(train.name, async () => checkCase(await testDevice(), train));
    const evaluation: OpCase = {
      ...train,
      name: `batchNorm eval [${shape}]${relu ? ' relu' : ''}`,
      inputs: { ...train.inputs, mean: { shape: [c], grad: false }, variance: { shape: [c], grad: false, draw: (r) => r.uniform(0.5, 2) } },
      run: ({ x, gamma, beta, mean, variance }) => batchNorm(x, gamma, beta, { mean, variance }, { mode: 'eval', relu }),
      reference: ({ x, gamma, beta, mean, variance }) => normalise(x, gamma, beta, mean.data, variance.data, relu),
    };
    test(evaluation.name, async () => checkCase(await testDevice(), evaluation));
    for (const alone of [train, evaluation]) {
      const residual: OpCase = {
        ...alone,
        name: `${alone.name} residual`,
        inputs: { ...alone.inputs, residual: { shape } },
        run: ({ x, gamma, beta, mean, variance, residual }) => batchNorm(x, gamma, beta, mean && { mean, variance }, { mode: mean ? 'eval' : 'train', relu, residual }),
        reference: ({ x, gamma, beta, mean, variance, residual }) => {
          const m = mean ? { mean: mean.data, variance: variance.data } : moments(x), y = normalise(x, gamma, beta, m.mean, m.variance, false);
          return f64(y.shape, y.data.map((v, i) => (relu ? Math.max(v + residual.data[i], 0) : v + residual.data[i])));
        },
      };
      test(residual.name, async () => checkCase(await testDevice(), residual));
    }
  }
}

test('running statistics: unbiased variance, momentum 0.1, untouched without update; biased on demand', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 6], [4, 1]);
  const one = device.tensor([1], [1]), zero = device.tensor([0], [1]);
  const mean = device.tensor([0], [1]), variance = device.tensor([1], [1]);
  batchNorm(x, one, zero, { mean, variance }, { mode: 'train', update: false });
  assert.equal([await mean.item(), await variance.item()], [0, 1]);
  batchNorm(x, one, zero, { mean, variance }, { mode: 'train' });
  close([await mean.item(), await variance.item()], [0.3, 1.3666667], 1e-6, 'running statistics');
  device.write(mean, Float32Array.of(0));
  device.write(variance, Float32Array.of(1));
  batchNorm(x, one, zero, { mean, variance }, { mode: 'train', momentum: 0.0003, runningVariance: 'biased' });
  close([await mean.item(), await variance.item()], [0.0009, 1.00075], 1e-6, "TensorFlow's running statistics");
});

test('a large common offset costs no digits', async () => {
  const device = await testDevice();
  const values = Float32Array.from({ length: 4096 }, (_, i) => 10000 + Math.fround(Math.sin(i)));
  const { mean, variance } = moments(f64([4096, 1], values));
  const y = batchNorm(device.tensor(values, [4096, 1]), device.tensor([1], [1]), device.tensor([0], [1]), undefined, { mode: 'train' });
  close(await y.read(), Float64Array.from(values, (v) => (v - mean[0]) / Math.sqrt(variance[0] + 1e-5)), 2e-3, 'y');
});

test('in evaluation the running statistics stay what they are: tensors without a history, not freed', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 6], [4, 1]), one = device.tensor([1], [1]), zero = device.tensor([0], [1]);
  const mean = device.tensor([3], [1]), variance = device.tensor([4], [1]);
  one.requiresGrad = true;
  const y = batchNorm(x, one, zero, { mean, variance }, { mode: 'eval' });
  assert.ok(y.tracked && !mean.tracked && !variance.tracked);
  one.requiresGrad = false;
  batchNorm(x, one, zero, { mean, variance }, { mode: 'eval' });
  assert.equal([await mean.item(), await variance.item()], [3, 4]);
});

test.run();
