// Chains of arithmetic in plans: one launch in place of many, with the same bits.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { add, div, exp, mul, sub } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

const N = 1003;
type Body = (x: Record<string, Tensor>) => Record<string, Tensor>;

/** Runs a body eagerly and twice as a plan: the same bits. @returns the kernels of the plan */
async function same(body: Body, seed = 1): Promise<string[]> {
  const device = await testDevice();
  const rng = new Rng(seed, 0);
  const names = ['a', 'b', 'c', 'd', 'e'];
  const data = Object.fromEntries(names.map((k) => [k, Float32Array.from({ length: N }, () => rng.normal())]));
  const want = device.scope(() => body(Object.fromEntries(names.map((k) => [k, device.tensor(data[k], [N])]))));
  const step = plan(device, Object.fromEntries(names.map((k) => [k, { shape: [N] }])), body);
  step.run(data);
  step.run();
  for (const [k, t] of Object.entries(want)) {
    const w = await t.read();
    const g = await step.outputs[k].read();
    w.forEach((v, i) => assert.ok(Object.is(v, g[i]), `seed ${seed}, ${k}[${i}] is ${g[i]}, not ${v}`));
    t.dispose();
  }
  const { kernels } = step;
  step.dispose();
  return kernels;
}

test('200 additions are one launch, without memory for what lies between', async () => {
  assert.equal(await same(({ a, b }) => ({ y: Array.from({ length: 200 }).reduce<Tensor>((h) => add(h, b), a) })), [
    'chain.forward()',
  ]);
  const device = await testDevice();
  const step = plan(device, { a: { shape: [1024] } }, ({ a }) => ({
    y: [1, 2, 3, 4, 5].reduce<Tensor>((h, k) => mul(h, k), a),
  }));
  assert.is(step.memory.bytes, 2 * 4096);
  step.dispose();
});

test('every function, either way round, with numbers and with itself', async () => {
  const kernels = await same(({ a, b, c }) => {
    let h = add(a, b);
    for (const f of [
      (v: Tensor) => sub(c, v),
      (v: Tensor) => sub(v, c),
      (v: Tensor) => div(b, v),
      (v: Tensor) => div(v, a),
      (v: Tensor) => mul(v, v),
      (v: Tensor) => sub(2, v),
      (v: Tensor) => div(3, v),
      (v: Tensor) => div(v, 7),
      (v: Tensor) => sub(v, 0.1),
      (v: Tensor) => mul(a, v),
      (v: Tensor) => add(v, -0),
    ])
      h = f(h);
    return { y: h };
  });
  assert.equal(kernels, ['chain.forward()']);
});

test('a chain ends where its value is wanted elsewhere, at a fourth operand, at another function, and short ones stay', async () => {
  const chains = (kernels: readonly string[]): number => kernels.filter((k) => k === 'chain.forward()').length;
  // Wanted as an output, and by a later launch.
  const kept = await same(({ a, b }) => {
    let h = a;
    for (let i = 0; i < 4; i++) h = add(h, b);
    const middle = h;
    for (let i = 0; i < 4; i++) h = mul(h, b);
    return { middle, y: add(exp(h), middle) };
  });
  assert.is(chains(kept), 2);
  const operands = await same(({ a, b, c, d, e }) => ({
    y: add(add(add(add(add(add(add(add(a, b), c), d), e), b), c), d), 1),
  }));
  assert.ok(chains(operands) >= 1 && operands.length > 1);
  assert.equal(
    await same(({ a, b }) => ({ y: add(add(add(a, b), b), b) })),
    Array.from({ length: 3 }, () => 'binary.forward(OP=0)'),
  );
  assert.is(chains(await same(({ a, b }) => ({ y: exp(add(add(exp(add(add(a, b), b)), b), b)) }))), 0);
});

test('random programs', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    await same(({ a, b, c, d, e }) => {
      const rng = new Rng(seed, 1);
      const values = [a, b, c, d, e];
      const any = (): Tensor => (rng.bernoulli(0.6) ? values[values.length - 1] : values[rng.int(values.length)]);
      for (let i = 0; i < 30; i++) {
        const f = [add, mul, sub, div][rng.int(4)];
        const number = 0.5 + rng.uniform(0, 1);
        const kind = rng.int(6);
        values.push(
          kind === 0
            ? f(any(), number)
            : kind === 1
              ? f(number, any())
              : kind === 2 && rng.bernoulli(0.3)
                ? exp(mul(any(), 0.01))
                : f(any(), any()),
        );
      }
      return { y: values[values.length - 1], z: values[20 + rng.int(10)] };
    }, seed);
  }
});

test.run();
