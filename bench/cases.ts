// What is measured: plain data, the same for every engine. Shapes are PyTorch's (NCHW, OIHW); each engine turns them
// into its own.

import { schemeNames } from '../src/schemes/index.ts';
import { SYNTHETIC_CLASSES } from '../src/data/synthetic.ts';

/** A piece of work with its sizes. */
export type Work =
  | { op: 'matmul'; m: number; k: number; n: number }
  | {
      op: 'conv';
      n: number;
      cin: number;
      h: number;
      w: number;
      cout: number;
      kernel: number;
      stride: number;
      dilation: number;
      groups: number;
      backward: boolean;
    }
  | { op: 'batchNorm'; n: number; c: number; h: number; w: number }
  | { op: 'predictions'; n: number; c: number; h: number; w: number }
  | { op: 'crossEntropy'; n: number; c: number; h: number; w: number }
  | { op: 'resize'; n: number; c: number; h: number; w: number; scale: number; backward: boolean }
  | { op: 'adds'; count: number; size: number; replayed: boolean }
  | { op: 'unet'; n: number; h: number; w: number; widths: readonly number[]; classes: number; train: boolean }
  | { op: 'deeplab'; n: number; h: number; w: number; depth: 18 | 50; classes: number }
  | { op: 'scheme'; scheme: string }
  | {
      op: 'epoch';
      images: number;
      h: number;
      w: number;
      batch: number;
      crop: readonly [number, number];
      classes: number;
    };

export interface Case {
  name: string;
  work: Work;
  /** Storage in f16 with sums in f32; of a training step mixed precision. */
  half?: boolean;
  /** Multiplications and additions of the definition (0 where bytes are what counts). */
  flops: number;
  /** Bytes that must move at least: each input read once, each output written once (0 where there is no such count). */
  bytes: number;
  /** Times are of one of so many images. */
  images?: number;
  /** Largest difference from the reference that passes, relative to the largest value of the output. */
  tolerance: number;
}

const F = 4;

/** A convolution, with the gradients of x and w where `backward` says so. */
export function conv(
  name: string,
  n: number,
  cin: number,
  h: number,
  w: number,
  cout: number,
  kernel: number,
  backward: boolean,
  options: { stride?: number; dilation?: number; groups?: number } = {},
): Case {
  const { stride = 1, dilation = 1, groups = 1 } = options;
  const oh = Math.ceil(h / stride);
  const ow = Math.ceil(w / stride);
  const macs = n * oh * ow * cout * kernel * kernel * (cin / groups);
  const x = n * cin * h * w;
  const y = n * cout * oh * ow;
  const weights = cout * (cin / groups) * kernel * kernel;
  return {
    name,
    work: { op: 'conv', n, cin, h, w, cout, kernel, stride, dilation, groups, backward },
    flops: 2 * macs * (backward ? 3 : 1),
    bytes: F * (backward ? 3 * (x + y + weights) : x + y + weights),
    tolerance: 1e-4,
  };
}

/** Forward multiplications and additions of the U-Net's convolutions, per step. */
export function unetFlops(n: number, h: number, w: number, widths: readonly number[], classes: number): number {
  let macs = 0;
  widths.forEach((c, i) => {
    const area = (h >> i) * (w >> i);
    macs += area * 9 * c * ((i ? widths[i - 1] : 3) + c);
    if (i < widths.length - 1) macs += area * 9 * c * (c + widths[i + 1] + c);
  });
  return 2 * n * (macs + h * w * widths[0] * classes);
}

const UNET = { n: 4, h: 128, w: 128, widths: [16, 32, 64, 128], classes: 5 } as const;
const unet = (train: boolean): Case => ({
  name: train ? 'unet-step' : 'unet-inference',
  work: { op: 'unet', ...UNET, train },
  flops: unetFlops(UNET.n, UNET.h, UNET.w, UNET.widths, UNET.classes) * (train ? 3 : 1),
  bytes: 0,
  tolerance: 2e-3,
});

