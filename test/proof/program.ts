// One program with all families of operations: training steps of a small U-Net as a plan, and a call of everything else
// with its gradient. What it computes is digested to one line, so that runs in other processes, on other devices, and
// in memory that held something else are compared bit by bit.
// As a program of its own it prints that line.

import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { plan } from '../../runtime/autograd/plan.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { openNode } from '../../runtime/node.ts';
import { crossEntropy, full } from '../../runtime/ops/index.ts';
import { AdamW } from '../../runtime/optim/adamw.ts';
import { HYPER_SIZE, hyperValues } from '../../runtime/optim/hyper.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { UNet } from '../../src/nn/unet.ts';
import { FAMILIES, given } from './families.ts';

const hash = (data: ArrayBufferView): string =>
  createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex')
    .slice(0, 16);

/** Loss by step, and the weights after the last, of a U-Net that learns from noise. */
export async function trained(device: Device, steps = 4): Promise<Record<string, string>> {
  const net = new UNet(device, { numClasses: 3, width: 4, depth: 3, seed: 5 });
  const optimizer = new AdamW(net.params, { weightDecay: 0.01, maxNorm: 1 });
  const rng = new Rng(9, 2);
  const n = 2 * 20 * 24;
  const seed = device.tensor(Uint32Array.of(1, 2, 3, 0), [4]);
  const step = plan(
    device,
    { x: { shape: [2, 20, 24, 3] }, labels: { shape: [2, 20, 24], dtype: 'i32' }, hyper: { shape: [HYPER_SIZE] } },
    ({ x, labels, hyper }) => {
      const loss = crossEntropy(net.forward(x, { bn: 'train', dropout: seed }), labels);
      optimizer.step(grad(loss, [...net.params.values()]), hyper);
      return { loss };
    },
  );
  const digests: Record<string, string> = {};
  for (let k = 1; k <= steps; k++) {
    step.run({
      x: Float32Array.from({ length: 3 * n }, () => rng.normal()),
      labels: Int32Array.from({ length: n }, () => rng.int(3)),
      hyper: hyperValues({ lr: 0.01, step: k }),
    });
    digests[`loss ${k}`] = hash(await step.outputs.loss.read());
  }
  for (const [name, t] of [...net.params, ...net.buffers, ...optimizer.state()]) digests[name] = hash(await t.read());
  step.dispose();
  optimizer.dispose();
  net.dispose();
  seed.dispose();
  return digests;
}

/** Results and gradient for z of each family, by name. */
export async function mixed(
  device: Device,
  order: readonly string[] = Object.keys(FAMILIES),
): Promise<Record<string, string>> {
  const g = given(device);
  const digests: Record<string, string> = {};
  for (const name of order) {
    const made = device.scope(() => {
      const result = [FAMILIES[name](g)].flat() as Tensor[];
      const y = result[0];
      return y.tracked ? [...result, grad(y, [g.z], { dy: full(device, y.shape, 0.5) })[0]] : result;
    });
    const data = await device.read(made);
    digests[name] = data.map(hash).join(' ');
    for (const t of made) t.dispose();
  }
  for (const t of Object.values(g)) t.dispose();
  return digests;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const device = await openNode();
  console.log(JSON.stringify({ ...(await trained(device)), ...(await mixed(device)) }));
  device.close();
}
