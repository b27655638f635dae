// mixedPrecision: what is f16 in it and what stays f32, gradients close to those of f32, one copy of each parameter.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { noGrad } from '../../runtime/autograd/tape.ts';
import { tensor } from '../../runtime/create.ts';
import { Device } from '../../runtime/device/device.ts';
import { DeviceError, errorText } from '../../runtime/errors.ts';
import {
  BatchNorm,
  Conv2d,
  ConvTranspose2d,
  GroupNorm,
  LayerNorm,
  Linear,
  RMSNorm,
  Sequential,
} from '../../runtime/modules/layers.ts';
import { TRAIN } from '../../runtime/modules/module.ts';
import { mixedPrecision } from '../../runtime/modules/precision.ts';
import { cast, crossEntropy, mean, relu } from '../../runtime/ops/index.ts';
import { LossScaler } from '../../runtime/optim/lossScaler.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { NetworkConfig } from '../../src/nn/define.ts';
import { createNetwork } from '../../src/nn/networks.ts';
import { gpuVariants, testDevice } from '../support/device.ts';

const images = (device: Device, n: number, h: number, w: number): { x: Tensor; labels: Tensor } => {
  const rng = new Rng(5, 2);
  const labels = Int32Array.from({ length: n * h * w }, (_, i) => Math.floor(((i % w) * 3) / w));
  return {
    x: device.tensor(
      Float32Array.from({ length: 3 * labels.length }, (_, i) => labels[Math.floor(i / 3)] - 1 + 0.3 * rng.normal()),
      [n, h, w, 3],
    ),
    labels: device.tensor(labels, [n, h, w]),
  };
};

const networks: Record<string, NetworkConfig> = {
  'U-Net': { kind: 'unet', width: 4, depth: 3 },
  'U-Net with transposed convolutions': { kind: 'unet', width: 8, depth: 2, up: 'transpose' },
  DeepLab: {
    kind: 'deeplabv3plus',
    depth: 18,
    widths: [4, 8, 8, 8],
    asppChannels: 8,
    lowChannels: 4,
    decoderChannels: 8,
  },
};

const norm = (v: ArrayLike<number>): number => Math.hypot(...Array.from(v));
/** The distance of gradients from others, relative to their norm. */
const distance = (got: readonly ArrayLike<number>[], want: readonly ArrayLike<number>[]): number =>
  norm(want.map((v, i) => norm(Array.from(v, (g, k) => g - got[i][k])))) / norm(want.map(norm));

for (const [where, open] of Object.entries({ '': testDevice, ', kernels for GPUs': gpuVariants })) {
  for (const [name, config] of Object.entries(networks)) {
    if (open === gpuVariants && name !== 'U-Net') continue;
    test(`${name}${where}: loss, gradients and statistics are those of f32 to a few digits`, async () => {
      const device = await open();
      if (!device.f16) return;
      const scaler = new LossScaler(device, { scale: 1024 });
      const { x, labels } = images(device, 4, 33, 32);
      // At a first draw a gradient hangs on units that are about to switch: what f16 may change is what f16 weights and
      // images change where all is computed in f32.
      const run = async (what: 'f32' | 'rounded' | 'mixed') => {
        const net = createNetwork(device, config, 3, 4);
        const params = [...net.params.values()];
        if (what === 'rounded') for (const p of params) device.write(p, await cast(p, 'f16').read());
        const { loss, grads, dtypes } = device.scope(() => {
          const image = what === 'rounded' ? cast(cast(x, 'f16'), 'f32') : x;
          const forward = (): Tensor => net.forward(image, TRAIN);
          const logits = what === 'mixed' ? mixedPrecision(device, forward) : forward();
          const l = crossEntropy(logits, labels);
          const g = grad(l, params, what === 'mixed' ? { dy: scaler.scale } : {});
          return { loss: l, grads: g, dtypes: [logits, l, ...g].map((t) => t.dtype) };
        });
        const values = (await device.read(grads)).map((g) => g.map((v) => (what === 'mixed' ? v / 1024 : v)));
        const buffers = await device.read([...net.buffers.values()]);
        const result = { loss: await loss.item(), values, buffers, dtypes };
        for (const t of [net, loss, ...grads]) t.dispose();
        return result;
      };
      const want = await run('f32');
      const rounded = await run('rounded');
      const got = await run('mixed');
      assert.ok(got.dtypes.every((d) => d === 'f32'));
      assert.ok(Math.abs(got.loss - want.loss) < 2e-3, `loss ${got.loss} for ${want.loss}`);
      const error = distance(got.values, want.values);
      const bound = 3 * distance(rounded.values, want.values);
      assert.ok(error > 1e-5 && error < bound, `gradients: ${error}, bound ${bound}`);
      assert.ok(distance(got.buffers, want.buffers) < 2e-3, 'statistics');
      for (const t of [scaler, x, labels]) t.dispose();
    });
  }
}

