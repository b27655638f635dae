// Arithmetic of two tensors, or of a tensor and a number, by broadcasting.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import * as ops from '../support/ops.ts';
import type { Operand } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { repeated } from '../support/broadcast.ts';
import { checkSecond } from '../support/curvature.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type OpCase } from '../support/op.ts';
import { says } from '../support/errors.ts';

const { add, mul } = ops;

type F = [
  run: (a: Operand, b: Operand) => Tensor,
  f: (a: number, b: number) => number,
  drawA?: (n: number) => number,
  drawB?: (n: number) => number,
];
const away = (n: number): number => Math.sign(n) * (0.5 + Math.abs(n)); // from 0
const above = (n: number): number => 0.3 + Math.abs(n);
const fmod = (a: number, b: number): number => a % b;
const remainder = (a: number, b: number): number => a - b * Math.floor(a / b);
const SMOOTH: Record<string, F> = {
  add: [ops.add, (a, b) => a + b],
  sub: [ops.sub, (a, b) => a - b],
  mul: [ops.mul, (a, b) => a * b],
  div: [ops.div, (a, b) => a / b, undefined, away],
  pow: [ops.pow, (a, b) => a ** b, above],
  atan2: [ops.atan2, Math.atan2, away, away],
};
const KINKED: Record<string, F> = {
  maximum: [ops.maximum, Math.max],
  minimum: [ops.minimum, Math.min],
};
const ALL = { ...SMOOTH, ...KINKED };

const SHAPES: [number[], number[]][] = [
  [[], []],
  [[1], [1]],
  [[7], [7]],
  [
    [3, 5, 2],
    [3, 5, 2],
  ],
  [
    [2, 9, 11, 5],
    [2, 9, 11, 5],
  ], // alike
  [[0], [1]],
  [[3, 0, 2], [2]],
  [
    [3, 1, 2],
    [0, 1],
  ], // empty
  [[3, 4], []],
  [[], [3, 4]],
  [[1], [5]],
  [[1, 1], [3]],
  [[2, 3, 5], [5]],
  [[5], [2, 3, 5]],
  [
    [2, 3, 4, 5],
    [1, 3, 1, 1],
  ],
  [
    [4, 1, 5],
    [3, 1],
  ],
  [[2, 7, 9, 64], [64]],
  [
    [130, 3],
    [130, 1],
  ],
  [
    [2, 1, 3, 1, 5],
    [4, 1, 7, 1],
  ],
  [
    [2, 1, 3, 1, 2, 1, 2],
    [3, 1, 2, 1, 3, 1],
  ],
];

const caseOf = (name: string, [run, f, drawA, drawB]: F, a: number[], b: number[]): OpCase => ({
  name: `${name} [${a}] [${b}]`,
  inputs: {
    a: { shape: a, draw: drawA && ((rng) => drawA(rng.normal())) },
    b: { shape: b, draw: drawB && ((rng) => drawB(rng.normal())) },
  },
  run: (t) => run(t.a, t.b),
  reference: (t) => repeated([t.a, t.b], (u, v) => f(u, v)),
  tolerance: 4e-6,
});

for (const [name, f] of Object.entries(ALL)) {
  test(name, async () => {
    const device = await testDevice();
    // Small steps: among many elements some lie near a kink.
    for (const [a, b] of SHAPES)
      await checkCase(device, { ...caseOf(name, f, a, b), h: name in KINKED ? 1e-8 : undefined });
  });

  test(`${name} with a number`, async () => {
    const device = await testDevice();
    const [run, of, drawA, drawB] = f;
    const shape = [3, 7];
    const one = (draw?: (n: number) => number) => ({
      shape,
      draw: draw && ((rng: { normal(): number }) => draw(rng.normal())),
    });
    for (const k of [0.75, 2, 3]) {
      await checkCase(device, {
        name: `${name} x ${k}`,
        inputs: { x: one(drawA) },
        run: ({ x }) => run(x, k),
        reference: ({ x }) =>
          f64(
            shape,
            x.data.map((v) => of(v, k)),
          ),
        tolerance: 4e-6,
      });
      await checkCase(device, {
        name: `${name} ${k} x`,
        inputs: { x: one(drawB) },
        run: ({ x }) => run(k, x),
        reference: ({ x }) =>
          f64(
            shape,
            x.data.map((v) => of(k, v)),
          ),
        tolerance: 4e-6,
      });
    }
  });
}

