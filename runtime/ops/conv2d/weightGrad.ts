// Launches of the weight gradient: each kernel sums over chunks of pixels, and a second one adds the chunks up in a
// fixed order (split-K).

import type { Device } from '../../device/device.ts';
import { choose } from '../../kernel/choice.ts';
import { folded } from '../../kernel/geometry.ts';
import { stored } from '../../kernel/vectors.ts';
import type { Tensor } from '../../tensor.ts';
import { general } from './forward.ts';
import { geometryParams, pixelsOf, runsOf, shapeClass, tapsTogether, vectorised, type Geometry } from './geometry.ts';
import { chooseProduct, REGISTERS_GRAD, texels, TEXTURE_GRADS, usualTextureGrad } from './variants.ts';

/** One of the kernels, at a shape. */
interface Way {
  /** What its chunks are counted in: pixels, or runs of pixels of a row. */
  counted: number;
  /** Threads of a chunk, and how many keep the adapter busy. */
  threads: number;
  /** See {@link threads}. */
  busy: number;
  /** Chunks are whole multiples of it. */
  round: number;
  launch(parts: Tensor, chunk: number, chunks: number): void;
}

/** Through textures. @param Texels their format */
function byTextures(device: Device, g: Geometry, x: Tensor, dy: Tensor, Texels: string): Way {
  const KW = tapsTogether(g);
  const at = shapeClass('weightGrad', g, g.y[2]);
  const { variant, choice } = choose(device, at, TEXTURE_GRADS[KW], usualTextureGrad(g.cog, KW));
  const columns = g.groups * Math.ceil(g.cog / (4 * variant.constants.CB));
  const slots = (g.kernel[0] * g.kernel[1] * g.cig) / 4 / KW;
  return {
    counted: runsOf(g.y),
    threads: slots * columns,
    busy: 128,
    round: 1,
    launch: (parts, chunk, chunks) =>
      device.run({
        choice,
        shaders: device.options.native,
        shader: variant.shader,
        entry: 'weightGrad',
        constants: { ...variant.constants, Texels },
        bindings: { x, dy, parts },
        params: { ...geometryParams(g), chunk },
        groups: folded(Math.ceil(slots / 8) * columns, chunks),
      }),
  };
}

/** By vectors, without textures. */
function byProduct(device: Device, g: Geometry, x: Tensor, dy: Tensor): Way {
  const rows = g.kernel[0] * g.kernel[1] * g.cig;
  const at = shapeClass('vectors weightGrad', g, g.y[2]);
  const { variant, choice, constants } = chooseProduct(x, at, rows, g.cog, [REGISTERS_GRAD], REGISTERS_GRAD);
  const { tiled, tall, wide } = variant;
  const tiles = Math.ceil(rows / tall) * g.groups * Math.ceil(g.cog / wide);
  const threads = tiled ? 64 * tiles : (rows * g.y[3]) / 16;
  return {
    counted: pixelsOf(g.y),
    threads,
    busy: 16384,
    // Tiles go along the pixels by whole rounds.
    round: tiled ? 32 : 1,
    launch: (parts, chunk, chunks) =>
      device.run({
        choice,
        ...(variant.matrix && { shaders: device.options.native }),
        shader: variant.shader,
        entry: 'weightGrad',
        constants,
        bindings: { x, dy, parts },
        params: { ...geometryParams(g), bias: 0, chunk, chunks },
        groups: folded(tiled ? tiles : Math.ceil(threads / 64), chunks),
      }),
  };
}

/** For any number of channels. */
function byAny(device: Device, g: Geometry, x: Tensor, dy: Tensor): Way {
  const { constants, params, runs, lanes } = general(g, x.dtype);
  const threads = (g.kernel[0] * g.kernel[1] * g.cig * g.y[3]) / lanes / tapsTogether(g);
  return {
    counted: runs,
    threads,
    busy: 16384,
    round: 1,
    launch: (parts, chunk, chunks) =>
      device.run({
        shader: 'conv2dAny',
        entry: 'weightGrad',
        constants,
        bindings: { x, dy, parts },
        params: { ...params, chunk, chunks },
        threads: chunks * threads,
      }),
  };
}

/**
 * How a sum over `pixels` is shared out.
 * @param n elements of the gradient
 */
function chunksOf(
  pixels: number,
  n: number,
  { counted, threads, busy, round }: Way,
): { chunk: number; chunks: number } {
  // Enough chunks to keep the adapter busy and sums short, few enough that the partial sums stay small beside the
  // activations.
  const wanted = Math.min(Math.ceil(pixels / 64), Math.max(Math.ceil(pixels / 2048), Math.ceil(busy / threads)));
  const each = Math.ceil(counted / Math.max(1, Math.min(wanted, Math.ceil((32 << 20) / (4 * n)), 32768)));
  const chunk = Math.ceil(each / round) * round;
  return { chunk, chunks: Math.ceil(counted / chunk) };
}

/** dw from x and dy. @param dw where it goes, of the dtype of x or f32 */
export function runWeightGrad(
  device: Device,
  g: Geometry,
  x: Tensor,
  dy: Tensor,
  dw = device.empty([...g.kernel, g.cig, g.y[3]], x.dtype, 'conv2d'),
): Tensor {
  const n = g.kernel[0] * g.kernel[1] * g.cig * g.y[3];
  const pixels = pixelsOf(g.y);
  if (pixels === 0) {
    device.clear(dw);
    return dw;
  }
  const constants = texels(g, x, dy);
  const way = constants
    ? byTextures(device, g, x, dy, constants.Texels)
    : vectorised(g)
      ? byProduct(device, g, x, dy)
      : byAny(device, g, x, dy);
  const { chunk, chunks } = chunksOf(pixels, n, way);
  const whole = chunks === 1 && dw.dtype === 'f32';
  const parts = whole ? dw : device.empty([chunks, n], 'f32', 'conv2d');
  way.launch(parts, chunk, chunks);
  if (whole) return dw;
  device.run({
    shader: 'conv2d',
    entry: 'weightReduce',
    constants: stored(x, 'Stored'),
    bindings: { partials: parts, dw },
    params: { ...geometryParams(g), bias: 0, chunk, chunks },
    threads: n,
  });
  parts.dispose();
  return dw;
}
