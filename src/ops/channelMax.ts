// Maximum over the last axis.

import { args } from '../../runtime/args.ts';
import { defineOp, type Op } from '../../runtime/autograd/tape.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import type { Tensor } from '../../runtime/tensor.ts';

const params = (x: Tensor) => ({ rows: x.size / x.shape.at(-1)!, c: x.shape.at(-1)! });

const op: Op<null, 'x'> = defineOp({
  name: 'channelMax',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }) {
    const y = x.device.empty([...x.shape.slice(0, -1), 1], 'f32', 'channelMax');
    x.device.run({
      shaders: SEGMENTATION,
      shader: 'channelMax',
      entry: 'forward',
      bindings: { x, y },
      params: params(x),
      threads: y.size,
    });
    return y;
  },
  backward: {
    x: ({ dy, inputs: { x } }) => {
      const dx = x.device.empty(x.shape, 'f32', 'channelMax');
      x.device.run({
        shaders: SEGMENTATION,
        shader: 'channelMax',
        entry: 'backward',
        bindings: { x, dy, dx },
        params: params(x),
        threads: dy.size,
      });
      return dx;
    },
  },
});

/** The largest of each pixel's values: [..., c] to [..., 1]. Equal largest values share the gradient. */
export function channelMax(x: Tensor): Tensor {
  args('channelMax x', arguments);
  if (x.rank < 1 || !x.shape.at(-1) || x.dtype !== 'f32')
    throw new ShapeError('channelMax', `x is ${x}, not [..., c] f32`);
  return op({ x }, null).y;
}
