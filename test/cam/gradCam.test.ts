// Activation maps: the worked example, the identity of CAM and Grad-CAM, and whole networks at several layers.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { noGrad } from '../../runtime/autograd/tape.ts';
import type { Device } from '../../runtime/device/device.ts';
import { globalAvgPool, matmul } from '../../runtime/ops/index.ts';
import { normaliseMaps } from '../../src/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { activationMap, classActivationMaps, gradCam, listLayers, type CamMethod } from '../../src/cam/index.ts';
import { DeepLabV3Plus } from '../../src/nn/deeplab.ts';
import { EVAL, type Network } from '../../src/nn/module.ts';
import { UNet } from '../../src/nn/unet.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';
import { says } from '../support/errors.ts';

// Two channels of 2x2, interleaved.
const A = [1, 0, 2, 1, 3, 1, 4, -2];
const G = [0.1, -0.2, 0.1, 0, 0.1, 0, 0.1, -0.2];

function pictures(n: number, h: number, w: number, seed = 1): Float32Array {
  const rng = new Rng(seed, 4);
  return Float32Array.from({ length: n * h * w * 3 }, () => rng.normal());
}

/** Running statistics of an untrained network are 0 and 1; others show whether they are used. */
function disturb(device: Device, net: Network): void {
  const rng = new Rng(8, 8);
  for (const [name, t] of net.buffers)
    device.write(
      t,
      Float32Array.from({ length: t.size }, () => (name.endsWith('var') ? rng.uniform(0.5, 2) : 0.1 * rng.normal())),
    );
}

const unet = (device: Device): Network => new UNet(device, { numClasses: 4, width: 4, depth: 3, seed: 3 });
const deeplab = (device: Device): Network =>
  new DeepLabV3Plus(device, {
    numClasses: 4,
    depth: 18,
    widths: [4, 4, 8, 8],
    asppChannels: 8,
    lowChannels: 4,
    decoderChannels: 8,
    seed: 3,
  });

test('Grad-CAM++ by its definition', async () => {
  const device = await testDevice();
  // Channel 0: a = 0.01 / (0.02 + 10 · 0.001); the positive gradients of channel 1 are none.
  const w = (4 * 0.1 * 0.01) / (0.02 + 0.01 + 1e-6);
  const map = activationMap(device.tensor(A, [1, 2, 2, 2]), device.tensor(G, [1, 2, 2, 2]), 'gradcam++');
  close(await map.read(), [w, 2 * w, 3 * w, 4 * w], 1e-6, 'worked example');
  const [n, h, k] = [2, 3, 4];
  const rng = new Rng(6, 2);
  const draw = (): Float32Array => Float32Array.from({ length: n * h * h * k }, () => rng.normal());
  const [a, g] = [draw().map(Math.abs), draw()];
  const at = (image: number, pixel: number, c: number): number => (image * h * h + pixel) * k + c;
  const pixels = [...Array(h * h).keys()];
  const want: number[] = [];
  for (let image = 0; image < n; image++) {
    const weights = Array.from({ length: k }, (_, c) => {
      const sum = pixels.reduce((s, p) => s + a[at(image, p, c)], 0);
      return pixels.reduce((s, p) => {
        const v = g[at(image, p, c)];
        return s + (Math.max(0, v) * v * v) / (2 * v * v + sum * v ** 3 + 1e-6);
      }, 0);
    });
    for (const p of pixels)
      want.push(
        Math.max(
          0,
          weights.reduce((s, v, c) => s + v * a[at(image, p, c)], 0),
        ),
      );
  }
  const shape = [n, h, h, k];
  const got = activationMap(device.tensor(a, shape), device.tensor(g, shape), 'gradcam++');
  close(await got.read(), want, 1e-5, 'random');
});

test('worked example', async () => {
  const device = await testDevice();
  const a = device.tensor(A, [1, 2, 2, 2]);
  const g = device.tensor(G, [1, 2, 2, 2]);
  const map = activationMap(a, g);
  close(await map.read(), [0.1, 0.1, 0.2, 0.6], 1e-6, 'Grad-CAM');
  close(await normaliseMaps(map).read(), [0.16666667, 0.16666667, 0.33333333, 1], 1e-6, 'divided by the maximum');
  close(await normaliseMaps(map, { by: 'min-max' }).read(), [0, 0, 0.2, 1], 1e-6, 'stretched');
  close(await activationMap(a, g, 'hirescam').read(), [0.1, 0.2, 0.3, 0.8], 1e-6, 'HiResCAM');
  close(await activationMap(a, g, 'layercam').read(), [0.1, 0.2, 0.3, 0.4], 1e-6, 'LayerCAM');
});

