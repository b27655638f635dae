// The adapters of the conformance sets read every parameter of a case, or refuse the case: values that the shown cases
// do not vary must not be ignored.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Device } from '../../runtime/device/device.ts';
import type { Tensor, TensorData } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';
import { allRead, noted } from '../support/reading.ts';
import { forward } from '../support/torchNets.ts';
import { Unsupported } from '../support/unsupported.ts';
import { FAMILIES } from './torch/index.ts';
import { WEBNN } from './webnn/index.ts';

type Given = readonly [shape: readonly number[], data: TensorData | readonly number[]];

const tensors = (device: Device, inputs: Record<string, Given>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(inputs).map(([name, [shape, data]]) => [name, device.tensor(data, shape)]));

/** Runs an adapter as the runner does. @returns its first output */
async function run(op: string, params: Record<string, unknown>, inputs: Record<string, Given>): Promise<number[]> {
  const device = await testDevice();
  const family = FAMILIES.find((f) => op in f.runs)!;
  const t = noted(tensors(device, inputs));
  const p = noted(params, { byName: true });
  const made = await family.runs[op](t.of, p.of, device);
  allRead(op, t, p);
  const y = 'storage' in made ? (made as Tensor) : Object.values(made)[0];
  return [...(await y.read())];
}

const P = [
  [0.2, 0.5, 0.3],
  [0.6, 0.1, 0.3],
];
const Q = [
  [0.1, 0.6, 0.3],
  [0.25, 0.25, 0.5],
];
const each = P.flatMap((p, i) => p.map((v, k) => Q[i][k] * (Math.log(Q[i][k]) - Math.log(v))));
const total = each.reduce((a, b) => a + b);
const logp: Given = [[2, 3], P.flat().map(Math.log)];
const q: Given = [[2, 3], Q.flat()];
const logq: Given = [[2, 3], Q.flat().map(Math.log)];
const x: Given = [[4], [-3, -0.5, 0.5, 3]];
const softplus = (v: number): number => Math.log1p(Math.exp(v));

const CASES: readonly [
  op: string,
  params: Record<string, unknown>,
  inputs: Record<string, Given>,
  want: readonly number[],
][] = [
  ['kl_div', { reduction: 'sum' }, { logp, q }, [total]],
  ['kl_div', { reduction: 'batchmean' }, { logp, q }, [total / 2]],
  ['kl_div', { reduction: 'mean' }, { logp, q }, [total / 6]],
  ['kl_div', {}, { logp, q }, [total / 6]],
  ['kl_div', { reduction: 'none' }, { logp, q }, each],
  ['kl_div', { reduction: 'sum', log_target: true }, { logp, q: logq }, [total]],
  ['hardtanh', { min_val: -2, max_val: 0.25 }, { x }, [-2, -0.5, 0.25, 0.25]],
  ['celu', { alpha: 0.5 }, { x }, [0.5 * Math.expm1(-6), 0.5 * Math.expm1(-1), 0.5, 3]],
  ['leaky_relu', {}, { x }, [-0.03, -0.005, 0.5, 3]],
  ['softplus', { beta: 2, threshold: 0.5 }, { x }, [softplus(-6) / 2, softplus(-1) / 2, 0.5, 3]],
  ['round', { decimals: 1 }, { x: [[2], [0.26, -1.31]] }, [0.3, -1.3]],
  ['clamp', { min: -1 }, { x }, [-1, -0.5, 0.5, 3]],
  [
    'argmax',
    {},
    {
      x: [
        [2, 2],
        [1, 5, 7, 2],
      ],
    },
    [2],
  ],
  ['norm', { p: Infinity, dim: [0] }, { x }, [3]],
  [
    'normalize',
    {},
    {
      x: [
        [1, 2],
        [3, 4],
      ],
    },
    [0.6, 0.8],
  ],
  [
    'normalize',
    { p: 2, dim: 1, eps: 10 },
    {
      x: [
        [1, 2],
        [3, 4],
      ],
    },
    [0.3, 0.4],
  ],
  ['one_hot', { num_classes: -1 }, { x: [[2], Int32Array.of(0, 1)] }, [1, 0, 0, 1]],
  ['roll', { shifts: 1, dims: 0 }, { x }, [3, -3, -0.5, 0.5]],
  [
    'binary_cross_entropy_with_logits',
    {},
    { x, target: [[4], [0, 1, 0, 1]], weight: [[4], [1, 0, 2, 0]] },
    [(softplus(-3) + 2 * softplus(0.5)) / 4],
  ],
  [
    'nll_loss',
    { ignore_index: 0, reduction: 'mean' },
    {
      x: [
        [1, 2],
        [-1, -2],
      ],
      target: [[1], Int32Array.of(0)],
    },
    [NaN],
  ],
  ['smooth_l1_loss', { beta: 0, reduction: 'sum' }, { a: x, b: [[4], [0, 0, 0, 0]] }, [7]],
  [
    'avg_pool2d',
    { kernel_size: 2, divisor_override: 3 },
    {
      x: [
        [1, 1, 2, 2],
        [1, 2, 3, 6],
      ],
    },
    [4],
  ],
  [
    'adaptive_avg_pool2d',
    { output_size: [null, 1] },
    {
      x: [
        [1, 1, 2, 2],
        [1, 2, 3, 6],
      ],
    },
    [1.5, 4.5],
  ],
  [
    'interpolate',
    { scale_factor: 2, mode: 'linear' },
    {
      x: [
        [1, 1, 2],
        [0, 4],
      ],
    },
    [0, 1, 3, 4],
  ],
  [
    'interpolate',
    { size: [1, 1], mode: 'area' },
    {
      x: [
        [1, 1, 2, 2],
        [1, 2, 3, 6],
      ],
    },
    [3],
  ],
  [
    'conv2d',
    { padding: 'same', dilation: [1, 1] },
    {
      x: [
        [1, 1, 1, 3],
        [1, 2, 3],
      ],
      w: [
        [1, 1, 1, 2],
        [1, 10],
      ],
    },
    [21, 32, 3],
  ],
  [
    'conv1d',
    { stride: [2], padding: 'valid' },
    {
      x: [
        [1, 1, 4],
        [1, 2, 3, 4],
      ],
      w: [
        [1, 1, 2],
        [1, 10],
      ],
    },
    [21, 43],
  ],
  [
    'group_norm',
    { num_groups: 1, eps: 0 },
    {
      x: [
        [1, 2, 1],
        [1, 3],
      ],
    },
    [-1, 1],
  ],
];

