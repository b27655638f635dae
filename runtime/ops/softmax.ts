// Softmax and its logarithm over the last axis.

import { defineOp } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { checkF32, type Tensor } from '../tensor.ts';

interface Attrs {
  log: boolean;
  scale: number;
}

const params = (x: Tensor, scale: number) => ({ rows: x.size / x.shape[x.rank - 1], c: x.shape[x.rank - 1], scale });

const op = defineOp<Attrs>({
  name: 'softmax',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, { log, scale }) {
    const y = x.device.empty(x.shape, 'f32', 'softmax');
    x.device.run({ shader: 'softmax', entry: 'forward', constants: { LOG: log }, bindings: { x, y }, params: params(x, scale), threads: x.size / x.shape[x.rank - 1] });
    return y;
  },
  backward: {
    x: ({ dy, outputs: { y }, attrs: { log, scale } }) => {
      const dx = y.device.empty(y.shape, 'f32', 'softmax gradient');
      y.device.run({ shader: 'softmax', entry: 'backward', constants: { LOG: log }, bindings: { y_in: y, dy, dx }, params: params(y, scale), threads: y.size / y.shape[y.rank - 1] });
      return dx;
    },
  },
});

function check(name: string, x: Tensor): void {
  checkF32(name, { x });
  if (x.rank < 1 || x.shape[x.rank - 1] < 1) throw new ShapeError(name, `x is [${x.shape}]`, 'the last axis must hold at least one value');
}

/**
 * exp(scale x_c) / sum exp(scale x) over the last axis.
 * @param x f32 [..., c]
 * @returns f32, shape of x
 * @throws ShapeError when the last axis is empty or x is not f32
 * @example const attention = softmax(scores, 1 / Math.sqrt(d));
 */
export function softmax(x: Tensor, scale = 1): Tensor {
  check('softmax', x);
  return op({ x }, { log: false, scale }).y;
}

/** The logarithm of {@link softmax}, without loss of precision for small probabilities. Shapes and errors as there. */
export function logSoftmax(x: Tensor, scale = 1): Tensor {
  check('logSoftmax', x);
  return op({ x }, { log: true, scale }).y;
}
