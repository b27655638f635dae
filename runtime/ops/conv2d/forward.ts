// Launches of the convolution and of its input gradient, which is a convolution with the kernel turned round.

import type { Device } from '../../device/device.ts';
import { choose } from '../../kernel/choice.ts';
import type { Constants } from '../../kernel/kernel.ts';
import { folded } from '../../kernel/geometry.ts';
import { byVectors, stored } from '../../kernel/vectors.ts';
import type { DType, Tensor } from '../../tensor.ts';
import {
  geometryParams,
  pixelsOf,
  runsOf,
  shapeClass,
  strided,
  tapsTogether,
  turnedRound,
  vectorised,
  type Geometry,
  type Params,
} from './geometry.ts';
import { chooseProduct, texels, TEXTURES, usualTexture } from './variants.ts';

/** What a convolution reads and makes. */
interface Tensors {
  x: Tensor;
  w: Tensor;
  b: Tensor | undefined;
  y: Tensor;
}

/** @param constants see {@link texels} */
function runTexture(g: Geometry, { x, w, b, y }: Tensors, BACK: boolean, constants: Constants): void {
  const { device, dtype } = x;
  const KW = BACK ? 1 : tapsTogether(g);
  const [n, h, width] = g.y;
  const [sy, sx] = BACK ? g.stride : [1, 1];
  const columns = Math.ceil(width / sx);
  const at = shapeClass(`texels ${BACK} ${dtype}`, g, columns);
  const { variant, choice } = choose(device, at, TEXTURES, usualTexture(columns, g.cog, KW));
  const { PX, CB } = variant.constants;
  device.run({
    choice,
    shaders: device.options.native,
    shader: variant.shader,
    entry: 'forward',
    constants: { ...constants, ...variant.constants, BACK, KW },
    bindings: { x, w, b: b ?? w, y },
    params: { ...geometryParams(g), bias: Number(b !== undefined) },
    groups: folded(
      sy * sx * Math.ceil((n * Math.ceil(h / sy) * Math.ceil(columns / PX)) / 64),
      g.groups * Math.ceil(g.cog / (4 * CB)),
    ),
  });
}

/** By vectors without textures; with BACK an input gradient, g being {@link turnedRound}. */
export function runVectors(g: Geometry, { x, w, b, y }: Tensors, BACK: boolean): void {
  const { device } = x;
  const [n, h, width] = g.y;
  const at = shapeClass(`vectors ${BACK}`, g, width);
  const { variant, choice, constants } = chooseProduct(x, at, pixelsOf(g.y), g.cog);
  const [sy, sx] = BACK && variant.tiled ? g.stride : [1, 1];
  device.run({
    choice,
    ...(variant.matrix && { shaders: device.options.native }),
    shader: variant.shader,
    entry: 'forward',
    constants: { ...constants, BACK },
    bindings: { x, w, b: b ?? w, y },
    params: { ...geometryParams(g), bias: Number(b !== undefined), chunk: 0, chunks: 0 },
    groups: folded(
      sy * sx * Math.ceil((n * Math.ceil(h / sy) * Math.ceil(width / sx)) / variant.tall),
      g.groups * Math.ceil(g.cog / variant.wide),
    ),
  });
}

/**
 * What conv2dAny.wgsl is specialised to and told, the runs of eight pixels of a row that it makes, and the channels
 * that it takes at once.
 * @param turned for an input gradient, of which g is {@link turnedRound}
 */
export function general(
  g: Geometry,
  dtype: DType,
  turned = false,
): { constants: Constants; params: Params; runs: number; lanes: number } {
  const [cig, cog, co] = turned ? [g.cog, g.cig, g.x[3]] : [g.cig, g.cog, g.y[3]];
  const { constants, lanes, sizes } = byVectors(g.x, g.y, dtype, cig * cog === 1);
  return {
    constants: { ...constants, KW: tapsTogether(g) },
    params: {
      ...geometryParams(g),
      ...sizes,
      w_step: [(cig * co) / lanes, turned ? 1 : co, turned ? co : 1, cog],
      bias: 0,
      turned: Number(turned),
      chunk: 0,
      chunks: 0,
    },
    runs: runsOf(g.y),
    lanes,
  };
}

/** For any number of channels. */
function runAny(g: Geometry, { x, w, b, y }: Tensors, turned: boolean, BACK: boolean): void {
  const { constants, params, runs, lanes } = general(g, x.dtype, turned);
  x.device.run({
    shader: 'conv2dAny',
    entry: 'forward',
    constants: { ...constants, BACK },
    bindings: { x, w, b: b ?? w, y },
    params: { ...params, bias: Number(b !== undefined) },
    threads: (runs * g.y[3]) / lanes,
  });
}

/**
 * The input gradient by vectors: dx from dy, b being added to it.
 * @param constants for textures, see {@link texels}; null to go without them
 */
export function runBack(
  device: Device,
  g: Geometry,
  { dy, w, b, dx }: { dy: Tensor; w: Tensor; b: Tensor | undefined; dx: Tensor },
  constants: Constants | null,
): void {
  const turned = device.empty([...g.kernel, g.cog, g.x[3]], w.dtype, 'conv2d');
  const { x_size, y_size, kernel } = geometryParams(g);
  device.run({
    shader: 'conv2dTranspose',
    entry: 'transpose',
    constants: stored(w, 'Stored'),
    bindings: { w, y: turned },
    params: { x_size, y_size, kernel },
    threads: g.kernel[0] * g.kernel[1] * Math.ceil(g.cog / 8) * g.x[3],
  });
  const back = strided(g);
  const all = { x: dy, w: turned, b, y: dx };
  if (constants) runTexture({ ...turnedRound(g), ...(back && { pad: g.pad }) }, all, back, constants);
  else runVectors(turnedRound(g), all, back);
  turned.dispose();
}

/** y = x * w + b. */
export function runForward(device: Device, g: Geometry, x: Tensor, w: Tensor, b: Tensor | undefined): Tensor {
  const y = device.empty(g.y, x.dtype, 'conv2d');
  const constants = texels(g, x, w);
  if (constants) runTexture(g, { x, w, b, y }, false, constants);
  else if (vectorised(g)) runVectors(g, { x, w, b, y }, false);
  else runAny(g, { x, w, b, y }, false, false);
  return y;
}

/** dx from dy and w, b being added to it: the transposed convolution. */
export function runInputGrad(device: Device, g: Geometry, dy: Tensor, w: Tensor, b: Tensor | undefined): Tensor {
  const dx = device.empty(g.x, dy.dtype, 'conv2d');
  if (vectorised(g)) runBack(device, g, { dy, w, b, dx }, texels(g, dy, w));
  else runAny(turnedRound(g), { x: dy, w, b, y: dx }, true, strided(g));
  return dx;
}