test('CAM is h w times the Grad-CAM of its classifier', async () => {
  const device = await testDevice();
  const a = device.tensor(A, [1, 2, 2, 2]);
  const w = device.tensor([0.4, -0.4], [2, 1]);
  a.requiresGrad = true;
  const z = matmul(globalAvgPool(a).view([1, 2]), w);
  close([await z.item()], [1], 1e-6, 'score');
  const cam = await classActivationMaps(a, w).read();
  close(cam, [0.4, 0.4, 0.8, 2.4], 1e-6, 'CAM');
  // The pooled activations are seen through a view, which has no history: the chain is made by hand.
  const pooled = globalAvgPool(a);
  const [g] = grad(pooled, [a], { dy: w.view([1, 1, 1, 2]) });
  close(
    await activationMap(a, g).read(),
    cam.map((v) => v / 4),
    1e-6,
    'a quarter',
  );
});

for (const [name, make] of [
  ['U-Net', unet],
  ['DeepLabV3+', deeplab],
] as const) {
  test(`${name}: layers and their strides`, async () => {
    const device = await testDevice();
    const net = make(device);
    const layers = listLayers(net);
    assert.is(layers.filter((l) => l.deepest).length, 1);
    assert.equal(
      layers.find((l) => l.deepest),
      name === 'U-Net'
        ? { name: 'enc2.1', channels: 16, stride: 4, deepest: true }
        : { name: 'backbone.layer4.1', channels: 8, stride: 16, deepest: true },
    );
    assert.equal(layers.at(-1), { name: 'head', channels: 4, stride: name === 'U-Net' ? 1 : 4, deepest: false });
    net.dispose();
  });

  test(`${name}: maps of every layer are finite and fill [0, 1]`, async () => {
    const device = await testDevice();
    const net = make(device);
    disturb(device, net);
    const before = await net.stateDict();
    const x = device.tensor(pictures(2, 40, 52), [2, 40, 52, 3]);
    const methods: CamMethod[] = ['gradcam', 'gradcam++', 'hirescam', 'layercam'];
    const maps: Tensor[] = [];
    listLayers(net).forEach((l, i) =>
      maps.push(
        gradCam(net, x, {
          layer: l.name,
          method: methods[i % 3],
          target: i % 2 ? 'predicted' : i % 4,
          pixels: 'all',
          normalise: i % 2 ? 'max' : 'min-max',
        }),
      ),
    );
    let filled = 0;
    for (const map of await device.read(maps)) {
      assert.is(map.length, 2 * 40 * 52);
      assert.ok(map.every((v) => v >= 0 && v <= 1));
      if (map.some((v) => v > 0.5)) filled++;
    }
    assert.ok(filled > maps.length / 2, `${filled} of ${maps.length} maps show something`);
    assert.equal(await net.stateDict(), before, 'nothing of the network has moved');
    net.dispose();
  });
}

test('an enlarged map reaches 1 at its peak and 0 at its least, as before it was enlarged', async () => {
  const device = await testDevice();
  const net = unet(device);
  disturb(device, net);
  const x = device.tensor(pictures(2, 44, 60, 5), [2, 44, 60, 3]);
  for (const layer of ['enc2.1', 'enc1.1']) {
    const stretched = await gradCam(net, x, { layer, method: 'layercam', pixels: 'all', target: 1 }).read();
    const divided = await gradCam(net, x, {
      layer,
      method: 'layercam',
      pixels: 'all',
      target: 1,
      normalise: 'max',
    }).read();
    for (const map of [stretched.subarray(0, 44 * 60), stretched.subarray(44 * 60)])
      close([Math.min(...map), Math.max(...map)], [0, 1], 1e-5, layer);
    close([Math.max(...divided.subarray(0, 44 * 60)), Math.max(...divided.subarray(44 * 60))], [1, 1], 1e-6, layer);
  }
  net.dispose();
});

