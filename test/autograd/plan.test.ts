// Recorded plans: what they own, and what they refuse.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Device } from '../../runtime/device/device.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import {
  DisposedError,
  errorText,
  FewmaskError,
  OutOfMemoryError,
  ShapeError,
  UsageError,
} from '../../runtime/errors.ts';
import { add, mul, relu, sum } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

test('replays with new inputs; gradients are part of it', async () => {
  const device = await testDevice();
  const w = device.tensor([1, -2, 3], [3]);
  w.requiresGrad = true;
  const step = plan(device, { x: { shape: [4, 3] } }, ({ x }) => {
    const y = sum(relu(add(x, x)), 0);
    return { y, dw: grad(add(y, w), [w], { dy: y })[0] };
  });
  for (const scale of [1, -2]) {
    const x = Float32Array.from({ length: 12 }, (_, i) => scale * (i - 5));
    const { y, dw } = step.run({ x });
    const want = [0, 1, 2].map((c) => [0, 1, 2, 3].reduce((s, r) => s + Math.max(0, 2 * x[3 * r + c]), 0));
    assert.equal([...(await y.read())], want);
    assert.equal([...(await dw.read())], want);
  }
  step.dispose();
  w.dispose();
});

test('compiles its kernels beforehand, each once', async () => {
  const { gpu, info } = await testDevice();
  const made: string[] = [];
  const counting = new Proxy(gpu, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (/^createComputePipeline/.test(String(key))) made.push(String(key));
        return (value as (...a: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  const device = new Device(counting, info);
  const step = plan(device, { x: { shape: [4] } }, ({ x }) => ({ y: relu(add(relu(add(x, 1)), x)) }));
  assert.equal(made, []);
  await step.compile();
  await step.compile();
  assert.equal(
    made,
    Array.from({ length: new Set(step.kernels).size }, () => 'createComputePipelineAsync'),
  );
  assert.equal([...(await step.run({ x: Float32Array.of(-3, -1, 0, 2) }).y.read())], [0, 0, 1, 5]);
  assert.is(made.length, 3);
  step.dispose();
  device.close();
});

test('views of tensors from outside and constants made while recording live as long as the plan', async () => {
  const device = await testDevice();
  const before = device.pool.stats.inUse;
  const outside = device.tensor([1, 2, 3, 4], [2, 2]);
  const step = plan(device, {}, () => ({ y: add(outside.view([4]), device.tensor([10, 20, 30, 40], [4])) }));
  outside.dispose();
  // What the plan needs is not handed out again.
  const other = device.tensor(new Float32Array(4).fill(-1), [4]);
  assert.equal([...(await step.run().y.read())], [11, 22, 33, 44]);
  step.dispose();
  other.dispose();
  assert.is(device.pool.stats.inUse, before);
});

test('the memory is known before the first run, and refused beyond the budget', async () => {
  const device = await testDevice();
  const before = device.pool.stats.inUse;
  const body = () =>
    plan(device, { x: { shape: [512, 512] } }, ({ x }) => ({ y: relu(relu(relu(x))) }), { budget: 2 * 2 ** 20 });
  assert.throws(
    body,
    (e: unknown) => e instanceof OutOfMemoryError && /the step needs .* budget is 2\.0 MiB/.test(errorText(e)),
  );
  assert.is(device.pool.stats.inUse, before);
});

const disposed = (e: unknown): boolean => e instanceof DisposedError;

test('a tensor from outside lives as long as a plan that uses it', async () => {
  const device = await testDevice();
  const before = device.pool.stats.inUse;
  const w = device.tensor([2, 3], [2]);
  const step = plan(device, { x: { shape: [2] } }, ({ x }) => ({ y: mul(x, w) }));
  w.dispose();
  const other = device.tensor([-1, -1], [2]);
  assert.equal([...(await step.run({ x: Float32Array.of(10, 20) }).y.read())], [20, 60]);
  step.dispose();
  other.dispose();
  assert.is(device.pool.stats.inUse, before);
});

test('a constant made in a scope inside the body; inputs made in a scope outside of it', async () => {
  const device = await testDevice();
  const step = device.scope(() => {
    const made = plan(device, { x: { shape: [2] } }, ({ x }, declare) => {
      const z = device.scope(() => declare('z', { shape: [2] }));
      return { y: device.scope(() => add(add(x, z), device.tensor([1, 2], [2]))) };
    });
    return made;
  });
  const other = device.tensor([-1, -1], [2]);
  assert.equal(
    [...(await step.run({ x: Float32Array.of(10, 20), z: Float32Array.of(100, 200) }).y.read())],
    [111, 222],
  );
  step.dispose();
  other.dispose();
});

test("a disposed plan: neither its inputs nor its outputs show memory that is somebody else's", async () => {
  const device = await testDevice();
  const step = plan(device, { x: { shape: [2] } }, ({ x }) => ({ y: relu(x) }));
  const { x } = step.inputs;
  const { y } = step.run({ x: Float32Array.of(1, 2) });
  step.dispose();
  let error: unknown;
  await y.read().catch((e: unknown) => (error = e));
  assert.ok(disposed(error));
  assert.throws(() => device.write(x, Float32Array.of(3, 4)), disposed);
  assert.throws(() => step.run(), disposed);
  await step.profile().catch((e: unknown) => (error = e));
  assert.ok(disposed(error) && /the plan/.test((error as Error).message));
});

test('what is in the middle of a plan cannot be used outside of it', async () => {
  const device = await testDevice();
  let middle: Tensor | undefined;
  const step = plan(device, { x: { shape: [2] } }, ({ x }) => ({ y: relu((middle = relu(x))) }));
  assert.throws(() => relu(middle!), disposed);
  assert.throws(() => plan(device, {}, () => ({ y: relu(middle!) })), disposed);
  step.dispose();
});

test('a plan that fails leaves no memory behind, whenever it fails', async () => {
  const device = await testDevice();
  const w = device.tensor([1, 2], [2]);
  const before = device.pool.stats.inUse;
  const body = (x: Tensor): { y: Tensor } => ({ y: add(add(x, w), device.tensor([1, 2], [2])) });
  assert.throws(() => plan(device, { x: { shape: [2] } }, ({ x }) => body(x) && relu(x).view([5]) && body(x)));
  assert.throws(() => plan(device, { x: { shape: [2] } }, ({ x }) => body(x), { budget: 0 }));
  const { gpu } = device;
  const group = gpu.createBindGroup;
  gpu.createBindGroup = () => {
    throw new Error('no group');
  };
  try {
    assert.throws(() => plan(device, { x: { shape: [2] } }, ({ x }) => body(x)), /no group/);
  } finally {
    gpu.createBindGroup = group;
  }
  assert.is(device.pool.stats.inUse, before);
  w.dispose();
});

test('an input that does not fit leaves all of them as they were', async () => {
  const device = await testDevice();
  const step = plan(device, { a: { shape: [2] }, b: { shape: [2], dtype: 'i32' } }, ({ a, b }) => ({
    y: relu(a),
    b: b.view([2]),
  }));
  step.run({ a: Float32Array.of(1, 2), b: Int32Array.of(3, 4) });
  const wrong = (e: unknown): boolean => e instanceof ShapeError;
  assert.throws(() => step.run({ a: Float32Array.of(7, 8), b: Int32Array.of(1) }), wrong);
  assert.throws(() => step.run({ a: Float32Array.of(7, 8), b: Float32Array.of(1, 2) as never }), wrong);
  const { y, b } = step.run();
  assert.equal([...(await y.read()), ...(await b.read())], [1, 2, 3, 4]);
  step.dispose();
});

const usage =
  (message: RegExp) =>
  (e: unknown): boolean =>
    e instanceof UsageError && message.test(errorText(e));

test('an input that was never written is refused by name; one that nothing reads, or that the caller fills, is not', async () => {
  const device = await testDevice();
  const sizes = { a: { shape: [2] }, b: { shape: [2] }, c: { shape: [2] }, unused: { shape: [2] } } as const;
  const step = plan(device, sizes, ({ a, b, c }) => ({ y: add(a, b), c }));
  assert.throws(() => step.run({}), usage(/inputs have never been written: a \[2\], b \[2\], c \[2\]/));
  assert.throws(() => step.run({ a: Float32Array.of(1, 2) }), usage(/b \[2\], c \[2\]/));
  // Nothing was written by a run that was refused.
  device.write(step.inputs.b, Float32Array.of(10, 20));
  assert.throws(() => step.run({ c: Float32Array.of(0, 0) }), usage(/the input has never been written: a \[2\]/));
  device.copy(device.tensor([5, 6], [2]), step.inputs.c);
  const { y, c } = step.run({ a: Float32Array.of(1, 2) });
  assert.equal([...(await y.read()), ...(await c.read())], [11, 22, 5, 6]);
  assert.equal([...(await step.run().y.read())], [11, 22]);
  step.dispose();
  const own = plan(device, { x: { shape: [4] } }, ({ x }) => ({ y: relu(x) }));
  const source = device.tensor([1, -2, 3, -4], [4]);
  const { buffer } = own.inputs.x;
  device.submit((encoder) => encoder.copyBufferToBuffer(source.buffer, 0, buffer, 0, 16));
  assert.equal([...(await own.run().y.read())], [1, 0, 3, 0]);
  own.dispose();
});

test('inputs that are not known, or are of another length, type or kind', async () => {
  const device = await testDevice();
  const step = plan(device, { x: { shape: [2] } }, ({ x }) => ({ y: relu(x) }));
  const wrong = (inputs: Record<string, unknown>, message: RegExp): void => {
    assert.throws(
      () => step.run(inputs as never),
      (e: unknown) => e instanceof ShapeError && message.test(errorText(e)),
    );
  };
  wrong({ z: Float32Array.of(1, 2) }, /no input z.*its inputs are x/);
  wrong({ x: Float32Array.of(1) }, /input x is \[2\] f32, not 1 elements/);
  wrong({ x: Int32Array.of(1, 2) }, /Int32Array/);
  wrong({ x: device.tensor([1, 2], [2]) }, /Tensor/);
  wrong({ x: undefined }, /undefined/);
  step.dispose();
});

test('an asynchronous body is refused, at once or when it has returned a promise', async () => {
  const device = await testDevice();
  const before = device.pool.stats.inUse;
  const unhandled: unknown[] = [];
  const note = (e: unknown): void => void unhandled.push(e);
  process.on('unhandledRejection', note);
  const pause = (): Promise<void> => new Promise((done) => setTimeout(done, 5));
  const refused = (e: unknown): boolean =>
    e instanceof FewmaskError && /the body of a plan must not be asynchronous/.test(errorText(e));
  const later = async (x: Tensor): Promise<{ y: Tensor }> => {
    await pause();
    return { y: relu(x) };
  };
  let called = false;
  const bodies: ((inputs: { x: Tensor }) => unknown)[] = [
    async ({ x }) => {
      called = true;
      return later(x);
    },
    ({ x }) => later(x),
    ({ x }) => ({ y: relu(x), z: later(x) }),
  ];
  for (const body of bodies) assert.throws(() => plan(device, { x: { shape: [2] } }, body as never), refused);
  assert.is(called, false);
  await pause();
  await pause();
  process.off('unhandledRejection', note);
  assert.equal(unhandled, []);
  assert.is(device.pool.stats.inUse, before);
});

test.run();
