// Sum over all axes but the last: the gradient of a bias.

import { ShapeError } from '../errors.ts';
import { folded } from '../kernel/geometry.ts';
import { checkReal, type Shape, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

function pass(x: Tensor, rows: number, c: number, chunk: number): Tensor {
  const chunks = Math.ceil(rows / chunk);
  const y = x.device.empty([chunks, c], 'f32', 'sumToLast');
  x.device.run({ shader: 'sumToLast', entry: 'forward', bindings: { x, y }, params: { rows, c, chunk }, groups: folded(Math.ceil(c / 64), chunks) });
  return y;
}

type Op<A> = (inputs: Record<string, Tensor | undefined>, attrs: A) => Record<string, Tensor>;

// Linear: each is the gradient of the other.
const op: Op<null> = defineReal<null>({
  name: 'sumToLast',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }) {
    const c = x.shape[x.rank - 1];
    let t = x;
    let rows = x.size / Math.max(1, c);
    if (rows === 0) {
      const none = x.device.empty([c], 'f32', 'sumToLast');
      x.device.clear(none);
      return none;
    }
    do {
      const next = pass(t, rows, c, Math.max(64, Math.ceil(rows / 4096)));
      rows = next.shape[0];
      if (t !== x) t.dispose();
      t = next;
    } while (rows > 1);
    const y = t.view([c]);
    t.dispose();
    return y;
  },
  backward: { x: ({ dy, inputs: { x } }) => gradientOp({ dy }, { shape: x.shape }).dx },
  twice: true,
});

const gradientOp: Op<{ shape: Shape }> = defineReal<{ shape: Shape }>({
  name: 'sumToLast gradient',
  inputs: ['dy'],
  outputs: ['dx'],
  forward({ dy }, { shape }) {
    const dx = dy.device.empty(shape, 'f32', 'sumToLast');
    dy.device.run({ shader: 'sumToLast', entry: 'backward', bindings: { dy, dx }, params: { rows: dx.size / dy.size, c: dy.size, chunk: 0 }, threads: dx.size });
    return dx;
  },
  backward: { dy: ({ dy: d }) => op({ x: d }, null).y },
  twice: true,
});

/**
 * Sums over all axes but the last. Has second derivatives.
 * @param x f32 or f16 [..., c]
 * @returns dtype of x, [c]; zeros where there are no rows
 * @throws ShapeError for a scalar, or when x is an integer
 */
export function sumToLast(x: Tensor): Tensor {
  if (x.rank < 1) throw new ShapeError('sumToLast', 'a scalar has no last axis');
  checkReal('sumToLast', { x });
  return op({ x }, null).y;
}