for (const [name, f] of Object.entries(SMOOTH)) {
  test(`the second derivative of ${name}`, async () => {
    for (const [a, b] of [
      [
        [3, 5],
        [3, 5],
      ],
      [
        [3, 1, 2],
        [5, 1],
      ],
    ])
      await checkSecond(await testDevice(), caseOf(name, f, a, b));
  });
}

test('the second derivative of powers of whole number', async () => {
  for (const k of [2, 3, -1]) {
    await checkSecond(await testDevice(), {
      name: `x^${k}`,
      inputs: { x: { shape: [9], draw: (rng) => away(rng.normal()) } },
      run: ({ x }) => ops.pow(x, k),
      reference: ({ x }) =>
        f64(
          [9],
          x.data.map((v) => v ** k),
        ),
    });
  }
});

test('random shapes that meet', async () => {
  const device = await testDevice();
  const rng = new Rng(11, 1);
  const whole = (n: number): number => Math.floor(rng.uniform(0, n));
  for (let trial = 0; trial < 40; trial++) {
    const shape = Array.from(
      { length: whole(7) },
      () => [0, 1, 2, 2, 3, 3, 4, 5][whole(trial % 4 ? 7 : 8) + (trial % 4 ? 1 : 0)],
    );
    const part = (): number[] =>
      shape.slice(whole(3) === 0 ? whole(shape.length + 1) : 0).map((d) => (whole(3) === 0 ? 1 : d));
    await checkCase(device, { ...caseOf('mul', SMOOTH.mul, part(), part()), seed: trial });
  }
});

test('at a real size', async () => {
  const device = await testDevice();
  await checkCase(device, caseOf('add', SMOOTH.add, [8, 128, 128, 3], [8, 128, 128, 3]));
  await checkCase(device, { ...caseOf('mul', SMOOTH.mul, [8, 128, 128, 3], [3]), tolerance: 1e-5 });
  await checkCase(device, { ...caseOf('mul', SMOOTH.mul, [8, 128, 128, 3], [8, 1, 1, 3]), tolerance: 1e-5 });
});

test('atan2 in every direction', async () => {
  const device = await testDevice();
  const a = [0, 1, 1, 1, 0, -1, -1, -1, 1e-30, 1e30, 3, -0, 0, Infinity, -Infinity];
  const b = [1, 1, 0, -1, -1, -1, 0, 1, 1, 1, 1e-30, -0, 0, Infinity, 1];
  (await ops.atan2(device.tensor(a, [15]), device.tensor(b, [15])).read()).forEach((v, i) =>
    assert.ok(Math.abs(v - Math.atan2(a[i], b[i])) <= 3e-7, `atan2(${a[i]}, ${b[i]}) is ${v}`),
  );
});

test('rests, exact to the bit', async () => {
  const device = await testDevice();
  const a = [7, -7, 7, -7, 7.5, -7.5, 0.25, 1e30, -1e30, 5, 1e-40, 3e-38, 0, 16777219, 6, -6];
  const b = [3, 3, -3, -3, 2, 2, 0.75, 7, 7, 1e30, 1e-41, 1e-38, 3, 0.1, 3, 3];
  const [fa, fb] = [Float32Array.from(a), Float32Array.from(b)];
  const t = device.tensor(fa, [16]);
  const s = device.tensor(fb, [16]);
  const flush = (v: number): number => Math.fround(Math.abs(v) < 1.2e-38 ? 0 : v) + 0; // denormals are not required
  const check = async (y: Tensor, f: (a: number, b: number) => number, name: string): Promise<void> => {
    (await y.read()).forEach(
      (v, i) => Math.abs(fb[i]) > 1.2e-38 && assert.is(flush(v), flush(f(fa[i], fb[i])), `${name} ${a[i]} ${b[i]}`),
    );
  };
  await check(ops.fmod(t, s), fmod, 'fmod');
  await check(
    ops.remainder(t, s),
    (u, v) => (u % v !== 0 && u % v < 0 !== v < 0 ? Math.fround(Math.fround(u % v) + v) : u % v),
    'remainder',
  );
  assert.equal(
    [
      ...(await ops
        .floorDivide(device.tensor([7, -7, 7, -7, 6, -6, 0.7], [7]), device.tensor([2, 2, -2, -2, 3, 3, 0.1], [7]))
        .read()),
    ],
    [3, -4, -4, 3, 2, -2, 6],
  );
  assert.ok(Number.isNaN(await ops.fmod(device.tensor([1], []), 0).item()));
});

