// Global average pooling.

import { ShapeError } from '../errors.ts';
import { checkReal, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

const sizes = (x: Tensor) => ({ n: x.shape[0], pixels: x.shape[1] * x.shape[2], c: x.shape[3] });

const op = defineReal<null>({
  name: 'globalAvgPool',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }) {
    const y = x.device.empty([x.shape[0], 1, 1, x.shape[3]], 'f32', 'globalAvgPool');
    x.device.run({ shader: 'globalAvgPool', entry: 'forward', bindings: { x, y }, params: sizes(x), threads: y.size });
    return y;
  },
  backward: {
    x: ({ dy, inputs: { x } }) => {
      const dx = x.device.empty(x.shape, 'f32', 'globalAvgPool gradient');
      x.device.run({ shader: 'globalAvgPool', entry: 'backward', bindings: { dy, dx }, params: sizes(x), threads: x.size });
      return dx;
    },
  },
});

/**
 * Mean over h and w.
 * @param x f32 or f16 [n, h, w, c], not empty
 * @returns dtype of x, [n, 1, 1, c]
 * @throws ShapeError for other shapes, or when x is an integer
 * @example const pooled = globalAvgPool(x); // [n, h, w, c] -> [n, 1, 1, c]
 */
export function globalAvgPool(x: Tensor): Tensor {
  if (x.rank !== 4 || x.size === 0) throw new ShapeError('globalAvgPool', `x is [${x.shape}], not a non-empty [n, h, w, c]`);
  checkReal('globalAvgPool', { x });
  return op({ x }, null).y;
}
