// Mistakes in the user's own kernels that only the GPU finds: they are errors of the kernel and of what was made with
// it, and the device lives on.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { defineOp } from '../../runtime/autograd/tape.ts';
import { emptyLike, parameter, tensor } from '../../runtime/create.ts';
import { Device } from '../../runtime/device/device.ts';
import { errorText, ShaderError } from '../../runtime/errors.ts';
import { shader, type Shader } from '../../runtime/kernel/shader.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import { add, mul, relu, sum } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

const kernel = (name: string, statement: string, type = 'array<f32>', more = ''): Shader =>
  shader(
    name,
    `
@group(0) @binding(0) var<storage, read> x: ${type};
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> n: u32;
${more}
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < n) { ${statement} }
}`,
  );
const launch = (s: Shader, x: Tensor, y: Tensor, constants?: Record<string, number>): void => {
  s.run({ entry: 'main', bindings: { x, y }, params: { n: x.size }, threads: x.size, ...(constants && { constants }) });
};
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (e: unknown) => e,
  );
const isShaderError = (e: unknown, message: RegExp): boolean => e instanceof ShaderError && message.test(errorText(e));
const rejects = async (promise: Promise<unknown>, message: RegExp): Promise<void> => {
  const error = await errorOf(promise);
  assert.ok(isShaderError(error, message), String(error));
};

/** A device of the engine's own, and one over the caller's. */
const devices = async (): Promise<[string, Device][]> => {
  const own = await testDevice();
  return [
    ['own', own],
    ["the caller's", new Device(own.gpu, own.info)],
  ];
};

const FAULTS: Record<string, [make: () => Shader, message: RegExp, constants?: Record<string, number>]> = {
  'a type that does not fit': [() => kernel('typo', 'y[id.x] = x[id.x] + 1u;'), /^typo:7: [^]*in: if \(id\.x < n\)/],
  'a name that is not declared': [() => kernel('unknown', 'y[id.x] = x[id.x] + z[id.x];'), /^unknown:7: /],
  'a store to what is only read': [() => kernel('readonly', 'x[id.x] = y[id.x];'), /^readonly:7: /],
  'more workgroup memory than there is': [
    () => kernel('large', 'y[id.x] = x[id.x] + w[id.x];', 'array<f32>', 'var<workgroup> w: array<f32, 60000>;'),
    /^large: /,
  ],
  'a tensor that is smaller than the array of its binding': [
    () => kernel('sized', 'y[id.x] = x[id.x];', 'array<f32, 4096>'),
    /^sized: .*(size|binding)/i,
  ],
  'a constant beyond what the adapter takes': [
    () =>
      shader(
        'wide',
        `
      override WIDTH = 64u;
      @group(0) @binding(0) var<storage, read> x: array<f32>;
      @group(0) @binding(1) var<storage, read_write> y: array<f32>;
      @group(0) @binding(2) var<uniform> n: u32;
      @compute @workgroup_size(WIDTH) fn main(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < n) { y[id.x] = x[id.x]; }
      }`,
      ),
    /^wide: /,
    { WIDTH: 100000 },
  ],
};

