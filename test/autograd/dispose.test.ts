// Tensors that were disposed before the gradient is taken: they pass gradients on, and are missed aloud where their
// elements are needed.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { noGrad } from '../../runtime/autograd/tape.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { DisposedError, errorText } from '../../runtime/errors.ts';
import { add, exp, mul, softmax, sum } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

async function leaf(values: number[] = [1, 2, 3]): Promise<Tensor> {
  const x = (await testDevice()).tensor(values, [values.length]);
  x.requiresGrad = true;
  return x;
}

test('a gradient flows through a disposed tensor whose elements nobody needs', async () => {
  const x = await leaf();
  const a = add(x, 1);
  const b = add(a, x);
  const y = sum(b);
  a.dispose();
  b.dispose();
  y.dispose();
  const [dx] = grad(y, [x]);
  assert.equal([...(await dx.read())], [2, 2, 2]);
});

test('a gradient that needs the elements of a disposed tensor says whose it is', async () => {
  const x = await leaf();
  const a = exp(x);
  const y = sum(mul(a, a));
  a.dispose();
  assert.throws(
    () => grad(y, [x]),
    (e: unknown) => e instanceof DisposedError && /gradient of mul.*made by exp/.test(errorText(e)),
  );
  const b = softmax(x);
  const z = sum(b);
  b.dispose();
  assert.throws(
    () => grad(z, [x]),
    (e: unknown) => e instanceof DisposedError,
  );
});

test('a result that outlives the scope of its graph has no silent gradient', async () => {
  const device = await testDevice();
  const x = await leaf();
  const y = device.scope(() => sum(mul(mul(x, x), x)));
  assert.throws(
    () => grad(y, [x]),
    (e: unknown) => e instanceof DisposedError,
  );
  const z = device.scope(() => sum(add(x, x)));
  assert.equal([...(await grad(z, [x])[0].read())], [2, 2, 2]);
});

test('a disposed parameter, a disposed dy and a disposed operand are refused', async () => {
  const x = await leaf();
  const y = mul(x, x);
  const dy = (await testDevice()).tensor([1, 1, 1], [3]);
  dy.dispose();
  assert.throws(
    () => grad(y, [x], { dy }),
    (e: unknown) => e instanceof DisposedError,
  );
  x.dispose();
  assert.throws(
    () => grad(sum(y), [x]),
    (e: unknown) => e instanceof DisposedError,
  );
  assert.throws(
    () => add(x, 1),
    (e: unknown) => e instanceof DisposedError,
  );
  assert.throws(
    () => noGrad(() => add(x, 1)),
    (e: unknown) => e instanceof DisposedError,
  );
});

test('disposing inside a plan is the same', async () => {
  const device = await testDevice();
  const w = await leaf();
  const step = plan(device, { x: { shape: [3] } }, ({ x }) => {
    const a = add(w, x);
    const y = sum(add(a, w));
    a.dispose();
    return { dw: grad(y, [w])[0] };
  });
  step.run({ x: Float32Array.of(1, 2, 3) });
  assert.equal([...(await step.outputs.dw.read())], [2, 2, 2]);
  step.dispose();
});

test.run();
