// Group, layer, instance and RMS norm.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { groupNorm, instanceNorm, layerNorm, rmsNorm } from '../../runtime/ops/index.ts';
import { sizeOf, type Shape, type Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, f64, type F64, type OpCase } from '../support/op.ts';
import { says } from '../support/errors.ts';

/** x as [n, pixels, groups, width]. */
function reference(
  { x, gamma, beta }: Record<string, F64>,
  [pixels, groups, width]: number[],
  eps: number,
  centre: boolean,
): F64 {
  const y = f64(x.shape);
  const c = groups * width;
  const n = x.data.length / (pixels * c);
  for (let s = 0; s < n; s++)
    for (let g = 0; g < groups; g++) {
      const places = Array.from(
        { length: pixels * width },
        (_, k) => (s * pixels + Math.floor(k / width)) * c + g * width + (k % width),
      );
      const mean = centre ? places.reduce((m, i) => m + x.data[i], 0) / places.length : 0;
      const variance = places.reduce((m, i) => m + (x.data[i] - mean) ** 2, 0) / places.length;
      for (const i of places)
        y.data[i] =
          ((x.data[i] - mean) / Math.sqrt(variance + eps)) * (gamma?.data[i % c] ?? 1) + (beta?.data[i % c] ?? 0);
    }
  return y;
}

function add(
  name: string,
  x: Shape,
  split: number[],
  affine: Shape,
  given: string[],
  eps: number,
  centre: boolean,
  run: (t: Record<string, Tensor>) => Tensor,
): void {
  const c: OpCase = {
    name: `${name} [${x}] ${given.join(' ')}`,
    inputs: {
      x: { shape: x, draw: (r) => 1 + 2 * r.normal() },
      ...Object.fromEntries(given.map((k) => [k, { shape: affine }])),
    },
    run,
    reference: (t) => reference(t, split, eps, centre),
    tolerance: 2e-5,
    h: 1e-6,
  };
  test(c.name, async () => checkCase(await testDevice(), c));
}

const BOTH = ['gamma', 'beta'];

for (const [x, axes] of [
  [[4, 16], 1],
  [[2, 5, 8], 1],
  [[2, 5, 3, 4], 2],
  [[7], 1],
  [[3, 1000], 1],
  [[2, 2, 2, 3, 1], 4],
  [[200, 48], 1],
  [[3, 40, 33, 8], 3],
  [[0, 6], 1],
] as [Shape, number][]) {
  const shape = x.slice(-axes);
  const d = sizeOf(shape);
  for (const given of [[], ['gamma'], BOTH]) {
    add('layerNorm', x, [1, 1, d], shape, given, 1e-5, true, (t) => layerNorm(t.x, shape, t.gamma, t.beta));
    if (given !== BOTH)
      add('rmsNorm', x, [1, 1, d], shape, given, 1e-3, false, (t) => rmsNorm(t.x, shape, t.gamma, { eps: 1e-3 }));
  }
}

for (const [x, groups] of [
  [[2, 5, 4, 8], 2],
  [[2, 5, 4, 6], 6],
  [[1, 7, 3, 9], 1],
  [[3, 12], 4],
  [[2, 128, 128, 6], 3],
  [[2, 2, 3, 2, 4], 2],
] as [Shape, number][]) {
  const c = x[x.length - 1];
  const pixels = sizeOf(x.slice(1, -1));
  add(`groupNorm ${groups}`, x, [pixels, groups, c / groups], [c], BOTH, 1e-5, true, (t) =>
    groupNorm(t.x, groups, t.gamma, t.beta),
  );
  if (pixels > 1)
    add('instanceNorm', x, [pixels, c, 1], [c], BOTH, 1e-4, true, (t) =>
      instanceNorm(t.x, t.gamma, t.beta, { eps: 1e-4 }),
    );
}
add('groupNorm 2 alone', [2, 3, 3, 4], [9, 2, 2], [4], [], 1e-5, true, (t) => groupNorm(t.x, 2));

test('a large common offset costs no digits', async () => {
  const device = await testDevice();
  const x: F64 = f64(
    [1, 64, 64, 4],
    Float32Array.from({ length: 16384 }, (_, i) => 10000 + Math.fround(Math.sin(i))),
  );
  const y = groupNorm(device.tensor(Float32Array.from(x.data), x.shape), 2);
  close(await y.read(), reference({ x }, [4096, 2, 2], 1e-5, true).data, 2e-3, 'y');
});

test('what does not fit is refused', async () => {
  const device = await testDevice();
  const x = device.empty([2, 3, 4]);
  assert.throws(() => layerNorm(x, [3]), says(/does not end in \[3\]/));
  assert.throws(() => layerNorm(x, []), says(/does not end in/));
  assert.throws(() => layerNorm(x, [4], device.empty([3])), says(/they must be \[4\]/));
  assert.throws(() => rmsNorm(device.empty([2, 0]), [0]), says(/nothing to take a mean of/));
  assert.throws(() => groupNorm(x, 3), says(/4 channels of \[2,3,4\] do not divide into 3/));
  assert.throws(() => groupNorm(device.empty([4]), 2), says(/not \[n, \.\.\., c\]/));
  assert.throws(() => instanceNorm(device.empty([2, 3, 4], 'i32')), says(/is i32/));
});

test.run();
