// Softmax and its logarithm along an axis.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import type { Op } from '../autograd/tape.ts';
import { lines, type Lines } from '../kernel/axes.ts';
import { checkReal, type DType, type Tensor } from '../tensor.ts';
import { mul, sub } from './binary.ts';
import { defineReal } from './cast.ts';
import { sum } from './reduce.ts';
import { exp } from './unary.ts';

interface Attrs {
  log: boolean;
  scale: number;
  l: Lines;
}

/** Few long lines have a workgroup each, others a thread. Depends on sizes alone, so that results repeat bit by bit. */
const FEW = 1024;
const LONG = 1024;

function launch(
  x: Tensor,
  entry: 'forward' | 'backward',
  bindings: Record<string, Tensor>,
  { log, scale, l: { outer, n, inner } }: Attrs,
): void {
  const rows = n === 0 ? 0 : outer * inner;
  const wide = rows < FEW && n >= LONG;
  x.device.run({
    shader: 'softmax',
    entry: wide ? `${entry}Wide` : entry,
    constants: { LOG: log, LAST: inner === 1 },
    bindings,
    params: { rows, c: n, scale, inner },
    ...(wide ? { groups: [rows, 1, 1] } : { threads: rows }),
  });
}

/** dx from y and dy: scale y (dy - sum dy y); of the logarithm scale (dy - e^y sum dy). Linear in dy. */
const gradientOp: Op<Attrs, 'y' | 'dy'> = defineReal({
  name: 'softmax gradient',
  inputs: ['y', 'dy'],
  outputs: ['dx'],
  forward({ y, dy }, attrs) {
    const dx = y.device.empty(y.shape, 'f32', 'softmax');
    launch(y, 'backward', { y_in: y, dy, dx }, attrs);
    return dx;
  },
  backward: {
    y: ({ dy: g, inputs: { y, dy }, attrs: { log, scale, l } }) =>
      composed(y.device, () => {
        const total = (t: Tensor): Tensor => sum(t, l.axis, { keepdim: true });
        if (log) return mul(mul(mul(g, exp(y)), total(dy)), -scale);
        return mul(sub(mul(g, sub(dy, total(mul(dy, y)))), mul(dy, total(mul(g, y)))), scale);
      }),
    dy: ({ dy: g, inputs: { y }, attrs }) =>
      attrs.log
        ? composed(y.device, () => mul(sub(g, sum(mul(g, exp(y)), attrs.l.axis, { keepdim: true })), attrs.scale))
        : gradientOp({ y, dy: g }, attrs).dx,
  },
});

const op: Op<Attrs, 'x'> = defineReal({
  name: 'softmax',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, attrs) {
    const y = x.device.empty(x.shape, 'f32', 'softmax');
    launch(x, 'forward', { x, y }, attrs);
    return y;
  },
  backward: { x: ({ dy, outputs: { y }, attrs }) => gradientOp({ y, dy }, attrs).dx },
  twice: true,
});

/** Settings of {@link softmax} and {@link logSoftmax}. */
export interface SoftmaxOptions {
  /** Factor of the scores, one over a temperature (default 1). */
  scale?: number;
}

function apply(name: string, x: Tensor, log: boolean, axis: number, { scale = 1 }: SoftmaxOptions): Tensor {
  checkReal(name, { x });
  return op({ x }, { log, scale, l: lines(name, x.shape, axis) }).y;
}

/**
 * exp(scale x_c) / sum exp(scale x) along an axis, without overflow. Has second derivatives.
 * @param x f32 or f16 of any shape
 * @param axis default -1; negative ones count from the end
 * @returns shape and dtype of x
 * @throws ShapeError for an axis that is not there, or when x is an integer
 * @example const attention = softmax(scores, -1, { scale: 1 / Math.sqrt(d) });
 */
export function softmax<D extends DType, R extends number>(
  x: Tensor<D, R>,
  axis = -1,
  options: SoftmaxOptions = {},
): Tensor<D, R> {
  args('softmax x axis?:n {scale:n}', arguments);
  return apply('softmax', x, false, axis, options) as Tensor<D, R>;
}

/**
 * The logarithm of {@link softmax}, without loss of precision for small probabilities. Shapes and errors as there.
 * @throws ShapeError for an axis that x does not have
 * @example const logP = logSoftmax(logits);
 */
export function logSoftmax<D extends DType, R extends number>(
  x: Tensor<D, R>,
  axis = -1,
  options: SoftmaxOptions = {},
): Tensor<D, R> {
  args('logSoftmax x axis?:n {scale:n}', arguments);
  return apply('logSoftmax', x, true, axis, options) as Tensor<D, R>;
}