test('each parameter is cast once, for passes with and without gradients alike', async () => {
  const device = await testDevice();
  if (!device.f16) return;
  const net = new Sequential(new Conv2d(3, 4, 3), new BatchNorm(4), relu, new Conv2d(4, 4, 1, { bias: false })).init(
    device,
  );
  const forward = (x: Tensor): { teacher: Tensor; student: Tensor } =>
    mixedPrecision(device, () => ({ teacher: noGrad(() => net.forward(x, TRAIN)), student: net.forward(x, TRAIN) }));
  let tracked: boolean[] = [];
  let gradients: Tensor[] = [];
  const step = plan(device, { x: { shape: [2, 8, 8, 3] } }, ({ x }) => {
    const { teacher, student } = forward(x);
    tracked = [teacher, student].map((t) => t.tracked);
    return { teacher, student };
  });
  assert.equal(
    [Object.values(step.outputs).map((t) => t.dtype), tracked],
    [
      ['f16', 'f16'],
      [false, true],
    ],
  );
  // The image, and the three parameters of convolutions.
  assert.is(step.kernels.filter((k) => k.startsWith('cast')).length, 4);
  step.dispose();
  const x = tensor(device, new Float32Array(384).fill(0.5), { shape: [2, 8, 8, 3] });
  device.scope(() => void (gradients = grad(mean(cast(forward(x).student, 'f32')), [...net.params.values()])));
  assert.equal(
    gradients.map((g) => g.dtype),
    gradients.map(() => 'f32'),
  );
  net.dispose();
  x.dispose();
});

test('what layers make in it, and outside of it', async () => {
  const device = await testDevice();
  if (!device.f16) return;
  const x = tensor(
    device,
    Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)),
    { shape: [1, 4, 4, 4] },
  );
  const layers = {
    conv: new Conv2d(4, 4, 1),
    up: new ConvTranspose2d(4, 4, 2, { stride: 2 }),
    linear: new Linear(4, 4),
    bn: new BatchNorm(4),
    ln: new LayerNorm(4),
    gn: new GroupNorm(2, 4),
    rms: new RMSNorm(4),
  };
  for (const layer of Object.values(layers)) layer.init(device);
  const dtypes = (): Record<string, string> =>
    Object.fromEntries(
      Object.entries(layers).map(([name, layer]) => {
        const h = new Conv2d(4, 4, 1).init(device).forward(x);
        return [name, layer.forward(h, TRAIN).dtype];
      }),
    );
  const halves = { conv: 'f16', up: 'f16', linear: 'f16', bn: 'f16', ln: 'f16', gn: 'f16', rms: 'f16' };
  const fulls = Object.fromEntries(Object.keys(layers).map((name) => [name, 'f32']));
  device.scope(() => {
    assert.equal(mixedPrecision(device, dtypes), halves);
    assert.equal(dtypes(), fulls);
    // One within another is one; a body that fails leaves nothing behind.
    assert.equal(
      mixedPrecision(device, () => [
        mixedPrecision(device, () => layers.conv.forward(x)).dtype,
        layers.conv.forward(x).dtype,
      ]),
      ['f32', 'f16'],
    );
    assert.throws(() => mixedPrecision(device, () => layers.linear.forward(tensor(device, [1]))), /linear/);
    assert.equal(dtypes(), fulls);
    assert.is(mixedPrecision(device, () => layers.conv.forward(x)).dtype, 'f32');
  });
});

test('memory: a step in a scope leaves nothing, a copy whose scope has ended is made again', async () => {
  const device = await testDevice();
  if (!device.f16) return;
  const net = new Sequential(new Conv2d(4, 4, 1), relu, new Linear(4, 2)).init(device);
  const x = tensor(device, new Float32Array(64).fill(0.5), { shape: [1, 4, 4, 4] });
  const before = device.pool.stats.inUse;
  const values = mixedPrecision(device, () => [0, 1].map(() => device.scope(() => [mean(net.forward(x))])[0]));
  assert.equal(await values[0].item(), await values[1].item());
  for (const v of values) v.dispose();
  device.scope(() => void grad(mean(mixedPrecision(device, () => net.forward(x))), net.params));
  assert.is(device.pool.stats.inUse, before);
  net.dispose();
  x.dispose();
});

test('an adapter without f16 is refused', async () => {
  const { gpu, info } = await testDevice();
  class WithoutHalf extends Device {
    override get f16(): boolean {
      return false;
    }
  }
  let ran = false;
  const device = new WithoutHalf(gpu, info);
  assert.throws(
    () => mixedPrecision(device, () => void (ran = true)),
    (e: unknown) => e instanceof DeviceError && /mixed precision.*shader-f16/.test(errorText(e)),
  );
  assert.not.ok(ran);
  device.close();
});

test.run();
