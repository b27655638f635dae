// Max-pooling.

import { defineOp } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { pair, type Pair } from '../kernel/geometry.ts';
import type { Constants, ParamValue } from '../kernel/kernel.ts';
import { byVectors } from '../kernel/vectors.ts';
import { checkF32, type Shape, type Tensor } from '../tensor.ts';

export interface MaxPool2dOptions {
  kernel: Pair;
  /** Default: the kernel. */
  stride?: Pair;
  /** Pixels outside of the image never win (default 0). */
  padding?: Pair;
  /** Default 1. */
  dilation?: Pair;
  /** Round the output size up (a window must still start inside the image or its left padding). */
  ceilMode?: boolean;
}

interface Attrs {
  y: Shape;
  kernel: readonly [number, number];
  stride: readonly [number, number];
  pad: readonly [number, number];
  dilation: readonly [number, number];
}

function settings(x: Shape, a: Attrs): { constants: Constants; params: Record<string, ParamValue>; lanes: number } {
  const { constants, lanes, sizes } = byVectors(x, a.y);
  return { constants: lanes === 4 ? { ...constants, Index: 'vec4<i32>' } : {}, params: { ...sizes, kernel: a.kernel, stride: a.stride, pad: a.pad, dilation: a.dilation }, lanes };
}

const op = defineOp<Attrs>({
  name: 'maxPool2d',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, a) {
    const y = x.device.empty(a.y, 'f32', 'maxPool2d');
    const { constants, params, lanes } = settings(x.shape, a);
    x.device.run({ shader: 'maxPool2d', entry: 'forward', constants, bindings: { x, y }, params, threads: y.size / lanes });
    return y;
  },
  backward: {
    x: ({ dy, inputs: { x }, attrs: a }) => {
      const dx = x.device.empty(x.shape, 'f32', 'maxPool2d gradient');
      const { constants, params, lanes } = settings(x.shape, a);
      x.device.run({ shader: 'maxPool2d', entry: 'backward', constants, bindings: { x, dy, dx }, params, threads: x.size / lanes });
      return dx;
    },
  },
});

/**
 * Maximum over windows; the gradient goes to the first maximum of a window, as in PyTorch.
 * @param x f32 [n, h, w, c]
 * @returns f32 [n, floor((h + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, …, c]
 * @throws ShapeError when the window does not fit, the padding is more than half of the kernel, a setting is no whole number, or x is not f32
 * @example const y = maxPool2d(x, { kernel: 3, stride: 2, padding: 1 });
 */
export function maxPool2d(x: Tensor, options: MaxPool2dOptions): Tensor {
  if (x.rank !== 4) throw new ShapeError('maxPool2d', `x is [${x.shape}], not [n, h, w, c]`);
  checkF32('maxPool2d', { x });
  const whole = (name: string, v: Pair, least: number): readonly [number, number] => pair('maxPool2d', name, v, least);
  const kernel = whole('kernel', options.kernel, 1), stride = whole('stride', options.stride ?? options.kernel, 1), pad = whole('padding', options.padding ?? 0, 0), dilation = whole('dilation', options.dilation ?? 1, 1);
  if (2 * pad[0] > kernel[0] || 2 * pad[1] > kernel[1]) throw new ShapeError('maxPool2d', `padding ${pad} is more than half of the kernel ${kernel}`);
  const out = [1, 2].map((axis, i) => {
    const span = x.shape[axis] + 2 * pad[i] - dilation[i] * (kernel[i] - 1) - 1;
    let n = (options.ceilMode ? Math.ceil(span / stride[i]) : Math.floor(span / stride[i])) + 1;
    if (options.ceilMode && (n - 1) * stride[i] >= x.shape[axis] + pad[i]) n--;
    return n;
  });
  if (out[0] < 1 || out[1] < 1) throw new ShapeError('maxPool2d', `a window of ${kernel} does not fit into [${x.shape}]`, 'use a larger image');
  return op({ x }, { y: [x.shape[0], out[0], out[1], x.shape[3]], kernel, stride, pad, dilation }).y;
}
