// Weighted sums: of the terms of a loss, of two predictions.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { isReal, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

interface Attrs {
  u: number;
  v: number;
}

/** u a + v b; a weight is a number times a scalar tensor, if there is one. */
function combine(a: Tensor, u: number, scalarA: Tensor | undefined, b?: Tensor, v = 0, scalarB?: Tensor): Tensor {
  const y = a.device.empty(a.shape, 'f32', 'weightedSum');
  a.device.run({
    shader: 'weightedSum',
    entry: 'forward',
    constants: { SCALAR_A: !!scalarA, SCALAR_B: !!scalarB, SECOND: !!b },
    bindings: { a, b: b ?? a, scalarA: scalarA ?? a, scalarB: scalarB ?? a, y },
    params: { n: y.size, u, v },
    threads: y.size,
  });
  return y;
}

const op: Op<Attrs, 'a' | 'b' | 'scalarA' | 'scalarB'> = defineReal({
  name: 'weightedSum',
  inputs: ['a', 'b', 'scalarA', 'scalarB'],
  outputs: ['y'],
  forward: ({ a, b, scalarA, scalarB }, { u, v }) => combine(a, u, scalarA, b, v, scalarB),
  backward: {
    a: ({ dy, inputs, attrs }) => weightedSum([[dy, attrs.u, inputs.scalarA]]),
    b: ({ dy, inputs, attrs }) => weightedSum([[dy, attrs.v, inputs.scalarB]]),
    scalarA: null,
    scalarB: null,
  },
  twice: true,
});

/**
 * A term and its weight: a number, a scalar tensor (a ramp that changes between replays), or a number times a scalar
 * tensor. No gradient flows into weights.
 */
export type WeightedTerm = readonly [x: Tensor, weight?: number | Tensor, factor?: Tensor];

/**
 * Sum of w x over the terms, all of one shape and dtype, f32 or f16; a weight that is left out is 1.
 * @returns of that shape and dtype
 * @throws ShapeError when there are no terms, their shapes or dtypes differ, or a weight is neither a number nor a
 *   scalar
 * @example const loss = weightedSum([[supervised], [consistency, ramp], [strong, 0.25]]);
 */
export function weightedSum(terms: readonly WeightedTerm[]): Tensor {
  args('weightedSum terms:a', arguments);
  if (terms.length === 0) throw new ShapeError('weightedSum', 'there are no terms');
  for (const term of terms) {
    if (!Array.isArray(term)) throw new ShapeError('weightedSum', `a term is ${term}`, 'give [x, weight?, factor?]');
    args('weightedSum x weight?:O factor?', term);
  }
  const shape = String(terms[0][0].shape);
  const split = terms.map(([x, weight = 1, factor]) => {
    if (!isReal(x) || x.dtype !== terms[0][0].dtype || String(x.shape) !== shape)
      throw new ShapeError(
        'weightedSum',
        `a term is ${x}, the first [${shape}]`,
        'give terms of one shape, all f32 or all f16',
      );
    if (typeof weight !== 'number' && factor)
      throw new ShapeError(
        'weightedSum',
        'a term has two tensors as its weight',
        'give a number, a scalar tensor, or a number and a scalar tensor',
      );
    const scalar = typeof weight === 'number' ? factor : weight;
    if (scalar && (scalar.size !== 1 || !isReal(scalar)))
      throw new ShapeError('weightedSum', `a weight is ${scalar}`, 'give a number or a scalar tensor, f32 or f16');
    return { x, w: typeof weight === 'number' ? weight : 1, scalar };
  });
  let [{ x: sum, w, scalar }] = split;
  if (split.length === 1) return op({ a: sum, scalarA: scalar }, { u: w, v: 0 }).y;
  for (const next of split.slice(1)) {
    sum = op({ a: sum, b: next.x, scalarA: scalar, scalarB: next.scalar }, { u: w, v: next.w }).y;
    w = 1;
    scalar = undefined;
  }
  return sum;
}
