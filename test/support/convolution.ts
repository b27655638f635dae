// Convolution by plain loops in float64.

import type { Conv2dOptions } from '../../runtime/ops/conv2d/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { f64, type F64 } from './op.ts';

export interface Geometry {
  stride: [number, number];
  pad: [number, number, number, number];
  dilation: [number, number];
  groups: number;
}

/** Calls `visit` for every product of the convolution: index into x, w and y. */
export function products(
  x: Shape,
  w: Shape,
  y: Shape,
  g: Geometry,
  visit: (xi: number, wi: number, yi: number) => void,
): void {
  const cog = y[3] / g.groups;
  for (let n = 0; n < y[0]; n++)
    for (let oy = 0; oy < y[1]; oy++)
      for (let ox = 0; ox < y[2]; ox++)
        for (let ky = 0; ky < w[0]; ky++)
          for (let kx = 0; kx < w[1]; kx++) {
            const iy = oy * g.stride[0] + ky * g.dilation[0] - g.pad[0];
            const ix = ox * g.stride[1] + kx * g.dilation[1] - g.pad[2];
            if (iy < 0 || ix < 0 || iy >= x[1] || ix >= x[2]) continue;
            for (let c = 0; c < w[2]; c++)
              for (let o = 0; o < y[3]; o++) {
                const xi = ((n * x[1] + iy) * x[2] + ix) * x[3] + Math.floor(o / cog) * w[2] + c;
                visit(xi, ((ky * w[1] + kx) * w[2] + c) * y[3] + o, ((n * y[1] + oy) * y[2] + ox) * y[3] + o);
              }
          }
}

export function outShape(x: Shape, w: Shape, g: Geometry): Shape {
  const out = (axis: 0 | 1): number => {
    const padded = x[1 + axis] + g.pad[2 * axis] + g.pad[2 * axis + 1];
    return Math.floor((padded - g.dilation[axis] * (w[axis] - 1) - 1) / g.stride[axis]) + 1;
  };
  return [x[0], out(0), out(1), w[3]];
}

export function reference(x: F64, w: F64, b: F64 | undefined, g: Geometry): F64 {
  const y = f64(outShape(x.shape, w.shape, g));
  if (b) y.data.forEach((_, i) => (y.data[i] = b.data[i % b.data.length]));
  products(x.shape, w.shape, y.shape, g, (xi, wi, yi) => (y.data[yi] += x.data[xi] * w.data[wi]));
  return y;
}

/** A geometry from what differs of the plain one. */
export const geometry = (g: Partial<Geometry>): Geometry => ({
  stride: [1, 1],
  pad: [0, 0, 0, 0],
  dilation: [1, 1],
  groups: 1,
  ...g,
});

export const options = (g: Geometry): Conv2dOptions => ({
  stride: g.stride,
  padding: g.pad,
  dilation: g.dilation,
  groups: g.groups,
});
