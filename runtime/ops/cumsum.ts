// Running sums along an axis.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { lines, type Lines } from '../kernel/axes.ts';
import type { DType, Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';

interface Attrs {
  l: Lines;
  exclusive: boolean;
  reverse: boolean;
}

/** Longest line that one thread sums, and the length of the chunks of longer ones. */
const SHORT = 256;
const CHUNK = 64;

function scan(x: Tensor, n: number, { l, exclusive, reverse }: Attrs): Tensor {
  const { device } = x;
  const chunk = n <= SHORT ? Math.max(1, n) : CHUNK;
  const chunks = Math.ceil(n / chunk);
  const count = l.outer * l.inner;
  const y = device.empty(x.shape, x.dtype, 'cumsum');
  const params = { lines: count, n, inner: l.inner, chunk, chunks };
  let starts: Tensor | null = null;
  if (chunks > 1) {
    const totals = device.empty([l.outer, chunks, l.inner], x.dtype, 'cumsum');
    device.run({
      shader: 'cumsum',
      entry: 'totals',
      constants: { Element: x.dtype },
      bindings: { x, y: totals },
      params,
      threads: count * chunks,
    });
    starts = scan(totals, chunks, { l, exclusive: true, reverse });
    totals.dispose();
  }
  const constants = { Element: x.dtype, EXCLUSIVE: exclusive, REVERSE: reverse, STARTS: !!starts };
  device.run({
    shader: 'cumsum',
    entry: 'forward',
    constants,
    bindings: { x, starts: starts ?? x, y },
    params,
    threads: count * chunks,
  });
  starts?.dispose();
  return y;
}

const op: Op<Attrs, 'x'> = defineReal({
  name: 'cumsum',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }, attrs) => scan(x, attrs.l.n, attrs),
  backward: { x: ({ dy, attrs }) => op({ x: dy }, { ...attrs, reverse: !attrs.reverse }).y },
  twice: true,
});

/**
 * Running sums along an axis, in a fixed order: y_j = x_0 + … + x_j. Has second derivatives.
 * @param x f32, f16, i32 or u32 of any shape; integers wrap around
 * @param axis default -1
 * @param options.exclusive without x_j itself: the first is 0 (default false)
 * @param options.reverse from the end: y_j = x_j + … + x_(n-1) (default false)
 * @returns shape and dtype of x
 * @throws ShapeError for an axis that is not there
 * @example const ends = cumsum(lengths, 0), starts = cumsum(lengths, 0, { exclusive: true });
 */
export function cumsum<D extends DType, R extends number>(
  x: Tensor<D, R>,
  axis = -1,
  options: { exclusive?: boolean; reverse?: boolean } = {},
): Tensor<D, R> {
  args('cumsum x axis?:n {exclusive:b reverse:b}', arguments);
  return op(
    { x },
    { l: lines('cumsum', x.shape, axis), exclusive: options.exclusive ?? false, reverse: options.reverse ?? false },
  ).y as Tensor<D, R>;
}
