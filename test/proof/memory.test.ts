// Memory: flat over thousands of eager steps and replays, freed by a scope that throws, and never used after its end.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { DisposedError, errorText, FewmaskError, ShapeError } from '../../runtime/errors.ts';
import * as ops from '../support/ops.ts';
import { clipCoefficient } from '../../runtime/optim/clip.ts';
import { HYPER_SIZE, hyperTensor, hyperValues } from '../../runtime/optim/hyper.ts';
import { LossScaler } from '../../runtime/optim/lossScaler.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { FAMILIES, given, type Given } from './families.ts';

const STEPS = 2000;
/**
 * Bytes that the JavaScript heap may have grown by after a collection: a leak of a few hundred bytes a step is more.
 */
const MOST_HEAP = 1 << 20;

/** The heap after a collection, where node was told to offer one; else as it is. */
async function heap(): Promise<number> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // Twice: what has a finaliser is freed by the second.
  for (let k = 0; k < 2; k++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return process.memoryUsage().heapUsed;
}

interface Net {
  params: Map<string, Tensor>;
  forward(x: Tensor): Tensor;
}

function network(device: Device): Net {
  const draw = (...shape: number[]): Tensor => {
    const t = device.keep(
      device.tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i) / 4),
        shape,
      ),
    );
    t.requiresGrad = true;
    return t;
  };
  const params = new Map(
    Object.entries({ w: draw(3, 3, 3, 8), b: draw(8), gamma: draw(8), beta: draw(8), head: draw(8, 4) }),
  );
  const p = Object.fromEntries(params);
  return {
    params,
    forward: (x) =>
      ops.matmul(
        ops.relu(ops.batchNorm(ops.conv2d(x, p.w, p.b, { padding: 1 }), p.gamma, p.beta, undefined, { mode: 'train' })),
        p.head,
      ),
  };
}

const images = Float32Array.from({ length: 2 * 6 * 6 * 3 }, (_, i) => Math.cos(i));
const labels = Int32Array.from({ length: 72 }, (_, i) => i % 4);

/** Runs `step` so often; the pool must not move after the first few, the heap hardly. */
async function flat(device: Device, step: (k: number) => void | Promise<void>): Promise<void> {
  for (let k = 0; k < 20; k++) await step(k);
  await device.sync();
  const before = { heap: await heap(), pool: counts(device) };
  for (let k = 0; k < STEPS; k++) {
    await step(k);
    if (k % 100 === 99) await device.sync();
  }
  await device.sync();
  assert.equal(counts(device), before.pool);
  const grown = (await heap()) - before.heap;
  assert.ok(grown < MOST_HEAP, `the heap has grown by ${grown} bytes`);
}

const counts = ({
  pool: {
    stats: { inUse, allocated, buffers, created },
  },
}: Device): object => ({ inUse, allocated, buffers, created });

test(`${STEPS} eager steps`, async () => {
  const device = await testDevice();
  const net = network(device);
  const sgd = new Sgd(net.params, { momentum: 0.9 });
  const x = device.tensor(images, [2, 6, 6, 3]);
  const y = device.tensor(labels, [2, 6, 6]);
  const hyper = hyperTensor(device, { lr: 0.01, step: 1 });
  let loss = 0;
  await flat(device, async (k) => {
    const last = device.scope(() => {
      const l = ops.crossEntropy(net.forward(x), y);
      sgd.step(grad(l, [...net.params.values()]), hyper);
      return l;
    });
    if (k % 500 === 0) loss = await last.item();
    last.dispose();
  });
  assert.ok(Number.isFinite(loss));
  sgd.dispose();
  for (const t of [x, y, hyper, ...net.params.values()]) t.dispose();
});

test(`${STEPS} replays`, async () => {
  const device = await testDevice();
  const net = network(device);
  const sgd = new Sgd(net.params, { momentum: 0.9 });
  const step = plan(
    device,
    { x: { shape: [2, 6, 6, 3] }, y: { shape: [2, 6, 6], dtype: 'i32' }, hyper: { shape: [HYPER_SIZE] } },
    ({ x, y, hyper }) => {
      const loss = ops.crossEntropy(net.forward(x), y);
      sgd.step(grad(loss, [...net.params.values()]), hyper);
      return { loss };
    },
  );
  let loss = 0;
  await flat(device, async (k) => {
    const { loss: l } = step.run({ x: images, y: labels, hyper: hyperValues({ lr: 0.01, step: k + 1 }) });
    if (k % 500 === 0) loss = await l.item();
  });
  assert.ok(Number.isFinite(loss));
  step.dispose();
  sgd.dispose();
  for (const t of net.params.values()) t.dispose();
});

test('plans made and disposed leave nothing', async () => {
  const device = await testDevice();
  const before = device.pool.stats.inUse;
  for (let k = 0; k < 50; k++) {
    const step = plan(device, { x: { shape: [4, 8] } }, ({ x }) => ({ y: ops.softmax(ops.mul(x, 2)) }));
    step.run({ x: new Float32Array(32) });
    step.dispose();
  }
  assert.is(device.pool.stats.inUse, before);
});

