// A broken network must say so: weights that are NaN give logits that are, in every variant of the kernels.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { mixedPrecision } from '../../runtime/modules/precision.ts';
import { mean, mul } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { EVAL, TRAIN } from '../../src/nn/module.ts';
import { UNet } from '../../src/nn/unet.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';

const devices: Record<string, () => Promise<Device>> = {
  'the adapter': testDevice,
  GPUs: gpuVariants,
  'another software adapter': softwareVariants,
};
const FIRST = 'enc1.0.conv.weight';

const picture = (device: Device) => {
  const rng = new Rng(3, 4);
  return device.tensor(
    Float32Array.from({ length: 2 * 16 * 24 * 3 }, () => rng.normal()),
    [2, 16, 24, 3],
    'f32',
  );
};

for (const [name, open] of Object.entries(devices)) {
  for (const up of ['bilinear', 'transpose'] as const) {
    test(`a U-Net whose first convolution is all NaN gives NaN logits: ${up}, kernels for ${name}`, async () => {
      const device = await open();
      const net = new UNet(device, { numClasses: 3, width: 4, depth: 3, up });
      const x = picture(device);
      const first = net.params.get(FIRST)!;
      device.write(first, new Float32Array(first.size).fill(NaN));
      for (const mode of [EVAL, TRAIN]) {
        const pass = () => net.forward(x, mode);
        const passes = { f32: pass, mixed: () => mixedPrecision(device, pass) };
        for (const [precision, run] of Object.entries(passes)) {
          const logits = await run().read();
          const numbers = logits.filter((v) => !Number.isNaN(v)).length;
          assert.is(numbers, 0, `${precision}: logits that are numbers`);
        }
      }
      net.dispose();
    });
  }

  test(`one NaN weight makes the loss and its own gradient NaN: kernels for ${name}`, async () => {
    const device = await open();
    const net = new UNet(device, { numClasses: 3, width: 4, depth: 3 });
    const first = net.params.get(FIRST)!;
    const values = await first.read();
    values[5] = NaN;
    device.write(first, values);
    const z = net.forward(picture(device), TRAIN);
    const loss = mean(mul(z, z));
    const [dw] = grad(loss, [first]);
    assert.ok(Number.isNaN(await loss.item()));
    assert.ok((await dw.read()).every(Number.isNaN));
    net.dispose();
  });
}

test.run();