export const matmul = (side: number): Case => ({
  name: `matmul-${side}`,
  work: { op: 'matmul', m: side, k: side, n: side },
  flops: 2 * side ** 3,
  bytes: 3 * F * side ** 2,
  tolerance: 1e-4,
});
/** Against float64 each of the additions may be off by half a unit in the last place. */
const adds = (replayed: boolean): Case => ({
  name: `adds-${replayed ? 'replayed' : 'eager'}`,
  work: { op: 'adds', count: 200, size: 1024, replayed },
  flops: 0,
  bytes: 200 * 3 * F * 1024,
  tolerance: 200 * 2 ** -24,
});

export const CASES: readonly Case[] = [
  matmul(512),
  matmul(1024),
  conv('conv3x3-64', 4, 32, 64, 64, 64, 3, false),
  conv('conv3x3-64-backward', 4, 32, 64, 64, 64, 3, true),
  conv('conv3x3-128', 8, 16, 128, 128, 32, 3, false),
  conv('conv3x3-128-backward', 8, 16, 128, 128, 32, 3, true),
  conv('conv1x1', 4, 32, 64, 64, 64, 1, false),
  conv('conv1x1-backward', 4, 32, 64, 64, 64, 1, true),
  conv('conv3x3-dilated', 4, 32, 64, 64, 64, 3, false, { dilation: 6 }),
  conv('conv3x3-dilated-backward', 4, 32, 64, 64, 64, 3, true, { dilation: 6 }),
  conv('conv3x3-stride2', 4, 32, 64, 64, 64, 3, false, { stride: 2 }),
  conv('conv3x3-stride2-backward', 4, 32, 64, 64, 64, 3, true, { stride: 2 }),
  conv('depthwise3x3', 4, 64, 64, 64, 64, 3, false, { groups: 64 }),
  conv('depthwise3x3-backward', 4, 64, 64, 64, 64, 3, true, { groups: 64 }),
  {
    name: 'batch-norm-backward',
    work: { op: 'batchNorm', n: 8, c: 32, h: 96, w: 96 },
    flops: 0,
    bytes: 5 * F * 8 * 32 * 96 * 96,
    tolerance: 1e-3,
  },
  {
    name: 'predictions',
    work: { op: 'predictions', n: 8, c: 21, h: 128, w: 128 },
    flops: 0,
    bytes: F * 8 * 128 * 128 * (2 * 21 + 2),
    tolerance: 1e-4,
  },
  {
    name: 'cross-entropy-backward',
    work: { op: 'crossEntropy', n: 8, c: 21, h: 128, w: 128 },
    flops: 0,
    bytes: F * 8 * 128 * 128 * (2 * 21 + 1),
    tolerance: 1e-4,
  },
  {
    name: 'resize-x4',
    work: { op: 'resize', n: 4, c: 16, h: 32, w: 32, scale: 4, backward: false },
    flops: 0,
    bytes: F * 4 * 16 * 32 * 32 * 17,
    tolerance: 1e-4,
  },
  {
    name: 'resize-x4-backward',
    work: { op: 'resize', n: 4, c: 16, h: 32, w: 32, scale: 4, backward: true },
    flops: 0,
    bytes: F * 4 * 16 * 32 * 32 * 34,
    tolerance: 1e-4,
  },
  unet(false),
  unet(true),
  {
    name: 'deeplab-step',
    work: { op: 'deeplab', n: 2, h: 128, w: 128, depth: 18, classes: 5 },
    flops: 0,
    bytes: 0,
    tolerance: 5e-3,
  },
  ...schemeNames().map((scheme): Case => ({
    name: `scheme-${scheme}`,
    work: { op: 'scheme', scheme },
    flops: 0,
    bytes: 0,
    tolerance: 0,
  })),
  {
    name: 'epoch-per-image',
    work: { op: 'epoch', images: 64, h: 240, w: 320, batch: 4, crop: [128, 128], classes: SYNTHETIC_CLASSES.length },
    images: 64,
    flops: 0,
    bytes: 0,
    tolerance: 0,
  },
  adds(false),
  adds(true),
];
