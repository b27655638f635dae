// Attention scores between valid positions only.

import { args } from '../../runtime/args.ts';
import { defineOp, type Op } from '../../runtime/autograd/tape.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import { checkF32, type Tensor } from '../../runtime/tensor.ts';

/** PseudoSeg's score of a pair that does not count: its weight after a softmax is 0, without an infinity. */
const NONE = -1e9;

function apply(x: Tensor, valid: Tensor, fill: number): Tensor {
  const y = x.device.empty(x.shape, 'f32', 'maskPairs');
  x.device.run({
    shaders: SEGMENTATION,
    shader: 'maskPairs',
    entry: 'forward',
    bindings: { x, valid, y },
    params: { n: x.size, rows: x.shape[1], columns: x.shape[2], fill },
    threads: x.size,
  });
  return y;
}

const op: Op<null, 'x' | 'valid'> = defineOp({
  name: 'maskPairs',
  inputs: ['x', 'valid'],
  outputs: ['y'],
  forward: ({ x, valid }) => apply(x, valid, NONE),
  backward: { x: ({ dy, inputs: { valid } }) => apply(dy, valid, 0), valid: null },
});

/**
 * Sets the scores of pairs with an end that is not valid to -1e9. In a row that is itself not valid all scores become
 * equal.
 * @param x f32 [n, p, p]
 * @param valid f32 [n, p], 0 where a position is padding
 * @returns f32 [n, p, p]
 * @throws ShapeError for other shapes or dtypes
 * @example const a = softmax(maskPairs(matmul(q, k, { transposeB: true }), valid), -1, { scale: 1 / Math.sqrt(d) });
 */
export function maskPairs(x: Tensor, valid: Tensor): Tensor {
  args('maskPairs x valid', arguments);
  if (x.rank !== 3 || x.shape[1] !== x.shape[2] || valid.size !== x.shape[0] * x.shape[1]) {
    throw new ShapeError(
      'maskPairs',
      `scores [${x.shape}] and mask [${valid.shape}]`,
      'give f32 [n, p, p] and f32 [n, p]',
    );
  }
  checkF32('maskPairs', { x, valid });
  return op({ x, valid }, null).y;
}
