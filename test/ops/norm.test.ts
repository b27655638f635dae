// Norms over any axes, and what is divided by them.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { cosineSimilarity, norm, normalize } from '../../runtime/ops/index.ts';
import { sizeOf } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, f64, type F64, type OpCase } from '../support/op.ts';
import { grouped, named, reduceBy, REDUCTIONS } from '../support/reduction.ts';

function reference(v: number[], p: number): number {
  if (p === Infinity) return v.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  if (p === -Infinity) return v.reduce((a, b) => Math.min(a, Math.abs(b)), Infinity);
  return v.reduce((s, e) => s + Math.abs(e) ** p, 0) ** (1 / p);
}

function unit(x: F64, axes: readonly number[], p: number): F64 {
  const n = reduceBy(x, axes, true, (v) => reference(v, p));
  const g = grouped(x.shape, axes);
  return f64(
    x.shape,
    x.data.map((v, i) => v / n.data[g.of[i]]),
  );
}

const cases: OpCase[] = REDUCTIONS.flatMap((c) => {
  const { shape, axes, keepdim = false } = c;
  const size = sizeOf(shape);
  // Distinct magnitudes of either sign: see the extremes of reduce.
  const inputs = {
    x: { shape, draw: (_: unknown, i: number) => (i % 3 ? 1 : -1) * (0.1 + ((i * 7919 + 13) % size) / size) },
  };
  const normed = (p: number): OpCase => ({
    name: `${named('norm', c)} p ${p}`,
    inputs,
    run: ({ x }) => norm(x, p, axes, { keepdim }),
    reference: ({ x }) => reduceBy(x, axes, keepdim, (v) => reference(v, p)),
    tolerance: p === 1 || p === 2 ? 1e-5 : 1e-4,
  });
  const small = size <= 2000;
  const unitOf = (p: number): OpCase => ({
    name: `${named('normalize', c)} p ${p}`,
    inputs,
    run: ({ x }) => normalize(x, { axes, p }),
    reference: ({ x }) => unit(x, axes, p),
    tolerance: 2e-5,
  });
  const cosine: OpCase = {
    name: named('cosineSimilarity', c),
    inputs: { a: { shape }, b: { shape } },
    run: ({ a, b }) => cosineSimilarity(a, b, { axes }),
    tolerance: 2e-5,
    reference: ({ a, b }) => {
      const u = unit(a, axes, 2);
      const v = unit(b, axes, 2);
      return reduceBy(
        f64(
          a.shape,
          u.data.map((e, i) => e * v.data[i]),
        ),
        axes,
        false,
        (w) => w.reduce((s, e) => s + e, 0),
      );
    },
  };
  return [
    ...[1, 2, ...(small ? [0.5, 3, Infinity, -Infinity] : [])].map(normed),
    ...(small ? [1, 2].map(unitOf) : [unitOf(2)]),
    ...(shape.every((d) => d === 1) ? [] : [cosine]),
  ];
});

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('a norm of 0 has gradient 0, and divides by eps', async () => {
  const device = await testDevice();
  const x = device.tensor([0, 0, 3, 4], [2, 2]);
  x.requiresGrad = true;
  const dy = device.tensor([1, 1], [2]);
  for (const [p, want] of [
    [2, [0, 0, 0.6, 0.8]],
    [1, [0, 0, 1, 1]],
    [3, [0, 0, 9 / 91 ** (2 / 3), 16 / 91 ** (2 / 3)]],
    [Infinity, [0, 0, 0, 1]],
    [0, [0, 0, 0, 0]],
  ] as const) {
    close(await grad(norm(x, p, 1), [x], { dy })[0].read(), want, 1e-5, `p ${p}`);
  }
  assert.equal([...(await norm(x, 0, 1).read())], [0, 2]);
  const y = normalize(x, { eps: 0.5 });
  close(await y.read(), [0, 0, 0.6, 0.8], 1e-6, 'y');
  const [dx] = grad(y, [x], { dy: device.tensor([1, 2, 0, 0], [2, 2]) });
  close(await dx.read(), [2, 4, 0, 0], 1e-6, 'dx');
});

test('no elements, and what is refused', async () => {
  const device = await testDevice();
  assert.equal([...(await norm(device.empty([2, 0]), 2, 1).read())], [0, 0]);
  const x = device.empty([2, 3]);
  for (const call of [
    () => norm(x, -1),
    () => norm(x, NaN),
    () => norm(device.empty([2, 0]), Infinity, 1),
    () => normalize(x, { eps: 0 }),
    () => normalize(x, { axes: 2 }),
    () => norm(device.empty([2], 'i32')),
    () => cosineSimilarity(x, device.empty([3, 2])),
  ]) {
    assert.throws(call, (e: unknown) => e instanceof ShapeError);
  }
});

test('NaN and infinities in a norm: the line that holds them, forwards and backwards', async () => {
  const device = await testDevice();
  const x = device.tensor([NaN, 1, 2, Infinity, 3, 4, 5, 0, 6], [3, 3]);
  x.requiresGrad = true;
  const kind = (v: number): string => (Number.isNaN(v) ? 'n' : Number.isFinite(v) ? '.' : 'i');
  const rows = (values: ArrayLike<number>): string => Array.from(values, kind).join('');
  const check = async (p: number, y: string, dx: string): Promise<void> => {
    const made = norm(x, p, 1);
    const dy = device.tensor([1, 1, 1], [3]);
    const [got, slopes] = await device.read([made, grad(made, [x], { dy })[0]]);
    assert.equal([rows(got), rows(slopes)], [y, dx], `p = ${p}`);
  };
  await check(1, 'ni.', 'n........');
  await check(2, 'ni.', 'nnnn.....');
  const y = normalize(x);
  const dy = device.tensor(new Float32Array(9).fill(1), [3, 3]);
  const [unit, dx] = await device.read([y, grad(y, [x], { dy })[0]]);
  assert.is(rows(unit), 'nnnn.....');
  assert.is(rows(dx).slice(0, 3) + rows(dx).slice(6), 'nnn...');
});

test.run();
