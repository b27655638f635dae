// ONNX's operators that reduce axes, and those along one axis.

import * as ops from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';
import type { Call } from './operator.ts';
import { plain, reads, toReal, whole, type Made, type Operator } from './operator.ts';

type Reducer = (x: Tensor, axes: readonly number[], options: ops.ReduceOptions) => Tensor;

const reducing = (f: Reducer, prepare: (x: Tensor) => Tensor = (x) => x.view(x.shape)): Operator =>
  reads([1], (c) => {
    const x = c.x();
    const listed = c.list('axes', 1) ?? [];
    if (listed.length === 0 && c.number('noop_with_empty_axes', 0)) return prepare(x);
    const axes = listed.length ? listed : x.shape.map((_, i) => i);
    const y = f(x, axes, { keepdim: c.number('keepdims', 1) !== 0 });
    // Means and norms of integers are made of real numbers and lose their fraction.
    return { type: c.value(0).type, tensor: y.dtype === x.dtype ? y : ops.cast(y, x.dtype) };
  });

/** The extreme, or the identity where there are no elements. */
const extreme =
  (f: Reducer, none: number): Reducer =>
  (x, axes, o) => {
    if (x.size > 0) return f(x, axes, o);
    const { shape } = ops.sum(x, axes, o);
    return ops.full(x.device, shape, x.dtype === 'f32' ? none : none < 0 ? -(2 ** 31) : 2 ** 31 - 1, x.dtype);
  };

function winner(c: Call, f: (x: Tensor, axis: number, o: ops.ReduceOptions) => Tensor): Made {
  const x = c.x();
  const axis = c.number('axis', 0);
  const options = { keepdim: c.number('keepdims', 1) !== 0 };
  if (!c.number('select_last_index', 0)) return whole(f(x, axis, options));
  return whole(ops.sub(x.shape.at(axis)! - 1, f(ops.flip(x, [axis]), axis, options)));
}

/** Softmax along an axis; before opset 13 over all axes from it on. */
const soft = (f: (x: Tensor, axis: number) => Tensor): Operator =>
  plain((c) => {
    const x = c.x();
    if (c.opset >= 13) return f(x, c.number('axis', -1));
    return ops.reshape(f(ops.flatten(x, c.axis(c.number('axis', 1), x.rank)), -1), x.shape);
  });

/** 1 at the first of the largest elements along an axis, else 0; before opset 13 over all axes from it on. */
function hardmax(c: Call): Tensor {
  const x = c.x();
  const old = c.opset < 13;
  const a = c.axis(c.number('axis', old ? 1 : -1), x.rank);
  const flat = old ? ops.flatten(x, a) : x;
  const along = old ? -1 : a;
  const n = flat.shape.at(along)!;
  const shape = flat.shape.map((_, i) => (i === (old ? flat.rank - 1 : a) ? n : 1));
  const places = ops.reshape(
    c.device.tensor(
      Int32Array.from({ length: n }, (_, i) => i),
      [n],
    ),
    shape,
  );
  return ops.reshape(ops.cast(ops.eq(places, ops.argmax(flat, along, { keepdim: true })), x.dtype), x.shape);
}

function topk(c: Call): Made {
  // Before opset 10 k is an attribute.
  const k = c.opset < 10 && c.has('k') ? c.number('k', 1) : c.elements(1)[0];
  const { values, indices } = ops.topk(c.x(), k, c.number('axis', -1), { largest: c.number('largest', 1) !== 0 });
  return [values, whole(indices)];
}

function lpNorm(c: Call): Tensor {
  const x = c.x();
  const n = ops.norm(x, c.number('p', 2), c.number('axis', -1), { keepdim: true });
  return ops.div(x, ops.where(ops.eq(n, 0), 1, n));
}

export const REDUCE: Record<string, Operator> = {
  ArgMax: plain((c) => winner(c, ops.argmax)),
  ArgMin: plain((c) => winner(c, ops.argmin)),
  CumSum: reads([1], (c) =>
    ops.cumsum(c.x(), c.elements(1)[0], {
      exclusive: c.number('exclusive', 0) !== 0,
      reverse: c.number('reverse', 0) !== 0,
    }),
  ),
  Hardmax: plain(hardmax),
  LogSoftmax: soft(ops.logSoftmax),
  LpNormalization: plain(lpNorm),
  ReduceL1: reducing((x, a, o) => ops.sum(ops.abs(x), a, o), ops.abs),
  ReduceL2: reducing((x, a, o) => ops.norm(toReal(x), 2, a, o), ops.abs),
  ReduceLogSum: reducing((x, a, o) => ops.log(toReal(ops.sum(x, a, o))), ops.log),
  ReduceLogSumExp: reducing((x, a, o) => ops.logsumexp(toReal(x), a, o)),
  ReduceMax: reducing(extreme(ops.amax, -Infinity)),
  ReduceMean: reducing((x, a, o) => ops.mean(toReal(x), a, o)),
  ReduceMin: reducing(extreme(ops.amin, Infinity)),
  ReduceProd: reducing(ops.prod),
  ReduceSum: reducing(ops.sum),
  ReduceSumSquare: reducing((x, a, o) => ops.sum(ops.square(x), a, o), ops.square),
  Softmax: soft(ops.softmax),
  TopK: reads([1], topk),
};