test('gradients of rests', async () => {
  const device = await testDevice();
  for (const [name, run, f] of [
    ['fmod', ops.fmod, fmod],
    ['remainder', ops.remainder, remainder],
  ] as const) {
    for (const [a, b] of [
      [[31], [31]],
      [
        [4, 1, 5],
        [3, 1],
      ],
    ])
      await checkCase(device, { ...caseOf(name, [run, f, (n) => 5 * n, away], a, b), h: 1e-7 });
  }
  const a = device.tensor([7, 5], [2]);
  a.requiresGrad = true;
  assert.equal([...(await grad(ops.floorDivide(a, 2), [a], { dy: device.tensor([1, 1], [2]) })[0].read())], [0, 0]);
});

test('conventions of PyTorch: ties, powers of 0, what is not a number', async () => {
  const device = await testDevice();
  const read = async (t: Tensor): Promise<number[]> => [...(await t.read())];
  const a = device.tensor([1, 2, 0, 0], [4]);
  const b = device.tensor([1, 3, 0, 2], [4]);
  const dy = device.tensor([1, 1, 1, 1], [4]);
  a.requiresGrad = b.requiresGrad = true;
  const both = async (y: Tensor): Promise<number[][]> => Promise.all(grad(y, [a, b], { dy }).map(read));
  assert.equal(await both(ops.maximum(a, b)), [
    [0.5, 0, 0.5, 0],
    [0.5, 1, 0.5, 1],
  ]);
  assert.equal(await both(ops.minimum(a, b)), [
    [0.5, 1, 0.5, 1],
    [0.5, 0, 0.5, 0],
  ]);
  assert.equal(await read(ops.pow(a, b)), [1, 8, 1, 0]);
  const [da, db] = await both(ops.pow(a, b));
  assert.equal(da, [1, 12, 0, 0]);
  assert.ok(db[0] === 0 && Math.abs(db[1] - 8 * Math.LN2) < 1e-5 && db[2] === 0 && db[3] === 0, String(db));
  assert.equal(
    await read(ops.pow(device.tensor([-2, -2, 2, 0.5], [4]), device.tensor([3, 2, -2, -3], [4]))),
    [-8, 4, 0.25, 8],
  );
  const [odd65, even66] = await read(ops.pow(device.tensor([-1.5, -1.5], [2]), device.tensor([65, 66], [2])));
  assert.ok(
    Math.abs(odd65 / -(1.5 ** 65) - 1) < 1e-4 && Math.abs(even66 / 1.5 ** 66 - 1) < 1e-4,
    'large whole powers of a negative number',
  );
  assert.ok(Number.isNaN(await ops.pow(device.tensor([-2], []), 0.5).item()));
  const odd = device.tensor([NaN, 1, NaN, Infinity], [4]);
  const other = device.tensor([1, NaN, NaN, 2], [4]);
  assert.equal(await read(ops.maximum(odd, other)), [NaN, NaN, NaN, Infinity]);
  assert.equal(await read(ops.minimum(odd, other)), [NaN, NaN, NaN, 2]);
  assert.equal(await read(ops.minimum(odd, Infinity)), [NaN, 1, NaN, Infinity]);
});

