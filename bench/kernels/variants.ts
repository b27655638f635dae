// The variants of a kernel that mattered, from the formula to what the engine runs, each with the reason that it is
// faster than the one before.

import { readFileSync } from 'node:fs';
import type { Device } from '../../runtime/device/device.ts';
import { throughTexels } from '../../runtime/device/texels.ts';
import { shader } from '../../runtime/kernel/shader.ts';
import { matmul } from '../../runtime/ops/matmul.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { winograd } from './winograd.ts';

/** A 3x3 convolution, padded by 1, or a product of [1, 1, rows, inner size] with [1, 1, inner size, columns]. */
export interface Work {
  x: Tensor;
  w: Tensor;
  y: Tensor;
  pad: number;
}

export interface Variant {
  name: string;
  why: string;
  /** Whether it needs an adapter for which kernels with broadcasts and textures are meant. */
  software?: boolean;
  /** Returns what is compared with the other variants' (default: y). */
  run(device: Device, work: Work): Tensor | void;
}

const own = (file: string) => shader(file, readFileSync(new URL(`${file}.wgsl`, import.meta.url), 'utf8'));
const naive = own('naive');
const broadcast = own('broadcast');
const pixels = ({ y }: Work): number => y.shape[0] * y.shape[1] * y.shape[2];

const short = ({ x, w, y, pad }: Work): Record<string, number[]> => ({
  x_size: [...x.shape],
  y_size: [...y.shape],
  kernel: [...w.shape],
  pad: [pad, pad],
});
const long = (work: Work): Record<string, number[]> => ({ ...short(work), stride: [1, 1], dilation: [1, 1] });

const formula: Variant = {
  name: 'naive',
  why: 'a lane for each element: two loads for a multiply-add',
  run: (_, work) =>
    void naive.run({
      entry: 'forward',
      bindings: { x: work.x, w: work.w, y: work.y },
      params: short(work),
      threads: work.y.size,
    }),
};

function texture(constants: { PX: number; CB: number; KW: number }, why: string): Variant {
  const { PX, CB, KW } = constants;
  return {
    name: `textures, ${PX} pixels x ${4 * CB} channels, ${KW === 1 ? 'tap by tap' : 'three taps together'}`,
    why,
    software: true,
    run(device, work) {
      const [n, h, width, co] = work.y.shape;
      const Texels = throughTexels(work.x, work.w)!;
      device.run({
        shaders: device.options.native,
        shader: 'conv2dTexture',
        entry: 'forward',
        constants: { Texels, ...constants },
        bindings: { x: work.x, w: work.w, b: work.w, y: work.y },
        params: { ...long(work), bias: 0 },
        groups: [Math.ceil((n * h * Math.ceil(width / PX)) / 64), Math.ceil(co / (4 * CB)), 1],
      });
    },
  };
}

/** conv2dTiles.wgsl with workgroups of 64: TX lanes along the channels, CB vectors of them and 8 pixels a lane. */
const tiles = (TX: number, CB: number, why: string): Variant => ({
  name: `conv2dTiles.wgsl (for GPUs), ${512 / TX} x ${4 * TX * CB}`,
  why,
  run: (device, work) =>
    device.run({
      shader: 'conv2dTiles',
      entry: 'forward',
      constants: { WG: 64, TX, CB, PX: 8 },
      bindings: { x: work.x, w: work.w, b: work.w, y: work.y },
      params: { ...long(work), bias: 0, chunk: 0, chunks: 0 },
      groups: [Math.ceil((pixels(work) * TX) / 512), Math.ceil(work.y.shape[3] / (4 * TX * CB)), 1],
    }),
});

/** For channels that 8 divides. */
export const CONVOLUTION: readonly Variant[] = [
  formula,
  {
    name: 'conv2d.wgsl',
    why: '4 pixels x 4 channels a thread, vectors: eight loads for 64 multiply-adds, all lanes at one weight',
    run: (device, work) =>
      device.run({
        shader: 'conv2d',
        entry: 'forward',
        bindings: { x: work.x, w: work.w, b: work.w, y: work.y },
        params: { ...long(work), bias: 0, chunk: 0, chunks: 0 },
        groups: [Math.ceil(pixels(work) / 256), work.y.shape[3] / 4, 1],
      }),
  },
  tiles(
    4,
    1,
    '128 x 16: a load from memory serves sixteen channels or 128 pixels, twelve from the workgroup 512 ' +
      'multiply-adds; software adapters have no such memory but the caches',
  ),
  tiles(8, 2, '64 x 64: sixteen loads for 1024'),
  {
    name: 'broadcasts',
    why: 'a lane of eight loads each weight, and a broadcast, which is a move between registers, hands it round',
    software: true,
    run: (_, work) =>
      void broadcast.run({
        entry: 'forward',
        bindings: { x: work.x, w: work.w, y: work.y },
        params: short(work),
        groups: [Math.ceil(pixels(work) / 128), Math.ceil(work.y.shape[3] / 16), 1],
      }),
  },
  texture(
    { PX: 4, CB: 2, KW: 1 },
    "a texture's bounds are checked once for all lanes and components: a load takes 25 cycles in place of 130",
  ),
  texture({ PX: 4, CB: 2, KW: 3 }, 'six loads of x serve four pixels and three taps, in place of twelve'),
  texture(
    { PX: 8, CB: 2, KW: 3 },
    'ten serve eight, and each broadcast twice as many multiply-adds; the accumulators spill, which costs less',
  ),
  winograd(2, '2.25 times fewer multiply-adds, for 16 loads and 16 stores a tile of 4, and back'),
  winograd(4, 'four times fewer, for 36 loads and 36 stores a tile of 16, and back'),
];

