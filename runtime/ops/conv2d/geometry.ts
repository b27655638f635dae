// The geometry of a convolution: options checked, shapes, and what kernels are told of both.

import type { Dispatch } from '../../device/device.ts';
import { checkWhole, pair, sides, type Padding, type Pair } from '../../kernel/geometry.ts';
import type { Shape } from '../../tensor.ts';

/** Settings of {@link conv2d}. */
export interface Conv2dOptions {
  /** Default 1. */
  stride?: Pair;
  /** One number, [vertical, horizontal], or [top, bottom, left, right]; zeros are added there (default 0). */
  padding?: Padding;
  /** Default 1. */
  dilation?: Pair;
  /** Default 1. */
  groups?: number;
}

/** Settings of {@link convTranspose2d}. */
export interface ConvTranspose2dOptions extends Conv2dOptions {
  /** Rows and columns added below and on the right of the result (default 0). */
  outputPadding?: Pair;
}

/** The geometry of a convolution from x [n,h,w,c] to y [n,h,w,c]. */
export interface Geometry {
  x: Shape;
  y: Shape;
  kernel: readonly [number, number];
  /** Channels of x in a group. */
  cig: number;
  /** Channels of y in a group. */
  cog: number;
  stride: readonly [number, number];
  /** Top, left. */
  pad: readonly [number, number];
  dilation: readonly [number, number];
  groups: number;
}

/** The options, filled up and checked. @throws ShapeError for what is not a whole number in its range */
export function settings(
  op: string,
  o: Conv2dOptions,
): {
  stride: readonly [number, number];
  dilation: readonly [number, number];
  p: readonly [number, number, number, number];
  groups: number;
} {
  const p = sides(op, o.padding ?? 0);
  const groups = o.groups ?? 1;
  checkWhole(op, 'groups', [groups], 1);
  return {
    stride: pair(op, 'stride', o.stride ?? 1, 1),
    dilation: pair(op, 'dilation', o.dilation ?? 1, 1),
    p,
    groups,
  };
}

/** Params of the kernels, by the names in the WGSL. */
export type Params = NonNullable<Dispatch['params']>;

export function geometryParams(g: Geometry): Params {
  return {
    x_size: g.x,
    y_size: g.y,
    kernel: [...g.kernel, g.cig, g.cog],
    stride: g.stride,
    pad: g.pad,
    dilation: g.dilation,
  };
}

/** Whether four channels of a group go together everywhere. */
export const vectorised = (g: Geometry): boolean => g.cig % 4 === 0 && g.cog % 4 === 0;

export const pixelsOf = (s: Shape): number => s[0] * s[1] * s[2];

/** Runs of eight pixels of a row. */
export const runsOf = (s: Shape): number => s[0] * s[1] * Math.ceil(s[2] / 8);

/** Taps of a row of the kernel that share loads of x: those that lie side by side as the pixels do. */
export const tapsTogether = (g: Geometry): 1 | 3 =>
  g.kernel[1] === 3 && g.stride[1] === 1 && g.dilation[1] === 1 ? 3 : 1;

/** What variants are timed at: neither the batch nor the height decides between them. */
export const shapeClass = (kernel: string, g: Geometry, width: number): string =>
  `${kernel} ${[...g.kernel, ...g.stride, g.dilation[1], g.cig, g.cog, width]}`;

/**
 * The input gradient as a convolution of dy with the kernel turned round, padded by what that reaches beyond the old
 * padding.
 */
export function turnedRound(g: Geometry): Geometry {
  const pad = ([0, 1] as const).map((i) => g.dilation[i] * (g.kernel[i] - 1) - g.pad[i]);
  return { ...g, x: g.y, y: g.x, cig: g.cog, cog: g.cig, pad: [pad[0], pad[1]] };
}

export const strided = (g: Geometry): boolean => g.stride[0] * g.stride[1] !== 1;
