// Permuting, expanding, flipping, rolling, repeating, pixel shuffle.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import {
  expand,
  flip,
  mul,
  permute,
  pixelShuffle,
  pixelUnshuffle,
  repeat,
  repeatInterleave,
  roll,
  transpose,
} from '../../runtime/ops/index.ts';
import type { DType, Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { Draw, made, of } from '../support/nd.ts';
import { checkCase, type OpCase } from '../support/op.ts';

const mod = (a: number, n: number): number => ((a % n) + n) % n;

const permuted = (shape: Shape, axes: number[]): OpCase => ({
  name: `permute [${shape}] by ${axes}`,
  inputs: { x: { shape } },
  run: ({ x }) => permute(x, axes),
  reference: ({ x }) =>
    made(
      axes.map((a) => shape.at(a)!),
      (at) =>
        of(
          x,
          shape.map((_, a) => at[axes.findIndex((b) => mod(b, shape.length) === a)]),
        ),
    ),
});

const expanded = (shape: Shape, to: Shape): OpCase => ({
  name: `expand [${shape}] to [${to}]`,
  inputs: { x: { shape } },
  run: ({ x }) => expand(x, to),
  reference: ({ x }) => {
    const front = to.length - shape.length;
    return made(
      to.map((s, i) => (s < 0 ? shape[i - front] : s)),
      (at) =>
        of(
          x,
          shape.map((d, a) => (d === 1 ? 0 : at[a + front])),
        ),
    );
  },
  tolerance: 2e-5,
});

const flipped = (shape: Shape, axes: number[]): OpCase => ({
  name: `flip [${shape}] along ${axes}`,
  inputs: { x: { shape } },
  run: ({ x }) => flip(x, axes),
  reference: ({ x }) =>
    made(shape, (at) =>
      of(
        x,
        at.map((k, a) => (axes.some((b) => mod(b, shape.length) === a) ? shape[a] - 1 - k : k)),
      ),
    ),
});

const rolled = (shape: Shape, shifts: number[], axes: number[]): OpCase => ({
  name: `roll [${shape}] by ${shifts} along ${axes}`,
  inputs: { x: { shape } },
  run: ({ x }) => roll(x, shifts, axes),
  reference: ({ x }) =>
    made(shape, (at) =>
      of(
        x,
        at.map((k, a) => (axes.includes(a) ? mod(k - shifts[axes.indexOf(a)], shape[a]) : k)),
      ),
    ),
});

const repeated = (shape: Shape, repeats: number[]): OpCase => ({
  name: `repeat [${shape}] by ${repeats}`,
  inputs: { x: { shape } },
  run: ({ x }) => repeat(x, repeats),
  reference: ({ x }) => {
    const front = repeats.length - shape.length;
    return made(
      repeats.map((r, i) => (i < front ? 1 : shape[i - front]) * r),
      (at) =>
        of(
          x,
          shape.map((d, a) => at[a + front] % d),
        ),
    );
  },
});

const interleaved = (shape: Shape, repeats: number, axis: number): OpCase => ({
  name: `repeatInterleave [${shape}] by ${repeats} along ${axis}`,
  inputs: { x: { shape } },
  run: ({ x }) => repeatInterleave(x, repeats, axis),
  reference: ({ x }) =>
    made(
      shape.map((d, a) => (a === axis ? d * repeats : d)),
      (at) =>
        of(
          x,
          at.map((k, a) => (a === axis ? Math.floor(k / repeats) : k)),
        ),
    ),
});

const shuffled = (n: number, h: number, w: number, c: number, r: number): OpCase => ({
  name: `pixelShuffle [${[n, h, w, c * r * r]}] by ${r}`,
  inputs: { x: { shape: [n, h, w, c * r * r] } },
  run: ({ x }) => pixelShuffle(x, r),
  reference: ({ x }) =>
    made([n, h * r, w * r, c], ([b, y, z, k]) =>
      of(x, [b, Math.floor(y / r), Math.floor(z / r), (k * r + (y % r)) * r + (z % r)]),
    ),
});

const cases: OpCase[] = [
  permuted([], []),
  permuted([3, 5], [1, 0]),
  permuted([8, 3], [1, 0]),
  permuted([2, 3, 4, 8], [0, 2, 1, 3]),
  permuted([2, 3, 4, 5], [0, 3, 1, 2]),
  permuted([1, 6, 1, 4], [2, 1, 0, 3]),
  permuted([2, 1, 3, 2, 4], [-1, 0, -2, 1, 2]),
  permuted([0, 3, 2], [2, 0, 1]),
  permuted([2, 3, 2, 1, 2, 3, 2, 2], [7, 6, 5, 4, 3, 2, 1, 0]),
  permuted([8, 128, 128, 3], [0, 3, 1, 2]),
  expanded([], [3, 4]),
  expanded([4, 1], [3, 4, 5]),
  expanded([1, 3, 1, 4], [2, -1, 5, -1]),
  expanded([4], [2, 3, 4]),
  expanded([1, 5], [0, 5]),
  expanded([2, 0], [3, 2, 0]),
  expanded([3], [8, 128, 128, 3]),
  expanded([2, 1], [2, 3001]),
  flipped([], []),
  flipped([7], [0]),
  flipped([2, 3, 8], [1]),
  flipped([2, 3, 4, 2, 3], [0, -1, 2]),
  flipped([2, 0, 3], [1, 2]),
  flipped([8, 128, 128, 3], [2]),
  rolled([5], [2], [0]),
  rolled([4, 5], [1, -2], [0, 1]),
  rolled([4, 3, 8], [-13], [1]),
  rolled([2, 0, 3], [1], [1]),
  rolled([8, 128, 128, 3], [31, -7], [1, 2]),
  repeated([], []),
  repeated([], [3]),
  repeated([2, 3], [2, 1, 3]),
  repeated([3, 4], [2, 2]),
  repeated([2, 1, 2, 3, 2], [2, 3, 2, 1, 2]),
  repeated([2, 3, 1, 2, 2], [3, 2, 2, 2, 2]),
  repeated([3, 2], [0, 2]),
  repeated([2, 32, 32, 3], [1, 4, 4, 1]),
  interleaved([2, 3], 3, 1),
  interleaved([2, 3, 4], 2, 0),
  interleaved([2, 0, 4], 2, 1),
  interleaved([3, 2], 0, 0),
  interleaved([8, 64, 64, 3], 2, 2),
  shuffled(1, 3, 4, 2, 2),
  shuffled(2, 2, 3, 1, 3),
  shuffled(1, 0, 2, 4, 2),
  shuffled(8, 64, 64, 3, 2),
];

const draw = new Draw(20261);
for (let i = 0; i < 30; i++) {
  const shape = draw.shape(draw.whole(0, 5));
  const rank = shape.length;
  const some = draw.order(rank).slice(0, draw.whole(0, rank));
  cases.push(
    permuted(shape, draw.order(rank)),
    flipped(shape, some),
    rolled(
      shape,
      some.map(() => draw.whole(-9, 9)),
      some,
    ),
    repeated(
      shape,
      shape.map(() => draw.choice([1, 1, 2, 3])),
    ),
    expanded(
      shape.map((d) => draw.choice([1, d])),
      shape,
    ),
  );
}

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('pixelUnshuffle is the inverse, transpose and the flat forms', async () => {
  const device = await testDevice();
  const x = device.tensor(
    Float32Array.from({ length: 144 }, (_, i) => i),
    [1, 4, 6, 6],
  );
  const back = pixelShuffle(pixelUnshuffle(x, 2), 2);
  assert.equal(back.shape, x.shape);
  assert.equal(await back.read(), await x.read());
  const t = device.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  assert.equal([...(await transpose(t, 0, -1).read())], [1, 4, 2, 5, 3, 6]);
  assert.equal([...(await roll(t, [1]).read())], [6, 1, 2, 3, 4, 5]);
  assert.equal([...(await repeatInterleave(t, 2).read())], [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
});

test('integers keep their bits', async () => {
  const device = await testDevice();
  for (const dtype of ['i32', 'u32'] as DType[]) {
    const big = dtype === 'i32' ? -2147483647 : 4294967295;
    const x = device.tensor([big, 16777217, 3, 4], [2, 2], dtype);
    const y = permute(flip(expand(x, [2, 2, 2]), [2]), [0, 2, 1]);
    assert.is(y.dtype, dtype);
    assert.equal([...(await y.read())], [16777217, 4, big, 3, 16777217, 4, big, 3]);
    assert.equal([...(await repeat(x, [1, 2]).read())], [big, 16777217, big, 16777217, 3, 4, 3, 4]);
  }
});

test('gradients can be differentiated again', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3], [3]);
  x.requiresGrad = true;
  const e = roll(flip(expand(x, [2, 3]), [1]), [1], [1]);
  const y = mul(mul(e, e), e);
  const ones = device.tensor(new Float32Array(6).fill(1), [2, 3]);
  const [dx] = grad(y, [x], { dy: ones, createGraph: true });
  assert.equal([...(await dx.read())], [6, 24, 54]);
  const [ddx] = grad(dx, [x], { dy: device.tensor([1, 1, 1], [3]) });
  assert.equal([...(await ddx.read())], [12, 24, 36]);
});

