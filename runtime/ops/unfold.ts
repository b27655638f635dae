// Patches under a sliding window (im2col), and the sum of patches (col2im): each is the other's gradient.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { pair, type Pair } from '../kernel/geometry.ts';
import type { Constants, ParamValue } from '../kernel/kernel.ts';
import { checkReal, type Shape, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

/** Settings of {@link unfold} and {@link fold}. */
export interface UnfoldOptions {
  /** Steps of the window (default 1). */
  stride?: Pair;
  /** Zeros around the image (default 0). */
  padding?: Pair;
  /** Steps between the taps of the window (default 1). */
  dilation?: Pair;
}

interface Attrs {
  x: Shape;
  kernel: readonly [number, number];
  stride: readonly [number, number];
  padding: readonly [number, number];
  dilation: readonly [number, number];
}

/** Checks the settings; x is [n, h, w, c]. */
function attrsOf(op: string, x: Shape, kernel: Pair, o: UnfoldOptions): Attrs {
  return {
    x,
    kernel: pair(op, 'the kernel', kernel, 1),
    stride: pair(op, 'stride', o.stride ?? 1, 1),
    padding: pair(op, 'padding', o.padding ?? 0, 0),
    dilation: pair(op, 'dilation', o.dilation ?? 1, 1),
  };
}

/** Windows along both directions. @throws ShapeError when not one fits */
function windows(op: string, a: Attrs): [number, number] {
  const along = (i: 0 | 1): number =>
    Math.floor((a.x[1 + i] + 2 * a.padding[i] - a.dilation[i] * (a.kernel[i] - 1) - 1) / a.stride[i]) + 1;
  const [oh, ow] = [along(0), along(1)];
  if (oh < 1 || ow < 1) throw new ShapeError(op, `a kernel of ${a.kernel.join(' x ')} does not fit into [${a.x}]`);
  return [oh, ow];
}

function launch(
  op: string,
  a: Attrs,
  type: string,
): { constants: (name: string) => Constants; params: Record<string, ParamValue>; lanes: number } {
  const [n, h, w, c] = a.x;
  const lanes = c % 4 === 0 ? 4 : 1;
  return {
    constants: (name) => (lanes === 4 ? { [name]: `vec4<${type}>` } : {}),
    params: {
      x_size: [n, h, w, c / lanes],
      y_size: [...windows(op, a), ...a.kernel],
      stride: a.stride,
      pad: a.padding,
      dilation: a.dilation,
    },
    lanes,
  };
}

const unfoldOp: Op<Attrs, 'x'> = defineReal({
  name: 'unfold',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, attrs) {
    const [oh, ow] = windows('unfold', attrs);
    const [n, , , c] = attrs.x;
    const y = x.device.empty([n, oh, ow, attrs.kernel[0] * attrs.kernel[1] * c], x.dtype, 'unfold');
    const { constants, params, lanes } = launch('unfold', attrs, 'u32');
    x.device.run({
      shader: 'unfold',
      entry: 'forward',
      constants: constants('Element'),
      bindings: { x, y },
      params,
      threads: y.size / lanes,
    });
    return y;
  },
  backward: { x: ({ dy, attrs }) => foldOp({ dy }, attrs).dx },
  twice: true,
});

const foldOp: Op<Attrs, 'dy'> = defineReal({
  name: 'fold',
  inputs: ['dy'],
  outputs: ['dx'],
  forward({ dy }, attrs) {
    const dx = dy.device.empty(attrs.x, 'f32', 'fold');
    const { constants, params, lanes } = launch('fold', attrs, 'f32');
    dy.device.run({
      shader: 'unfold',
      entry: 'backward',
      constants: constants('Number'),
      bindings: { dy, dx },
      params,
      threads: dx.size / lanes,
    });
    return dx;
  },
  backward: { dy: ({ grads, attrs }) => unfoldOp({ x: grads.ddx }, attrs).y },
  twice: true,
});

/**
 * The patches under a sliding window (im2col), zeros outside of x.
 * @param x f32, f16, i32 or u32 [n, h, w, c]
 * @param kernel height and width of the window
 * @returns [n, oh, ow, kh kw c], the channels of a tap together, the order of HWIO weights; oh = floor((h + 2 padding -
 *   dilation (kh - 1) - 1) / stride) + 1.
 * PyTorch's is [n, c kh kw, oh ow]
 * @throws ShapeError when x has another rank, the window does not fit, or a setting is not a whole number
 * @example const y = matmul(unfold(x, 3, { padding: 1 }), reshape(w, [9 * c, out]));   // a convolution
 */
export function unfold(x: Tensor, kernel: Pair, options: UnfoldOptions = {}): Tensor {
  args('unfold x kernel:A {stride:A padding:A dilation:A}', arguments);
  if (x.rank !== 4) throw new ShapeError('unfold', `x is [${x.shape}], not [n, h, w, c]`);
  return unfoldOp({ x }, attrsOf('unfold', x.shape, kernel, options)).y;
}

/**
 * The sum of patches where they lie in the image (col2im), the adjoint of {@link unfold}.
 * @param patches f32 or f16 [n, oh, ow, kh kw c]
 * @param size height and width of the image
 * @returns dtype of the patches, [n, h, w, c]
 * @throws ShapeError when the patches are not those of such an image, or integers
 * @example const covered = fold(unfold(x, 3), [h, w], 3);   // x times the number of windows over each pixel
 */
export function fold(
  patches: Tensor,
  size: readonly [number, number],
  kernel: Pair,
  options: UnfoldOptions = {},
): Tensor {
  args('fold patches size:S kernel:A {stride:A padding:A dilation:A}', arguments);
  checkReal('fold', { patches });
  const [kh, kw] = pair('fold', 'the kernel', kernel, 1);
  const [h, w] = pair('fold', 'the size', size, 1);
  const attrs = attrsOf('fold', [patches.shape[0], h, w, (patches.shape[3] ?? 0) / (kh * kw)], kernel, options);
  const [oh, ow] = windows('fold', attrs);
  if (patches.rank !== 4 || !Number.isInteger(attrs.x[3]) || patches.shape[1] !== oh || patches.shape[2] !== ow) {
    throw new ShapeError('fold', `patches are [${patches.shape}], not [n, ${oh}, ${ow}, a multiple of ${kh * kw}]`);
  }
  return foldOp({ dy: patches }, attrs).dx;
}