for (const [what, [make, message, constants]] of Object.entries(FAULTS)) {
  test(`${what}: eager`, async () => {
    for (const [, device] of await devices()) {
      const wrong = make();
      const x = tensor(device, [1, -2]);
      const y = tensor(device, [0, 0]);
      // In one batch with correct work, before and after.
      const before = relu(x);
      launch(wrong, x, y, constants);
      const made = add(mul(y, 2), 1);
      const after = mul(x, 3);
      assert.equal([...(await before.read())], [1, 0]);
      assert.equal([...(await after.read())], [3, -6]);
      await rejects(y.read(), message);
      await rejects(made.read(), message);
      await rejects(device.read([x, y]), message);
      assert.equal([...(await x.read())], [1, -2]);
      await device.sync();
      // A launch that fits what is known is refused at once, unless only its sizes were at fault.
      if (what !== 'a tensor that is smaller than the array of its binding') {
        assert.throws(
          () => launch(wrong, x, y, constants),
          (e: unknown) => isShaderError(e, message),
        );
      }
      launch(kernel('mended', 'y[id.x] = x[id.x] + 1.0;'), x, y);
      assert.equal([...(await y.read())], [2, -1]);
      device.write(y, Float32Array.of(5, 6));
      assert.equal([...(await y.read())], [5, 6]);
    }
  });

  test(`${what}: in a plan`, async () => {
    for (const [, device] of await devices()) {
      const wrong = make();
      const step = plan(device, { x: { shape: [2] } }, ({ x }) => {
        const y = emptyLike(x);
        launch(wrong, x, y, constants);
        // Long enough for a chain.
        return { z: add(mul(add(mul(add(y, x), 2), x), 3), x) };
      });
      const good = plan(device, { x: { shape: [2] } }, ({ x }) => ({ y: relu(x) }));
      const { z } = step.run({ x: Float32Array.of(1, 2) });
      const { y } = good.run({ x: Float32Array.of(-1, 2) });
      assert.equal([...(await y.read())], [0, 2]);
      await rejects(z.read(), message);
      assert.throws(
        () => step.run(),
        (e: unknown) => isShaderError(e, message),
      );
      assert.equal([...(await good.run().y.read())], [0, 2]);
      step.dispose();
      good.dispose();
    }
  });
}

test('compile, of the shader and of a plan', async () => {
  const device = await testDevice();
  for (const [what, [make, message, constants]] of Object.entries(FAULTS)) {
    if (what === 'a tensor that is smaller than the array of its binding') continue;
    await rejects(make().compile(device, constants), message);
    const wrong = make();
    const step = plan(device, { x: { shape: [2] } }, ({ x }) => {
      const y = emptyLike(x);
      launch(wrong, x, y, constants);
      return { y };
    });
    await rejects(step.compile(), message);
    step.dispose();
  }
  assert.equal([...(await tensor(device, [1]).read())], [1]);
});

test('a gradient, and a parameter that was changed by it until it is written', async () => {
  const device = await testDevice();
  const wrong = kernel('slope', 'y[id.x] = x[id.x] + 1u;');
  const op = defineOp({
    name: 'slope',
    inputs: ['x'],
    outputs: ['y'],
    forward: ({ x }) => mul(x, 2),
    backward: {
      x({ dy }) {
        const dx = emptyLike(dy);
        launch(wrong, dy, dx);
        return dx;
      },
    },
  });
  const w = parameter(tensor(device, [1, 2]));
  const other = parameter(tensor(device, [3, 4]));
  const sgd = new Sgd({ w, other }, { lr: 1 });
  const loss = sum(add(op({ x: w }, undefined).y, other));
  sgd.step(grad(loss, [w, other]));
  assert.is(await loss.item(), 13);
  assert.equal([...(await other.read())], [2, 3]);
  await rejects(w.read(), /^slope:7/);
  const copy = emptyLike(w);
  device.copy(w, copy);
  await rejects(copy.read(), /^slope:7/);
  device.write(w, Float32Array.of(7, 8));
  assert.equal([...(await w.read())], [7, 8]);
  sgd.dispose();
});

test('a correct kernel on new sizes, many times before the GPU has answered', async () => {
  const device = await testDevice();
  const next = kernel('next', 'y[id.x] = x[id.x] + 1.0;');
  let x = tensor(device, [0, 0, 0]);
  for (let i = 0; i < 40; i++) {
    const y = emptyLike(x);
    launch(next, x, y);
    x = y;
  }
  assert.equal([...(await x.read())], [40, 40, 40]);
  const long = emptyLike(tensor(device, new Float32Array(100)));
  launch(next, tensor(device, new Float32Array(100)), long);
  assert.ok((await long.read()).every((v) => v === 1));
});

test.run();
