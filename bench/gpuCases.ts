// What is measured on a GPU, against PyTorch on the same card: products up to 8192, convolutions and training steps at
// 512x512, in f32 and with f16 storage.
// Inputs are too large to be drawn number by number and to be kept in files: a block of drawn numbers repeats.

import { floatToHalf, halfToFloat } from '../runtime/half.ts';
import { Rng } from '../runtime/random.ts';
import { conv, matmul, unetFlops, type Case } from './cases.ts';
import type { Data, Inputs } from './data.ts';

/** Numbers that are drawn for an input; a prime, so that rows of no image fall in step with it. */
const PERIOD = 262_139;

/** The f16 twin of a case. */
const inHalf = (c: Case, tolerance: number): Case => ({
  ...c,
  name: `${c.name}-f16`,
  half: true,
  bytes: c.bytes / 2,
  tolerance,
});

/** DeepLabV3+ on ResNet-50 with output stride 16: forward multiplications and additions of its convolutions. */
function deeplabFlops(n: number, h: number, w: number, classes: number): number {
  const area = (stride: number): number => Math.ceil(h / stride) * Math.ceil(w / stride);
  let macs = area(2) * 49 * 3 * 64;
  let cin = 64;
  for (const [width, blocks, stride] of [
    [64, 3, 4],
    [128, 4, 8],
    [256, 6, 16],
    [512, 3, 16],
  ] as const) {
    for (let b = 0; b < blocks; b++) {
      // The first 1x1 of a stage and its shortcut start from the stage before.
      const before = b || stride === 4 || width === 512 ? area(stride) : area(stride / 2);
      macs +=
        before * cin * width +
        area(stride) * (9 * width * width + 4 * width * width) +
        (b ? 0 : area(stride) * cin * 4 * width);
      cin = 4 * width;
    }
  }
  macs += area(16) * 256 * (cin + 3 * 9 * cin + 5 * 256) + cin * 256;
  macs += area(4) * (256 * 48 + 9 * (256 + 48) * 256 + 9 * 256 * 256 + 256 * classes);
  return 2 * n * macs;
}

const CLASSES = 21;

/**
 * The cases of a GPU.
 * @param quick the same with everything smaller, for software adapters and checks
 */
export function gpuCases(quick: boolean): Case[] {
  const side = quick ? 48 : 512;
  const batches = quick ? [1, 2] : [8, 16];
  const sides = quick ? [96, 130] : [1024, 2048, 4096, 8192];
  const kinds: [name: string, cin: number, cout: number, kernel: number, options?: Parameters<typeof conv>[8]][] = [
    ['conv3x3', 32, 64, 3],
    ['conv1x1', 32, 64, 1],
    ['dilated3x3', 32, 64, 3, { dilation: 6 }],
    ['stride2', 32, 64, 3, { stride: 2 }],
    ['depthwise3x3', 64, 64, 3, { groups: 64 }],
  ];
  const convs = kinds.flatMap(([name, cin, cout, kernel, options]) =>
    batches.flatMap((n) =>
      [false, true].map((backward) =>
        conv(`${name}-b${n}${backward ? '-backward' : ''}`, n, cin, side, side, cout, kernel, backward, options),
      ),
    ),
  );
  const n = quick ? 2 : 8;
  const widths = quick ? [8, 16, 32] : [32, 64, 128, 256];
  const steps: Case[] = [
    {
      name: `unet-${side}-step`,
      work: { op: 'unet', n, h: side, w: side, widths, classes: CLASSES, train: true },
      flops: 3 * unetFlops(n, side, side, widths, CLASSES),
      bytes: 0,
      tolerance: 2e-3,
    },
    {
      name: `deeplab50-${side}-step`,
      work: { op: 'deeplab', n, h: side, w: side, depth: 50, classes: CLASSES },
      flops: 3 * deeplabFlops(n, side, side, CLASSES),
      bytes: 0,
      tolerance: 1e-2,
    },
  ];
  return [
    ...[...sides.map(matmul), ...convs].flatMap((c) => [c, inHalf(c, 4e-3)]),
    ...steps.flatMap((c) => [c, inHalf(c, 3e-2)]),
  ];
}

/**
 * Inputs of a product or a convolution: repeated blocks, images as NHWC. Of f16 cases they are numbers that f16 holds.
 */
export function repeatedInputs({ name, work, half }: Case): Inputs {
  const rng = new Rng(
    1,
    [...name.replace('-f16', '')].reduce((h, c) => (h * 31 + c.charCodeAt(0)) >>> 0, 7),
  );
  const normal = (shape: readonly number[], std = 1, channelsLast = false): Data => {
    const size = shape.reduce((a, b) => a * b, 1);
    const period = Math.min(size, PERIOD);
    const drawn = Float32Array.from({ length: period }, () => std * rng.normal());
    const data = new Float32Array(size);
    data.set(half ? halfToFloat(floatToHalf(drawn)) : drawn);
    for (let done = period; done < size; done *= 2) data.copyWithin(done, 0, Math.min(done, size - done));
    return { shape, data, channelsLast, period };
  };
  if (work.op === 'matmul') return { a: normal([work.m, work.k]), b: normal([work.k, work.n]) };
  if (work.op !== 'conv') throw new Error(`${name} has inputs of its own`);
  const { n, cin, h, w, cout, kernel, stride, groups, backward } = work;
  return {
    x: normal([n, cin, h, w], 1, true),
    w: normal([cout, cin / groups, kernel, kernel], 0.1),
    ...(backward && { dy: normal([n, cout, Math.ceil(h / stride), Math.ceil(w / stride)], 1, true) }),
  };
}
