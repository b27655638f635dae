// A linear layer: a convolution with a kernel of one pixel.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import { ShapeError } from '../errors.ts';
import { checkReal, sizeOf, type Tensor } from '../tensor.ts';
import { conv2d } from './conv2d/index.ts';
import { reshape } from './reshape.ts';

/**
 * y = x w + b over the last axis.
 * @param x f32 or f16 [..., cin]
 * @param w f32 or f16 [cin, cout] (PyTorch's weight transposed, as those of {@link conv2d} are)
 * @param b f32 or f16 [cout], optional
 * @returns dtype of x, [..., cout]
 * @throws ShapeError when the sizes do not fit, or dtypes differ or are integers
 * @example const scores = linear(features, w, b);
 */
export function linear(x: Tensor, w: Tensor, b?: Tensor): Tensor {
  args('linear x w b?', arguments);
  checkReal('linear', { x, w, b });
  if (x.rank < 1 || w.rank !== 2 || x.shape[x.rank - 1] !== w.shape[0])
    throw new ShapeError(
      'linear',
      `x [${x.shape}] and w [${w.shape}] do not fit`,
      'give x as [..., cin] and w as [cin, cout]',
    );
  if (b && (b.rank !== 1 || b.size !== w.shape[1]))
    throw new ShapeError('linear', `the bias is [${b.shape}], not [${w.shape[1]}]`);
  const [cin, cout] = w.shape;
  const lead = x.shape.slice(0, -1);
  return composed(x.device, () =>
    reshape(conv2d(reshape(x, [sizeOf(lead), 1, 1, cin]), reshape(w, [1, 1, cin, cout]), b), [...lead, cout]),
  );
}
