// Two-dimensional convolution and transposed convolution: the forward pass of one is the input gradient of the other.

import { args } from '../../args.ts';
import { composed } from '../../autograd/compose.ts';
import type { Op } from '../../autograd/tape.ts';
import { ShapeError } from '../../errors.ts';
import { pair } from '../../kernel/geometry.ts';
import { checkReal, type DType, type Ranked, type Shape, sizeOf, type Tensor } from '../../tensor.ts';
import { defineReal } from '../cast.ts';
import { sum } from '../reduce.ts';
import { boxed, put, taken } from '../strided/layout.ts';
import { runForward, runInputGrad } from './forward.ts';
import { settings, type Conv2dOptions, type ConvTranspose2dOptions, type Geometry } from './geometry.ts';
import { runWeightGrad } from './weightGrad.ts';

export type { Padding, Pair } from '../../kernel/geometry.ts';
export type { Conv2dOptions, ConvTranspose2dOptions } from './geometry.ts';

// The three are linear in each of their inputs, and each one's gradients are the others: second derivatives come for
// free.
const forwardOp: Op<Geometry, 'x' | 'w' | 'b'> = defineReal(
  {
    name: 'conv2d',
    inputs: ['x', 'w', 'b'],
    outputs: ['y'],
    forward: ({ x, w, b }, g) => runForward(x.device, g, x, w, b),
    backward: {
      x: ({ dy, inputs: { w }, attrs }) => inputGradOp({ dy, w }, attrs).dx,
      w: ({ dy, inputs: { x }, attrs }) => weightGradOp({ x, dy }, attrs).dw,
      b: ({ dy }) => sum(dy, [0, 1, 2]),
    },
    twice: true,
  },
  { halves: ['x', 'w', 'b'] },
);

const inputGradOp: Op<Geometry, 'dy' | 'w' | 'b'> = defineReal(
  {
    name: 'conv2dInputGrad',
    inputs: ['dy', 'w', 'b'],
    outputs: ['dx'],
    forward: ({ dy, w, b }, g) => runInputGrad(dy.device, g, dy, w, b),
    backward: {
      dy: ({ dy: d, inputs: { w }, attrs }) => forwardOp({ x: d, w }, attrs).y,
      w: ({ dy: d, inputs: { dy }, attrs }) => weightGradOp({ x: d, dy }, attrs).dw,
      b: ({ dy: d }) => sum(d, [0, 1, 2]),
    },
    twice: true,
  },
  { halves: ['dy', 'w', 'b'] },
);

const weightGradOp: Op<Geometry, 'x' | 'dy'> = defineReal(
  {
    name: 'conv2dWeightGrad',
    inputs: ['x', 'dy'],
    outputs: ['dw'],
    forward: ({ x, dy }, g) => runWeightGrad(x.device, g, x, dy),
    backward: {
      x: ({ dy: d, inputs: { dy }, attrs }) => inputGradOp({ dy, w: d }, attrs).dx,
      dy: ({ dy: d, inputs: { x }, attrs }) => forwardOp({ x, w: d }, attrs).y,
    },
    twice: true,
  },
  { halves: ['x', 'dy'] },
);

function check(op: string, x: Tensor, w: Tensor, b: Tensor | undefined, cx: number, cb: number): void {
  if (x.rank !== 4 || w.rank !== 4)
    throw new ShapeError(
      op,
      `x is [${x.shape}] and w [${w.shape}]`,
      'x must be [n, h, w, channels] and w [kh, kw, channels in, channels out]',
    );
  if (x.shape[3] !== cx) throw new ShapeError(op, `x has ${x.shape[3]} channels, the weights [${w.shape}] want ${cx}`);
  if (b && (b.rank !== 1 || b.size !== cb)) throw new ShapeError(op, `the bias is [${b.shape}], not [${cb}]`);
  checkReal(op, { x, w, b });
}

/** t with zeros behind the channels of its axes from `first` on, so that 4 divides them. */
function filled(t: Tensor, first: number): Tensor {
  const shape = t.shape.map((s, i) => (i < first ? s : (s + 3) & -4));
  return sizeOf(shape) === t.size ? t : put('conv2d', [t], shape, [boxed(shape, [], t.shape)]);
}

/**
 * Runs a convolution over vectors of channels where the adapter is slow with single ones, as with the three of an image
 * and the classes of the scores: filling up costs less, and one kernel does for all.
 * @param channels of the result
 */
function byFours(
  x: Tensor,
  w: Tensor,
  b: Tensor | undefined,
  channels: number,
  groups: number,
  run: (x: Tensor, w: Tensor, b?: Tensor) => Tensor,
): Tensor {
  if (!x.size || !x.device.traits.vectors || groups > 1 || !((w.shape[2] | w.shape[3]) & 3)) return run(x, w, b);
  return composed(x.device, () => {
    const y = run(filled(x, 3), filled(w, 2), b && filled(b, 0));
    const shape = y.shape.map((s, i) => (i < 3 ? s : channels));
    return sizeOf(shape) === y.size ? y : taken('conv2d', y, shape, boxed(y.shape, [], shape));
  });
}

