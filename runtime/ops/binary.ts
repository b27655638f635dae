// Elementwise functions of two tensors.

import { defineOp, provideGradientOps } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { checkF32, type Tensor } from '../tensor.ts';
import { full, zeros } from './fill.ts';

function combine(name: 'add' | 'mul', a: Tensor, b: Tensor): Tensor {
  checkF32(name, { a, b });
  if (String(a.shape) !== String(b.shape)) throw new ShapeError(name, `[${a.shape}] and [${b.shape}] differ`);
  const y = a.device.empty(a.shape, 'f32', name);
  a.device.run({ shader: 'binary', entry: 'forward', constants: name === 'mul' ? { OP: 1 } : {}, bindings: { a, b, y }, params: { n: y.size }, threads: y.size });
  return y;
}

const addOp = defineOp<null>({
  name: 'add',
  inputs: ['a', 'b'],
  outputs: ['y'],
  forward: ({ a, b }) => combine('add', a, b),
  backward: { a: ({ dy }) => dy, b: ({ dy }) => dy },
  twice: true,
});

const mulOp = defineOp<null>({
  name: 'mul',
  inputs: ['a', 'b'],
  outputs: ['y'],
  forward: ({ a, b }) => combine('mul', a, b),
  backward: { a: ({ dy, inputs: { b } }) => mul(dy, b), b: ({ dy, inputs: { a } }) => mul(dy, a) },
  twice: true,
});

/**
 * a + b, element by element.
 * @param a f32
 * @param b f32 of the same shape
 * @throws ShapeError when shapes differ or a dtype is not f32
 */
export function add(a: Tensor, b: Tensor): Tensor {
  return addOp({ a, b }, null).y;
}

/**
 * a b, element by element.
 * @param a f32
 * @param b f32 of the same shape
 * @throws ShapeError when shapes differ or a dtype is not f32
 */
export function mul(a: Tensor, b: Tensor): Tensor {
  return mulOp({ a, b }, null).y;
}

provideGradientOps({
  add,
  ones: (x) => full(x.device, x.shape, 1, x.dtype),
  zeros: (x) => zeros(x.device, x.shape, x.dtype),
});