const reduce = (device: Device, { x, w, y }: Work, parts: Tensor, params: Record<string, number[] | number>): void =>
  device.run({
    shader: 'conv2d',
    entry: 'weightReduce',
    bindings: { partials: parts, dw: y },
    params: { bias: 0, ...params, x_size: [...x.shape], y_size: [...w.shape] },
    threads: y.size,
  });

function gradient(KW: number, why: string): Variant {
  return {
    name: `textures, ${KW} x 4 channels of x x 8 channels of dy`,
    why,
    software: true,
    run(device, work) {
      const { x, w: dy, y: dw } = work;
      const [n, h, width, co] = dy.shape;
      const ci = x.shape[3];
      const runs = n * h * Math.ceil(width / 8);
      const chunk = Math.ceil(runs / 32);
      const chunks = Math.ceil(runs / chunk);
      const sizes = {
        x_size: [...x.shape],
        y_size: [...dy.shape],
        kernel: [...dw.shape],
        stride: [1, 1],
        pad: [work.pad, work.pad],
        dilation: [1, 1],
        chunk,
      };
      const parts = device.empty([chunks, dw.size]);
      device.run({
        shaders: device.options.native,
        shader: 'conv2dTextureGrad',
        entry: 'weightGrad',
        constants: { Texels: throughTexels(x, dy)!, CB: 2, KW },
        bindings: { x, dy, parts },
        params: sizes,
        groups: [Math.ceil((9 * ci) / 4 / KW / 8) * Math.ceil(co / 8), chunks, 1],
      });
      reduce(device, work, parts, { ...sizes, chunks });
      parts.dispose();
    },
  };
}

/** Of 3x3 convolutions: w is dy, y is dw. */
export const WEIGHT_GRADIENT: readonly Variant[] = [
  {
    name: 'conv2d.wgsl',
    why: 'a thread makes 4 x 4 of dw over a chunk of pixels: two loads of vectors for 16 multiply-adds',
    run(device, work) {
      const { x, w: dy, y: dw } = work;
      const pixels = dy.shape[0] * dy.shape[1] * dy.shape[2];
      const chunk = Math.ceil(pixels / 32);
      const chunks = Math.ceil(pixels / chunk);
      const params = {
        x_size: [...x.shape],
        y_size: [...dy.shape],
        kernel: [...dw.shape],
        stride: [1, 1],
        pad: [work.pad, work.pad],
        dilation: [1, 1],
        bias: 0,
        chunk,
        chunks,
      };
      const parts = device.empty([chunks, dw.size]);
      device.run({
        shader: 'conv2d',
        entry: 'weightGrad',
        bindings: { x, dy, parts },
        params,
        groups: [Math.ceil(dw.size / 16 / 64), chunks, 1],
      });
      reduce(device, work, parts, params);
      parts.dispose();
    },
  },
  gradient(
    1,
    'eight pixels of a row at a time, the dy of each loaded by one lane and broadcast; loads through textures',
  ),
  gradient(3, 'ten loads of x serve eight pixels and three taps'),
];

/** x as rows of one image. */
export const PRODUCT: readonly Variant[] = [
  formula,
  {
    name: 'matmul.wgsl',
    why: '8 rows x 4 columns a thread: twelve loads for 32 multiply-adds',
    run(device, { x, w, y }) {
      const [, , m, k] = x.shape;
      const n = w.shape[3];
      const params = { m, n, k, batches: 1, batch: [1, 1, 1, 1], a_stride: [0, 0, 0, 0], b_stride: [0, 0, 0, 0] };
      device.run({
        shader: 'matmul',
        entry: 'forward',
        constants: { TRANSPOSE_A: false, TRANSPOSE_B: false },
        bindings: { a: x, b: w, y },
        params,
        groups: [Math.ceil(n / 256), Math.ceil(m / 8), 1],
      });
    },
  },
  tiles(8, 2, 'as a convolution of 1x1: 64 x 64, sixteen loads from the workgroup for 1024 multiply-adds'),
  {
    name: 'matmul()',
    why: 'on lavapipe matmulTexture.wgsl: 8 rows x 16 columns, ten loads through textures for 512 multiply-adds',
    run: (device, { x, w, y }) => device.scope(() => device.copy(matmul(x, w), y)),
  },
];
