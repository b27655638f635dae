// Elementwise functions of two tensors.

import { defineOp, provideGradientOps } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { full, zeros } from './fill.ts';

const addOp = defineOp<null>({
  name: 'add',
  inputs: ['a', 'b'],
  outputs: ['y'],
  forward({ a, b }) {
    if (a.size !== b.size) throw new ShapeError('add', `[${a.shape}] and [${b.shape}] differ`);
    const y = a.device.empty(a.shape, a.dtype, 'add');
    a.device.run({ shader: 'binary', entry: 'forward', bindings: { a, b, y }, params: { n: y.size }, threads: y.size });
    return y;
  },
  backward: { a: ({ dy }) => dy, b: ({ dy }) => dy },
});

/** a + b. */
export function add(a: Tensor, b: Tensor): Tensor {
  return addOp({ a, b }, null).y;
}

provideGradientOps({
  add,
  ones: (x) => full(x.device, x.shape, 1, x.dtype),
  zeros: (x) => zeros(x.device, x.shape, x.dtype),
});
