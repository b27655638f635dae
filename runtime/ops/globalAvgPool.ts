// Global average pooling.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { checkWhole } from '../kernel/geometry.ts';
import { checkImages } from '../kernel/windows.ts';
import type { DType, Ranked, Shape, Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

const sizes = (x: Tensor) => ({ n: x.shape[0], pixels: x.shape[1] * x.shape[2], c: x.shape[3] });

// Linear: each is the gradient of the other.
const op: Op<null, 'x'> = defineReal({
  name: 'globalAvgPool',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }) {
    const y = x.device.empty([x.shape[0], 1, 1, x.shape[3]], 'f32', 'globalAvgPool');
    x.device.run({ shader: 'globalAvgPool', entry: 'forward', bindings: { x, y }, params: sizes(x), threads: y.size });
    return y;
  },
  backward: { x: ({ dy, inputs: { x } }) => gradientOp({ dy }, { shape: x.shape }).dx },
  twice: true,
});

const gradientOp: Op<{ shape: Shape }, 'dy'> = defineReal({
  name: 'globalAvgPool gradient',
  inputs: ['dy'],
  outputs: ['dx'],
  forward({ dy }, { shape }) {
    const dx = dy.device.empty(shape, 'f32', 'globalAvgPool');
    dy.device.run({
      shader: 'globalAvgPool',
      entry: 'backward',
      bindings: { dy, dx },
      params: sizes(dx),
      threads: dx.size,
    });
    return dx;
  },
  backward: { dy: ({ dy: d }) => op({ x: d }, null).y },
  twice: true,
});

/**
 * Mean over h and w. Has second derivatives.
 * @param x f32 or f16 [n, h, w, c], h and w not 0
 * @returns dtype of x, [n, 1, 1, c]
 * @throws ShapeError for other ranks, empty images, or when x is an integer
 * @example const pooled = globalAvgPool(x); // [n, h, w, c] -> [n, 1, 1, c]
 */
export function globalAvgPool<D extends DType, R extends number>(x: Tensor<D, R> & Ranked<R, 4>): Tensor<D, 4> {
  args('globalAvgPool x', arguments);
  checkImages('globalAvgPool', x);
  checkWhole('globalAvgPool', `h and w of [${x.shape}]`, x.shape.slice(1, 3), 1);
  return op({ x }, null).y as Tensor<D, 4>;
}
