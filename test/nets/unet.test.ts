// U-Net on images of any size.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { mean, mul } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { EVAL, TRAIN } from '../../src/nn/module.ts';
import { UNet } from '../../src/nn/unet.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';

const picture = (h: number, w: number, n = 1): Float32Array => {
  const rng = new Rng(h, w);
  return Float32Array.from({ length: n * h * w * 3 }, () => rng.normal());
};

for (const up of ['bilinear', 'transpose'] as const) {
  test(`${up}: sides shorter than the deepest level needs are padded inside`, async () => {
    const device = await testDevice();
    const net = new UNet(device, { numClasses: 3, width: 4, depth: 4, up });
    for (const [h, w] of [
      [1, 1],
      [6, 6],
      [5, 40],
      [40, 7],
      [8, 8],
    ]) {
      const x = device.tensor(picture(h, w, 2), [2, h, w, 3]);
      const z = net.forward(x, TRAIN);
      assert.equal([...z.shape], [2, h, w, 3]);
      assert.ok((await z.read()).every(Number.isFinite));
      const [g] = grad(mean(mul(z, z)), [net.params.get('enc3.0.conv.weight')!]);
      assert.ok((await g.read()).every(Number.isFinite));
    }
    // The padding is what zeros right of and below the image would be.
    const padded = new Float32Array(8 * 8 * 3);
    const small = picture(5, 6);
    for (let y = 0; y < 5; y++) padded.set(small.subarray(y * 18, y * 18 + 18), y * 24);
    const all = await net.forward(device.tensor(padded, [1, 8, 8, 3]), EVAL).read();
    const want = Array.from({ length: 5 * 6 * 3 }, (_, i) => all[Math.floor(i / 18) * 24 + (i % 18)]);
    close(await net.forward(device.tensor(small, [1, 5, 6, 3]), EVAL).read(), want, 1e-6, 'padding');
    net.dispose();
  });
}

test.run();