test('a scope that throws frees all that was made in it', async () => {
  const device = await testDevice();
  const g = given(device);
  const before = device.pool.stats.inUse;
  const throws = (body: () => unknown, what: RegExp): void => {
    assert.throws(
      () => device.scope(body),
      (e: Error) => what.test(errorText(e)),
    );
    assert.is(device.pool.stats.inUse, before);
  };
  throws(() => {
    const y = ops.exp(g.z);
    grad(ops.sum(y), [g.z]);
    throw new Error('mine');
  }, /mine/);
  throws(() => ops.add(ops.exp(g.z), ops.full(device, [7], 1)), /differ along axis/);
  throws(() => device.scope(() => ops.matmul(ops.exp(g.z), ops.exp(g.z))), /matmul/);
  throws(() => {
    device.scope(() => ops.exp(g.z));
    const kept = device.scope(() => [ops.exp(g.z), { deep: ops.exp(g.z) }]);
    assert.is(kept.length, 2);
    throw new Error('after a scope within');
  }, /after a scope within/);
  throws(() => Promise.resolve(ops.exp(g.z)), /asynchronous/);
  for (const t of Object.values(g)) t.dispose();
});

test('an operation that is refused leaves nothing, also outside of a scope', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2], [2]);
  const before = device.pool.stats.inUse;
  const far = 2 ** 40;
  assert.throws(
    () => ops.pad(x, [[far, -far]]),
    (e: unknown) => e instanceof ShapeError,
  );
  assert.is(device.pool.stats.inUse, before);
  x.dispose();
});

test('every operation refuses a tensor after its end', async () => {
  const device = await testDevice();
  const names = [
    'z',
    'q',
    'u',
    'w',
    'v',
    'm',
    'theta',
    'grid',
    'labels',
    'picks',
    'whole',
    'seed',
  ] as const satisfies readonly (keyof Given)[];
  const wrong: string[] = [];
  for (const [name, family] of Object.entries(FAMILIES)) {
    const used = names.filter((k) =>
      new RegExp(`\\b${k}\\b`).test(/^\(?\{([^}]*)\}/.exec(String(family))?.[1] ?? 'z u v'),
    );
    for (const k of used) {
      const g = given(device);
      const before = device.pool.stats.inUse;
      // The families of functions of one or two tensors share their code: they are told by what they leave alone.
      g[k].dispose();
      let error: unknown = null;
      try {
        device.scope(() => void family(g));
      } catch (e) {
        error = e;
      }
      if (!(error instanceof DisposedError)) wrong.push(`${name} with ${k} disposed: ${String(error)}`);
      if (device.pool.stats.inUse > before) wrong.push(`${name} with ${k} disposed leaves memory behind`);
      for (const t of Object.values(g)) t.dispose();
    }
  }
  assert.equal(wrong, []);
});

test('everything else that takes a tensor refuses it after its end', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4], [4]);
  const y = device.tensor([1], [1]);
  const hyper = hyperTensor(device, { lr: 1, step: 1 });
  x.requiresGrad = true;
  const loss = ops.sum(x);
  const sgd = new Sgd(new Map([['x', x]]));
  const scaler = new LossScaler(device);
  const step = plan(device, {}, () => ({ s: ops.sum(x) }));
  const later = plan(device, {}, () => ({ s: ops.sum(y) }));
  x.dispose();
  y.dispose();
  const uses: Record<string, () => unknown> = {
    read: () => x.read(),
    item: () => y.item(),
    'read of several': () => device.read([hyper, x]),
    view: () => x.view([2, 2]),
    write: () => device.write(x, new Float32Array(4)),
    clear: () => device.clear(x),
    copy: () => device.copy(x, hyper.view([8])),
    'copy into': () => device.copyInto(x, hyper, 0),
    dispatch: () =>
      device.run({ shader: 'fill', entry: 'forward', bindings: { y: x }, params: { n: 4, word: 0 }, threads: 4 }),
    'plan from it': () => plan(device, {}, () => ({ s: ops.sum(x) })),
    'gradient from it': () => grad(x, [x], { dy: x }),
    optimiser: () => sgd.step([x], hyper),
    clip: () => clipCoefficient([x], 1, hyper),
    'loss scale': () => scaler.unscale([x], hyper),
  };
  const wrong: string[] = [];
  for (const [name, use] of Object.entries(uses)) {
    let error: unknown = null;
    try {
      await use();
    } catch (e) {
      error = e;
    }
    if (!(error instanceof DisposedError) && !(name.startsWith('copy') && error instanceof ShapeError))
      wrong.push(`${name}: ${error instanceof FewmaskError ? error.message : String(error)}`);
  }
  assert.equal(wrong, []);
  // A plan holds what it reads from outside.
  step.run();
  later.run();
  assert.equal([await step.outputs.s.item(), await later.outputs.s.item()], [10, 1]);
  for (const t of [loss, hyper, scaler]) t.dispose();
  step.dispose();
  later.dispose();
});

test.run();