for (const [op, params, inputs, want] of CASES) {
  test(`${op} ${JSON.stringify(params)}`, async () => {
    const got = await run(op, params, inputs);
    assert.is(got.length, want.length);
    want.forEach((w, i) =>
      Number.isNaN(w) ? assert.ok(Number.isNaN(got[i]), `${got[i]}`) : close([got[i]], [w], 2e-6, `${op}[${i}]`),
    );
  });
}

test("an optimiser has its own defaults, and no other's parameters", async () => {
  const p0: Given = [[1], [2]];
  const g0: Given = [[1], [0]];
  // Without a gradient only the decay changes the weight: PyTorch's AdamW has one of 0.01.
  close(await run('optimizer', { kind: 'adamw', lr: [0.1] }, { p0, g0 }), [2 * (1 - 0.1 * 0.01)], 1e-6, 'adamw');
  close(await run('optimizer', { kind: 'adam', lr: [0.1] }, { p0, g0 }), [2], 1e-6, 'adam');
  for (const extra of [{ amsgrad: true }, { momentum: 0.9 }, { maximize: true }])
    await refused('optimizer', { kind: 'adamw', lr: [0.1], ...extra }, { p0, g0 }, Object.keys(extra)[0]);
});

async function refused(
  op: string,
  params: Record<string, unknown>,
  inputs: Record<string, Given>,
  what: string,
): Promise<void> {
  try {
    await run(op, params, inputs);
  } catch (error) {
    assert.instance(error, Unsupported, `${error}`);
    assert.match((error as Error).message, what);
    return;
  }
  assert.unreachable(`${op} ${JSON.stringify(params)} ran`);
}

test('what is not known is refused, not ignored', async () => {
  const one: Given = [[1], [1]];
  await refused('kl_div', { reduction: 'average' }, { logp, q }, 'reduction "average"');
  await refused('relu', { threshold: 2 }, { x }, 'relu with threshold');
  await refused('relu', {}, { x, slope: one }, 'relu with slope');
  await refused(
    'conv2d',
    { padding_mode: 'reflect' },
    { x: [[1, 1, 1, 1], [1]], w: [[1, 1, 1, 1], [1]] },
    'padding_mode',
  );
  await refused('interpolate', { size: [2, 2], mode: 'bicubic' }, { x: [[1, 1, 1, 1], [1]] }, 'bicubic');
  await refused('interpolate', { size: [2, 2], antialias: true }, { x: [[1, 1, 1, 1], [1]] }, 'antialias');
  await refused('autograd', { expr: 'y = (a + b) * c * c' }, { a: one, b: one, c: one }, 'expr');
  await refused(
    'fixmatch_loss',
    { threshold: 0.5, normalise: 'sum' },
    {
      weak: [
        [1, 2, 1, 1],
        [1, 0],
      ],
      strong: [
        [1, 2, 1, 1],
        [1, 0],
      ],
      ignore: [[1, 1, 1], Int32Array.of(0)],
    },
    'normalise',
  );
});

test('settings of WebNN and of networks, too', async () => {
  const device = await testDevice();
  const settings = noted({ axis: 1, label: 'x' }, { byName: true });
  WEBNN.softmax({ input: device.tensor([1, 2], [1, 2]) }, settings.of);
  assert.throws(
    () => allRead('softmax', settings),
    (e: unknown) => e instanceof Unsupported && e.message === 'softmax with label',
  );
  const node = { out: 'y', op: 'relu', in: ['x'], negative_slope: 0.1 };
  assert.throws(
    () => forward([node], device.tensor([1], [1, 1, 1, 1]), {}, false),
    (e: unknown) => e instanceof Unsupported && /relu with negative_slope/.test(e.message),
  );
});

test('an adapter cannot copy all parameters at once', () => {
  const { of } = noted({ a: 1 }, { byName: true });
  assert.throws(() => ({ ...of }), /by its name/);
});

test.run();
