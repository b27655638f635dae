// What made the kernels fast: npm run bench:kernels [-- PATTERN of the titles]. Each variant's result is held against
// the first one's. Times are CPU time of the whole process, the least of several runs: on a software adapter that is
// what counts on a machine with other work. On a GPU the wall time says more, and is printed beside it.

import type { Device } from '../../runtime/device/device.ts';
import { openNode } from '../../runtime/node.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { UNet } from '../../src/nn/unet.ts';
import { optimisers, STATISTICS } from './fused.ts';
import { CONVOLUTION, PRODUCT, WEIGHT_GRADIENT, type Variant, type Work } from './variants.ts';

const RUNS = 7;
const SECONDS = 2;

const noise = (device: Device, shape: readonly number[]) =>
  device.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * i)),
    shape,
  );

/** Milliseconds of wall and of CPU. */
async function timed<T>(device: Device, work: () => T): Promise<[wall: number, cpu: number, result: T]> {
  const wall = performance.now();
  const cpu = process.cpuUsage();
  const result = work();
  await device.sync();
  const { user, system } = process.cpuUsage(cpu);
  return [performance.now() - wall, (user + system) / 1000, result];
}

async function compare(
  device: Device,
  title: string,
  variants: readonly Variant[],
  work: Work,
  flops: number,
): Promise<void> {
  console.log(
    `\n${title}, ${(flops / 1e6).toFixed(0)} MFLOP\n  CPU ms  wall ms  GFLOPS of CPU time  first run, CPU ms`,
  );
  let want: Float32Array | undefined;
  for (const v of variants) {
    if (v.software && !device.traits.texels) continue;
    const [, first, made] = await timed(device, () => v.run(device, work));
    const got = (await (made ?? work.y).read()) as Float32Array;
    const furthest = want ? got.reduce((most, x, i) => Math.max(most, Math.abs(x - want![i])), 0) : 0;
    want ??= got;
    if (!(furthest < 5e-2)) throw new Error(`${v.name} is ${furthest} away from ${variants[0].name}`);
    let wall = Infinity;
    let cpu = Infinity;
    const start = performance.now();
    for (let i = 0; i < RUNS && (i === 0 || performance.now() - start < 1000 * SECONDS); i++) {
      const [a, b] = await timed(device, () => v.run(device, work));
      wall = Math.min(wall, a);
      cpu = Math.min(cpu, b);
    }
    console.log(
      `${cpu.toFixed(1).padStart(8)} ${wall.toFixed(1).padStart(8)} ` +
        `${(flops / cpu / 1e6).toFixed(1).padStart(7)} ${first.toFixed(0).padStart(7)}  ${v.name}: ${v.why}`,
    );
  }
  for (const t of [work.x, work.w, work.y]) t.dispose();
}

const device = await openNode();
console.log(`${device.info.description} (${device.info.kind})`);
/** Only the comparisons whose title matches, where a pattern is given. */
const wanted = (title: string): boolean => new RegExp(process.argv[2] ?? '').test(title);
for (const [c, h, w] of [
  [8, 72, 96],
  [16, 72, 96],
  [64, 18, 24],
]) {
  const flops = 2 * 8 * h * w * 9 * c * c;
  const x = [8, h, w, c];
  const size = `${c} to ${c} channels at 8x${h}x${w}`;
  for (const [title, variants, shapes] of [
    [`3x3 convolution, ${size}`, CONVOLUTION, { x, w: [3, 3, c, c], y: x }],
    [`weight gradient, ${size}`, WEIGHT_GRADIENT, { x, w: x, y: [3, 3, c, c] }],
    [`statistics of a 3x3 convolution, ${size}`, STATISTICS, { x, w: [3, 3, c, c], y: [c] }],
  ] as const)
    if (wanted(title))
      await compare(
        device,
        title,
        variants,
        { x: noise(device, shapes.x), w: noise(device, shapes.w), y: device.empty(shapes.y), pad: 1 },
        flops,
      );
}
for (const n of [512, 1024]) {
  const title = `product of ${n}x${n}`;
  if (wanted(title))
    await compare(
      device,
      title,
      PRODUCT,
      { x: noise(device, [1, 1, n, n]), w: noise(device, [1, 1, n, n]), y: device.empty([1, 1, n, n]), pad: 0 },
      2 * n ** 3,
    );
}
for (const average of [false, true]) {
  const title = `optimiser${average ? ' and teacher' : ''}, tensors of the U-Net 16-32-64-128`;
  const net = new UNet(device, { numClasses: 5, width: 16 });
  const sizes = [...net.params.values()].map((p) => p.size);
  net.dispose();
  const one = (): Tensor => device.empty([1]);
  if (wanted(title))
    await compare(
      device,
      title,
      optimisers(device, sizes, average),
      { x: one(), w: one(), y: one(), pad: 0 },
      sizes.reduce((a, n) => a + n * (average ? 7 : 4), 0),
    );
}
device.close();
