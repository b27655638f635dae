// Time and profile of one training step (forward, backward, SGD) of U-Net and of DeepLabV3+ with ResNet-18:
//   node --import tsx bench/step.ts
//
// CPU time is that of the whole process over its cores: on a software adapter it is what the step would take on an idle
// machine, whatever else runs there. The profile is by the adapter's timestamps, each dispatch's least of several runs.

import { availableParallelism } from 'node:os';
import { Plan } from '../runtime/autograd/plan.ts';
import { grad } from '../runtime/autograd/grad.ts';
import { openNode } from '../runtime/node.ts';
import { HYPER_SIZE, hyperValues } from '../runtime/optim/hyper.ts';
import { Sgd } from '../runtime/optim/sgd.ts';
import { ceValid } from '../src/losses/index.ts';
import { DeepLabV3Plus } from '../src/nn/deeplab.ts';
import { UNet } from '../src/nn/unet.ts';

const RUNS = 5;
const CLASSES = 11;
const device = await openNode();
const cores = availableParallelism();
console.log(`${device.info.description} (${device.info.kind}), ${cores} cores`);

const CASES = [
  { name: 'U-Net width 16', batch: 8, h: 96, w: 128, make: () => new UNet(device, { numClasses: CLASSES, width: 16 }) },
  { name: 'U-Net width 8', batch: 8, h: 72, w: 96, make: () => new UNet(device, { numClasses: CLASSES, width: 8 }) },
  {
    name: 'DeepLabV3+ ResNet-18',
    batch: 4,
    h: 64,
    w: 64,
    make: () => new DeepLabV3Plus(device, { numClasses: CLASSES, depth: 18 }),
  },
];

for (const { name, batch, h, w, make } of CASES) {
  const net = make();
  const sgd = new Sgd(net.params, { momentum: 0.9, weightDecay: 1e-4 });
  const step = new Plan(
    device,
    { x: { shape: [batch, h, w, 3] }, y: { shape: [batch, h, w], dtype: 'i32' }, hyper: { shape: [HYPER_SIZE] } },
    ({ x, y, hyper }) => {
      const loss = ceValid(net.forward(x, { bn: 'train' }), y);
      sgd.step(grad(loss, [...net.params.values()]), hyper);
      return { loss };
    },
  );
  step.run({
    x: Float32Array.from({ length: batch * h * w * 3 }, (_, i) => Math.sin(i)),
    y: Int32Array.from({ length: batch * h * w }, (_, i) => i % CLASSES),
    hyper: hyperValues({ lr: 0.01, step: 1 }),
  });
  await device.sync();

  let wall = Infinity;
  let cpu = Infinity;
  const least: number[] = [];
  let names: string[] = [];
  for (let i = 0; i < RUNS; i++) {
    const t = performance.now();
    const used = process.cpuUsage();
    step.run();
    await device.sync();
    wall = Math.min(wall, performance.now() - t);
    const { user, system } = process.cpuUsage(used);
    cpu = Math.min(cpu, (user + system) / 1000 / cores);
    const profile = await step.profile();
    names = profile.map((p) => p.kernel);
    profile.forEach((p, k) => (least[k] = Math.min(least[k] ?? Infinity, p.ms)));
  }
  const byKernel = new Map<string, number>();
  names.forEach((k, i) => byKernel.set(k, (byKernel.get(k) ?? 0) + least[i]));
  console.log(
    `\n${name}, batch ${batch}x${h}x${w}: wall ${wall.toFixed(0)} ms, CPU time over the cores ${cpu.toFixed(0)} ms`,
  );
  for (const [k, ms] of [...byKernel].sort((a, b) => b[1] - a[1]).slice(0, 14))
    console.log(`${ms.toFixed(1).padStart(9)} ms  ${k}`);
  step.dispose();
}
device.close();