/**
 * 2-D convolution (cross-correlation, as in PyTorch).
 * @param x f32 or f16 [n, h, w, cin]
 * @param w [kh, kw, cin / groups, cout]
 * @param b [cout], optional
 * @returns dtype of x, [n, floor((h + top + bottom - dilation (kh - 1) - 1) / stride) + 1, …, cout]
 * @throws ShapeError when channels, groups or sizes do not fit, a setting is not a whole number, or dtypes differ or
 *   are integers
 * @example const y = conv2d(x, w, b, { stride: 2, padding: 1 });
 */
export function conv2d<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  w: Tensor,
  b?: Tensor,
  options: Conv2dOptions = {},
): Tensor<D, 4> {
  args('conv2d x w b? {stride:A padding:A dilation:A groups:n}', arguments);
  const { stride, dilation, p, groups } = settings('conv2d', options);
  const [kh, kw, cig, cout] = w.shape;
  check('conv2d', x, w, b, cig * groups, cout);
  if (cout % groups !== 0)
    throw new ShapeError('conv2d', `${cout} output channels do not divide into ${groups} groups`);
  const [n, h, width] = x.shape as Shape;
  const oh = Math.floor((h + p[0] + p[1] - dilation[0] * (kh - 1) - 1) / stride[0]) + 1;
  const ow = Math.floor((width + p[2] + p[3] - dilation[1] * (kw - 1) - 1) / stride[1]) + 1;
  if (oh < 1 || ow < 1)
    throw new ShapeError(
      'conv2d',
      `a kernel of ${kh}x${kw} with dilation ${dilation} does not fit into ${h}x${width} with padding ${p}`,
      'use a larger image or more padding',
    );
  return byFours(
    x,
    w,
    b,
    cout,
    groups,
    (x, w, b) =>
      forwardOp(
        { x, w, b },
        {
          x: x.shape,
          y: [n, oh, ow, w.shape[3]],
          kernel: [kh, kw],
          cig: w.shape[2],
          cog: w.shape[3] / groups,
          stride,
          pad: [p[0], p[2]],
          dilation,
          groups,
        },
      ).y,
  ) as Tensor<D, 4>;
}

/**
 * Transposed 2-D convolution: the input gradient of {@link conv2d}.
 * @param x f32 or f16 [n, h, w, cin]
 * @param w [kh, kw, cout / groups, cin]: the weights of the convolution that it transposes (PyTorch's IOHW permuted to
 *   HWOI)
 * @param b [cout], optional
 * @returns dtype of x, [n, (h - 1) stride - top - bottom + dilation (kh - 1) + outputPadding + 1, …, cout]
 * @throws ShapeError when channels, groups or sizes do not fit, a setting is not a whole number, or dtypes differ or
 *   are integers
 * @example const y = convTranspose2d(x, w, b, { stride: 2 }); // twice the size, with a kernel of 2
 */
export function convTranspose2d<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  w: Tensor,
  b?: Tensor,
  options: ConvTranspose2dOptions = {},
): Tensor<D, 4> {
  args('convTranspose2d x w b? {stride:A padding:A dilation:A groups:n outputPadding:A}', arguments);
  const { stride, dilation, p, groups } = settings('convTranspose2d', options);
  const extra = pair('convTranspose2d', 'output padding', options.outputPadding ?? 0, 0);
  const [kh, kw, cog, cin] = w.shape;
  const cout = cog * groups;
  check('convTranspose2d', x, w, b, cin, cout);
  if (cin % groups !== 0)
    throw new ShapeError('convTranspose2d', `${cin} input channels do not divide into ${groups} groups`);
  const [n, h, width] = x.shape as Shape;
  const oh = (h - 1) * stride[0] - p[0] - p[1] + dilation[0] * (kh - 1) + extra[0] + 1;
  const ow = (width - 1) * stride[1] - p[2] - p[3] + dilation[1] * (kw - 1) + extra[1] + 1;
  if (oh < 1 || ow < 1) throw new ShapeError('convTranspose2d', `the output would be ${oh}x${ow}`, 'use less padding');
  return byFours(
    x,
    w,
    b,
    cout,
    groups,
    (x, w, b) =>
      inputGradOp(
        { dy: x, w, b },
        {
          x: [n, oh, ow, w.shape[2] * groups],
          y: x.shape,
          kernel: [kh, kw],
          cig: w.shape[2],
          cog: w.shape[3] / groups,
          stride,
          pad: [p[0], p[2]],
          dilation,
          groups,
        },
      ).dx,
  ) as Tensor<D, 4>;
}
