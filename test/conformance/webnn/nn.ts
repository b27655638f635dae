// WebNN's convolutions, pooling, norms and products, by the engine's. Layouts are changed by permuting: pictures to
// NHWC, weights to HWIO or HWOI.

import * as ops from '../../support/ops.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import type { Run } from '../../support/webnnCases.ts';

/** Moves axes by their letters. */
const relaid = (x: Tensor, from: string, to: string): Tensor =>
  from === to
    ? x
    : ops.permute(
        x,
        [...to].map((l) => from.indexOf(l)),
      );

/** Runs f on pictures in NHWC. */
const inNhwc = (x: Tensor, layout: string, f: (x: Tensor) => Tensor): Tensor =>
  relaid(f(relaid(x, layout, 'nhwc')), 'nhwc', layout);

/** Runs f with some axes in other places. */
function moved(x: Tensor, order: readonly number[], f: (x: Tensor) => Tensor): Tensor {
  return ops.permute(
    f(ops.permute(x, order)),
    order.map((_, a) => order.indexOf(a)),
  );
}

type Sides = readonly [number, number, number, number];
const NONE: Sides = [0, 0, 0, 0];

function conv2d(
  x: Tensor,
  w: Tensor,
  {
    inputLayout = 'nchw',
    filterLayout = 'oihw',
    bias,
    padding = NONE,
    strides = [1, 1],
    dilations = [1, 1],
    groups = 1,
  }: Record<string, any>,
): Tensor {
  return inNhwc(x, inputLayout, (v) =>
    ops.conv2d(v, relaid(w, filterLayout, 'hwio'), bias, { padding, stride: strides, dilation: dilations, groups }),
  );
}

function convTranspose2d(x: Tensor, w: Tensor, o: Record<string, any>): Tensor {
  const {
    inputLayout = 'nchw',
    filterLayout = 'iohw',
    bias,
    padding = NONE,
    strides = [1, 1],
    dilations = [1, 1],
    groups = 1,
    outputSizes,
  } = o;
  const hwoi = relaid(w, filterLayout, 'hwoi');
  return inNhwc(x, inputLayout, (v) => {
    const made = (a: 0 | 1): number =>
      (v.shape[a + 1] - 1) * strides[a] + dilations[a] * (hwoi.shape[a] - 1) + 1 - padding[2 * a] - padding[2 * a + 1];
    const outputPadding = outputSizes
      ? ([outputSizes[0] - made(0), outputSizes[1] - made(1)] as const)
      : o.outputPadding;
    return ops.convTranspose2d(v, hwoi, bias, { padding, stride: strides, dilation: dilations, groups, outputPadding });
  });
}

type Pool = (x: Tensor, options: ops.MaxPool2dOptions) => Tensor;

/** Pooling over windows, by default over the whole picture. Sizes are rounded down, or as `outputSizes` has them. */
const pool =
  (f: Pool): Run =>
  ({ input }, o) => {
    const {
      layout = 'nchw',
      padding = NONE,
      strides = [1, 1],
      dilations = [1, 1],
      outputSizes,
      roundingType,
      outputShapeRounding = roundingType ?? 'floor',
    } = o;
    return inNhwc(input, layout, (x) => {
      const kernel = (o.windowDimensions ?? x.shape.slice(1, 3)) as [number, number];
      const floors = [0, 1].map(
        (a) =>
          Math.floor(
            (x.shape[a + 1] + padding[2 * a] + padding[2 * a + 1] - dilations[a] * (kernel[a] - 1) - 1) / strides[a],
          ) + 1,
      );
      const ceilMode = outputSizes ? String(outputSizes) !== String(floors) : outputShapeRounding === 'ceil';
      return f(x, { kernel, stride: strides, padding, dilation: dilations, ceilMode });
    });
  };

function layerNormalization(
  x: Tensor,
  { axes = x.shape.slice(1).map((_, a) => a + 1), scale, bias, epsilon: eps = 1e-5 }: Record<string, any>,
): Tensor {
  // Without axes every element is its own mean.
  const own = (t: Tensor | undefined): Tensor | undefined => t && ops.reshape(t, [1]);
  if (axes.length === 0)
    return ops.squeeze(ops.layerNorm(ops.unsqueeze(x, x.rank), [1], own(scale), own(bias), { eps }), x.rank);
  const order = [...x.shape.keys()].filter((a) => !axes.includes(a)).concat(axes);
  return moved(x, order, (v) => ops.layerNorm(v, v.shape.slice(-axes.length), scale, bias, { eps }));
}

function batchNormalization(
  x: Tensor,
  mean: Tensor,
  variance: Tensor,
  { axis = 1, scale, bias, epsilon: eps = 1e-5 }: Record<string, any>,
): Tensor {
  const order = [...x.shape.keys()].filter((a) => a !== axis).concat(axis);
  return moved(x, order, (v) =>
    ops.batchNorm(
      v,
      scale ?? ops.full(x.device, mean.shape, 1),
      bias ?? ops.zeros(x.device, mean.shape),
      { mean, variance },
      { mode: 'eval', eps },
    ),
  );
}

function resample2d(
  x: Tensor,
  { mode = 'nearest-neighbor', axes = [2, 3], scales = [1, 1], sizes }: Record<string, any>,
): Tensor {
  const from = axes.map((a: number) => x.shape[a]);
  const to = sizes ?? from.map((n: number, i: number) => Math.floor(n * scales[i]));
  if (mode === 'linear') {
    const [first, last] = [...x.shape.keys()].filter((a) => !axes.includes(a));
    return moved(x, [first, ...axes, last], (v) => ops.resizeBilinear(v, to));
  }
  return axes.reduce((y: Tensor, axis: number, i: number) => {
    // The centre of the pixel, halves rounded down.
    const index = Int32Array.from({ length: to[i] }, (_, o) =>
      Math.max(0, Math.ceil(((2 * o + 1) * from[i] - 2 * to[i]) / (2 * to[i]))),
    );
    return ops.indexSelect(y, axis, x.device.tensor(index, [to[i]]));
  }, x);
}

function gemm(
  a: Tensor,
  b: Tensor,
  { c, alpha = 1, beta = 1, aTranspose: transposeA, bTranspose: transposeB }: Record<string, any>,
): Tensor {
  const y = ops.mul(ops.matmul(a, b, { transposeA, transposeB }), alpha);
  return c ? ops.add(y, ops.mul(c, beta)) : y;
}

export const nn: Record<string, Run> = {
  averagePool2d: pool((x, o) => ops.avgPool2d(x, { ...o, countIncludePad: false })),
  batchNormalization: ({ input, mean, variance }, o) => batchNormalization(input, mean, variance, o),
  conv2d: ({ input, filter }, o) => conv2d(input, filter, o),
  convTranspose2d: ({ input, filter }, o) => convTranspose2d(input, filter, o),
  gemm: ({ a, b }, o) => gemm(a, b, o),
  instanceNormalization: ({ input }, { layout = 'nchw', scale, bias, epsilon }) =>
    inNhwc(input, layout, (x) => ops.instanceNorm(x, scale, bias, { eps: epsilon })),
  l2Pool2d: pool((x, o) => ops.sqrt(ops.avgPool2d(ops.square(x), { ...o, divisor: 1 }))),
  layerNormalization: ({ input }, o) => layerNormalization(input, o),
  matmul: ({ a, b }) => ops.matmul(a, b),
  maxPool2d: pool(ops.maxPool2d),
  resample2d: ({ input }, o) => resample2d(input, o),
  softmax: ({ input }, { axis = 1 }) => ops.softmax(input, axis),
};
