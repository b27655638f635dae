// Batch normalisation in both modes, with and without ReLU, and its running statistics.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { batchNorm } from '../../runtime/ops/batchNorm.ts';
import { cast } from '../../runtime/ops/cast.ts';
import { full } from '../../runtime/ops/fill.ts';
import type { Shape, Tensor } from '../../runtime/tensor.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';
import { checkCase, close, f64, type F64, type OpCase } from '../support/op.ts';

function moments(x: F64): { mean: Float64Array; variance: Float64Array } {
  const c = x.shape[x.shape.length - 1];
  const rows = x.data.length / c;
  const mean = new Float64Array(c);
  const variance = new Float64Array(c);
  x.data.forEach((v, i) => (mean[i % c] += v / rows));
  x.data.forEach((v, i) => (variance[i % c] += (v - mean[i % c]) ** 2 / rows));
  return { mean, variance };
}

function normalise(
  x: F64,
  gamma: F64,
  beta: F64,
  mean: ArrayLike<number>,
  variance: ArrayLike<number>,
  relu: boolean,
): F64 {
  const c = gamma.data.length;
  return f64(
    x.shape,
    x.data.map((v, i) => {
      const y = ((v - mean[i % c]) / Math.sqrt(variance[i % c] + 1e-5)) * gamma.data[i % c] + beta.data[i % c];
      return relu ? Math.max(y, 0) : y;
    }),
  );
}

const SHAPES: Shape[] = [
  [2, 3, 4, 5],
  [3, 16, 17, 8],
  [2, 48, 64, 3],
  [7, 1],
];

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
      inputs: {
        ...train.inputs,
        mean: { shape: [c], grad: false },
        variance: { shape: [c], grad: false, draw: (r) => r.uniform(0.5, 2) },
      },
      run: ({ x, gamma, beta, mean, variance }) =>
        batchNorm(x, gamma, beta, { mean, variance }, { mode: 'eval', relu }),
      reference: ({ x, gamma, beta, mean, variance }) => normalise(x, gamma, beta, mean.data, variance.data, relu),
    };
    test(evaluation.name, async () => checkCase(await testDevice(), evaluation));
    for (const alone of [train, evaluation]) {
      const residual: OpCase = {
        ...alone,
        name: `${alone.name} residual`,
        inputs: { ...alone.inputs, residual: { shape } },
        run: ({ x, gamma, beta, mean, variance, residual }) =>
          batchNorm(x, gamma, beta, mean && { mean, variance }, { mode: mean ? 'eval' : 'train', relu, residual }),
        reference: ({ x, gamma, beta, mean, variance, residual }) => {
          const m = mean ? { mean: mean.data, variance: variance.data } : moments(x);
          const y = normalise(x, gamma, beta, m.mean, m.variance, false);
          return f64(
            y.shape,
            y.data.map((v, i) => (relu ? Math.max(v + residual.data[i], 0) : v + residual.data[i])),
          );
        },
      };
      test(residual.name, async () => checkCase(await testDevice(), residual));
    }
  }
}

test('running statistics: unbiased variance, momentum 0.1, untouched without update; biased on demand', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 6], [4, 1]);
  const one = device.tensor([1], [1]);
  const zero = device.tensor([0], [1]);
  const mean = device.tensor([0], [1]);
  const variance = device.tensor([1], [1]);
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
  const y = batchNorm(device.tensor(values, [4096, 1]), device.tensor([1], [1]), device.tensor([0], [1]), undefined, {
    mode: 'train',
  });
  close(
    await y.read(),
    Float64Array.from(values, (v) => (v - mean[0]) / Math.sqrt(variance[0] + 1e-5)),
    2e-3,
    'y',
  );
});

test('in evaluation the running statistics stay what they are: tensors without a history, not freed', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 6], [4, 1]);
  const one = device.tensor([1], [1]);
  const zero = device.tensor([0], [1]);
  const mean = device.tensor([3], [1]);
  const variance = device.tensor([4], [1]);
  one.requiresGrad = true;
  const y = batchNorm(x, one, zero, { mean, variance }, { mode: 'eval' });
  assert.ok(y.tracked && !mean.tracked && !variance.tracked);
  one.requiresGrad = false;
  batchNorm(x, one, zero, { mean, variance }, { mode: 'eval' });
  assert.equal([await mean.item(), await variance.item()], [3, 4]);
});

const devices = { 'the adapter': testDevice, GPUs: gpuVariants, 'another software adapter': softwareVariants };

for (const [name, open] of Object.entries(devices)) {
  for (const dtype of ['f32', 'f16'] as const) {
    for (const c of [1, 3, 8]) {
      test(`NaN stays NaN behind the ReLU: ${dtype}, ${c} channels, kernels for ${name}`, async () => {
        const device = await open();
        const values = [NaN, 2, -2, Infinity, -Infinity];
        const rows = values.length;
        const row = (i: number): number => Math.floor(i / c);
        const whole = (v: (i: number) => number): Tensor => {
          return cast(
            device.tensor(
              Float32Array.from({ length: rows * c }, (_, i) => v(i)),
              [rows, c],
            ),
            dtype,
          );
        };
        const channels = (v: number): Tensor => device.tensor(Array(c).fill(v), [c]);
        const x = whole((i) => values[row(i)]);
        const one = channels(1);
        const zero = channels(0);
        const running = { mean: zero, variance: channels(1 - 1e-5) };
        const residual = whole(() => 0);
        x.requiresGrad = residual.requiresGrad = true;
        const dy = whole((i) => 1 + row(i));
        const each = (v: readonly number[]): number[] => v.flatMap((w) => Array<number>(c).fill(w));
        const rounded = (v: ArrayLike<number>): number[] => Array.from(v, (w) => Math.round(100 * w) / 100);
        for (const more of [{}, { residual }]) {
          const y = batchNorm(x, one, zero, running, { mode: 'eval', relu: true, ...more });
          assert.equal(rounded(await y.read()), each([NaN, 2, 0, Infinity, 0]));
          const [dx] = grad(y, [x], { dy });
          assert.equal(rounded(await dx.read()), each([1, 2, 0, 4, 0]), 'the gradient passes at NaN, as in PyTorch');
        }
        // A broken residual, a broken scale, and statistics of a broken batch.
        const broken = batchNorm(residual, one, zero, running, { mode: 'eval', relu: true, residual: x });
        assert.equal(rounded(await broken.read()), each([NaN, 2, 0, Infinity, 0]));
        const scaled = batchNorm(residual, channels(NaN), zero, running, { mode: 'eval', relu: true });
        assert.ok((await scaled.read()).every(Number.isNaN));
        const train = batchNorm(x, one, zero, undefined, { mode: 'train', relu: true });
        assert.ok((await train.read()).every(Number.isNaN));
        assert.ok((await grad(train, [x], { dy })[0].read()).every(Number.isNaN));
      });
    }
  }
}

test('a channel that is NaN leaves the others alone', async () => {
  const device = await testDevice();
  const one = device.tensor([1, 1, 1, 1], [4]);
  const zero = device.tensor([0, 0, 0, 0], [4]);
  const x = device.tensor(
    Float32Array.from({ length: 64 * 4 }, (_, i) => (i === 5 ? NaN : Math.sin(i))),
    [64, 4],
  );
  x.requiresGrad = true;
  const y = batchNorm(x, one, zero, undefined, { mode: 'train', relu: true });
  const [got, dx] = await device.read([y, grad(y, [x], { dy: full(device, [64, 4], 1) })[0]]);
  for (const t of [got, dx]) t.forEach((v: number, i: number) => assert.is(Number.isNaN(v), i % 4 === 1));
});

test.run();