test('evaluation mode: an image alone has the map that it has in a batch; a plan gives the same bits', async () => {
  const device = await testDevice();
  const net = unet(device);
  disturb(device, net);
  const data = pictures(2, 33, 40);
  const both = await gradCam(net, device.tensor(data, [2, 33, 40, 3]), { target: 2, pixels: 'all' }).read();
  const second = device.tensor(data.slice(data.length / 2), [1, 33, 40, 3]);
  close(await gradCam(net, second, { target: 2, pixels: 'all' }).read(), both.slice(both.length / 2), 1e-5, 'alone');
  const step = plan(device, { x: { shape: [2, 33, 40, 3] } }, ({ x }) => ({
    map: gradCam(net, x, { target: 2, pixels: 'all' }),
  }));
  step.run({ x: data });
  assert.equal(await step.outputs.map.read(), both);
  step.dispose();
  net.dispose();
});

test('the scores themselves as the layer: the map is the score of the class', async () => {
  const device = await testDevice();
  const net = unet(device);
  disturb(device, net);
  const x = device.tensor(pictures(1, 24, 24), [1, 24, 24, 3]);
  const logits = await noGrad(() => net.forward(x, EVAL)).read();
  const scores = Array.from({ length: 24 * 24 }, (_, p) => Math.max(0, logits[4 * p + 1]));
  const low = Math.min(...scores);
  const high = Math.max(...scores);
  close(
    await gradCam(net, x, { layer: 'head', target: 1, pixels: 'all' }).read(),
    scores.map((v) => (v - low) / (high - low)),
    1e-5,
    'min-max',
  );
  close(
    await gradCam(net, x, { layer: 'head', target: 1, pixels: 'all', normalise: 'max' }).read(),
    scores.map((v) => v / high),
    1e-5,
    'max',
  );
  // Only the pixels of the region take part: the others have no gradient, which HiResCAM shows.
  const region = Float32Array.from({ length: 576 }, (_, p) => (p % 24 < 12 ? 1 : 0));
  const inside = scores.map((v, p) => v * region[p]);
  close(
    await gradCam(net, x, {
      layer: 'head',
      target: 1,
      pixels: 'all',
      method: 'hirescam',
      normalise: 'max',
      region: device.tensor(region, [1, 24, 24]),
    }).read(),
    inside.map((v) => v / Math.max(...inside)),
    1e-5,
    'region',
  );
  const predicted = scores.map((v, p) => (logits.slice(4 * p, 4 * p + 4).every((u) => u <= logits[4 * p + 1]) ? v : 0));
  assert.ok(predicted.some((v) => v > 0));
  close(
    await gradCam(net, x, { layer: 'head', target: 1, method: 'hirescam', normalise: 'max' }).read(),
    predicted.map((v) => v / Math.max(...predicted)),
    1e-5,
    'predicted pixels',
  );
  const nothing = await gradCam(net, x, {
    target: 1,
    region: device.tensor(new Float32Array(576), [1, 24, 24]),
  }).read();
  assert.ok(
    nothing.every((v) => v === 0),
    'no evidence, no NaN',
  );
  net.dispose();
});

test('memory stays flat', async () => {
  const device = await testDevice();
  const net = unet(device);
  const x = device.tensor(pictures(1, 32, 32), [1, 32, 32, 3]);
  const once = async (): Promise<void> => {
    const map = gradCam(net, x, { target: 1, pixels: 'all' });
    await map.read();
    map.dispose();
  };
  await once();
  const { inUse, created } = device.pool.stats;
  for (let i = 0; i < 5; i++) await once();
  assert.equal([device.pool.stats.inUse, device.pool.stats.created], [inUse, created]);
  listLayers(net);
  assert.is(device.pool.stats.inUse, inUse);
  net.dispose();
});

test('what cannot be', async () => {
  const device = await testDevice();
  const net = unet(device);
  const x = device.tensor(pictures(1, 16, 16), [1, 16, 16, 3]);
  assert.throws(() => gradCam(net, x, { layer: 'enc9' }), says(/no layer "enc9".*enc0\.0/));
  assert.throws(() => gradCam(net, x, { target: 4 }), says(/no class 4/));
  assert.throws(() => gradCam(net, x, { region: device.empty([1, 16, 15]) }), says(/the region/));
  assert.throws(() => noGrad(() => gradCam(net, x)), says(/noGrad/));
  net.dispose();
});

test.run();