test('integers', async () => {
  const device = await testDevice();
  const a = device.tensor(Int32Array.from([7, -7, 7, -7, 2 ** 31 - 1]), [5]);
  const b = device.tensor(Int32Array.from([2, 2, -2, -2, 3]), [5]);
  const u = device.tensor(Uint32Array.from([4e9, 7, 3, 2, 0]), [5]);
  const w = device.tensor(Uint32Array.from([3, 2, 5, 0, 1]), [5]);
  const read = async (t: Tensor): Promise<number[]> => [...(await t.read())].map((v) => v + 0);
  // Powers that wrap around to 1 and -1 are not a 1 and a -1 that could be passed on.
  const base = device.tensor([1, -1, 2 ** 31 - 1, 1 - 2 ** 31, -(2 ** 31), 2, 0], [7], 'i32');
  assert.equal(await read(ops.pow(base, device.tensor([-2], [1], 'i32'))), [1, 1, 0, 0, 0, 0, 0]);
  assert.equal(await read(ops.pow(base, device.tensor([-3], [1], 'i32'))), [1, -1, 0, 0, 0, 0, 0]);
  assert.equal(await read(ops.add(a, b)), [9, -5, 5, -9, -(2 ** 31) + 2]);
  assert.equal(await read(ops.sub(u, w)), [4e9 - 3, 5, 2 ** 32 - 2, 2, 2 ** 32 - 1]);
  assert.equal(await read(ops.mul(a, 3)), [21, -21, 21, -21, 2 ** 31 - 3]);
  assert.equal(await read(ops.maximum(u, w)), [4e9, 7, 5, 2, 1]);
  assert.equal(await read(ops.minimum(a, b)), [2, -7, -2, -7, 3]);
  assert.equal(await read(ops.fmod(a, b)), [1, -1, 1, -1, 1]);
  assert.equal(await read(ops.remainder(a, b)), [1, 1, -1, -1, 1]);
  assert.equal(await read(ops.floorDivide(a, b)), [3, -4, -4, 3, 715827882]);
  assert.equal(await read(ops.floorDivide(u, w)), [1333333333, 3, 0, 2, 0]);
  assert.equal(await read(ops.pow(b, 3)), [8, 8, -8, -8, 27]);
  assert.equal(await read(ops.pow(b, -1)), [0, 0, 0, 0, 0]);
  assert.equal(await read(ops.pow(u, w)), [Number(4000000000n ** 3n % 2n ** 32n), 49, 243, 1, 0]);
  const half = ops.div(a, b);
  assert.is(half.dtype, 'f32');
  assert.equal((await read(half)).slice(0, 4), [3.5, -3.5, -3.5, 3.5]);
  assert.is(ops.add(u, 1).dtype, 'u32');
  assert.ok(Math.abs((await read(ops.atan2(a, b)))[3] - Math.atan2(-7, -2)) < 1e-6);
});

test('f16 is computed in f32', async () => {
  const device = await testDevice();
  const a = ops.cast(device.tensor([1, 2, 3, 4, 5, 6], [2, 3]), 'f16');
  const b = ops.cast(device.tensor([0.5, 1, 2], [3]), 'f16');
  a.requiresGrad = b.requiresGrad = true;
  const y = ops.mul(a, b);
  const [da, db] = grad(y, [a, b], { dy: ops.full(device, [2, 3], 1, 'f16') });
  assert.equal([y.dtype, da.dtype, db.dtype], ['f16', 'f16', 'f16']);
  assert.equal([...(await y.read())], [0.5, 2, 6, 2, 5, 12]);
  assert.equal([...(await db.read())], [5, 7, 9]);
});

test('shapes that do not meet, and dtypes that differ, are refused', async () => {
  const device = await testDevice();
  assert.throws(() => add(device.empty([2]), device.empty([3])), says(/add: \[2\] and \[3\] differ along axis 0/));
  assert.throws(() => add(device.empty([2, 3]), device.empty([3, 2])), says(/add: \[2,3\] and \[3,2\]/));
  assert.throws(() => mul(device.empty([2]), device.empty([2], 'i32')), says(/mul: b \[2\] is i32/));
  assert.throws(() => mul(1, 2), says(/mul: 1 and 2 are not tensors/));
  assert.throws(() => mul(device.empty([2], 'i32'), 0.5), says(/mul: 0.5 is not an i32/));
  assert.throws(() => mul(device.empty([2], 'u32'), -1), says(/mul: -1 is not a u32/));
  const alternate = (n: number): number[] => Array.from({ length: 9 }, (_, i) => (i % 2 === n ? 1 : 2));
  assert.throws(() => add(device.empty(alternate(0)), device.empty(alternate(1))), says(/at most 8/));
});

test.run();
