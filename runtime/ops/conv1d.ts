// One-dimensional convolution: a two-dimensional one over pictures of one row.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import { ShapeError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { conv2d } from './conv2d/index.ts';
import { reshape } from './reshape.ts';

/** Settings of {@link conv1d}. */
export interface Conv1dOptions {
  /** Default 1. */
  stride?: number;
  /** One number, or [before, after]; zeros are added there (default 0). */
  padding?: number | readonly [number, number];
  /** Default 1. */
  dilation?: number;
  /** Default 1. */
  groups?: number;
}

/**
 * 1-D convolution (cross-correlation, as in PyTorch).
 * @param x f32 or f16 [n, w, cin]
 * @param w f32 or f16 [k, cin / groups, cout]
 * @param b f32 or f16 [cout], optional
 * @returns dtype of x, [n, floor((w + before + after - dilation (k - 1) - 1) / stride) + 1, cout]
 * @throws ShapeError when channels, groups or sizes do not fit, a setting is not a whole number, or dtypes differ or
 *   are integers
 * @example const y = conv1d(x, w, b, { stride: 2, padding: 1 });
 */
export function conv1d(x: Tensor, w: Tensor, b?: Tensor, options: Conv1dOptions = {}): Tensor {
  args('conv1d x w b? {stride:n padding:A dilation:n groups:n}', arguments);
  if (x.rank !== 3 || w.rank !== 3)
    throw new ShapeError(
      'conv1d',
      `x is [${x.shape}] and w [${w.shape}]`,
      'x must be [n, w, channels] and w [k, channels in, channels out]',
    );
  const { stride = 1, padding = 0, dilation = 1, groups } = options;
  const [before, after] = typeof padding === 'number' ? [padding, padding] : padding;
  return composed(x.device, () => {
    const y = conv2d(reshape(x, [x.shape[0], 1, ...x.shape.slice(1)]), reshape(w, [1, ...w.shape]), b, {
      stride: [1, stride],
      padding: [0, 0, before, after],
      dilation: [1, dilation],
      groups,
    });
    return reshape(y, [y.shape[0], y.shape[2], y.shape[3]]);
  });
}