test('a new size compiles nothing', async () => {
  const device = await testDevice();
  const all = (h: number): void => {
    const x = device.empty([2, h, 5, 3]);
    for (const y of [permute(x, [0, 3, 1, 2]), flip(x, [1]), roll(x, [1], [1]), expand(device.empty([h, 1]), [h, 7])])
      y.dispose();
  };
  all(4);
  const before = device.kernels.size;
  all(9);
  assert.is(device.kernels.size, before);
});

test('every specialisation compiles', async () => {
  const device = await testDevice();
  for (const AXES of [2, 4, 8])
    for (const Element of ['u32', 'vec4<u32>']) {
      device.kernels.get('strided', 'place', { AXES, Element });
      for (const RULE of [0, 1, 2, 3, 4]) device.kernels.get('strided', 'forward', { AXES, Element, RULE });
    }
  for (const RULE of [2, 3, 4]) device.kernels.get('strided', 'overlap', { RULE });
  await device.sync();
});

test('what cannot be', async () => {
  const device = await testDevice();
  const x = device.empty([2, 3]);
  assert.throws(() => permute(x, [0]), /does not name each axis/);
  assert.throws(() => permute(x, [1, 1]), /named twice/);
  assert.throws(() => permute(x, [0, 2]), /no axis 2/);
  assert.throws(() => transpose(x, 0, -3), /no axis -3/);
  assert.throws(() => expand(x, [3]), /cannot become/);
  assert.throws(() => expand(x, [2, 4]), /cannot become/);
  assert.throws(() => expand(x, [-1, 2, 3]), /the shape is/);
  assert.throws(() => flip(x, [0.5]), /no axis 0.5/);
  assert.throws(() => roll(x, [1, 2], [0]), /shifts 1, 2/);
  assert.throws(() => repeat(x, [2]), /1 repeats for/);
  assert.throws(() => repeat(x, [2, -1]), /repeats is/);
  assert.throws(() => repeatInterleave(x, 1.5, 0), /repeats is/);
  assert.throws(() => pixelShuffle(x, 2), /not \[n, h, w/);
  assert.throws(() => pixelUnshuffle(device.empty([1, 3, 4, 2]), 2), /multiples of 2/);
  const nine = device.empty(Array<number>(9).fill(2));
  assert.throws(() => permute(nine, [8, 7, 6, 5, 4, 3, 2, 1, 0]), says(/at most eight/));
});

test.run();
