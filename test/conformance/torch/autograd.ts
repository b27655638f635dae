// Small graphs whose gradients meet, broadcast or stop: conformance set torch-ops, each named by its formula.

import * as ops from '../../support/ops.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { oneOf } from '../../support/reading.ts';
import type { Family, Tensors } from '../../support/torchCases.ts';

const { add, mul, sub } = ops;
const times2 = (x: Tensor): Tensor => mul(x, 2);

function chain(a: Tensor, b: Tensor): Tensor {
  let x = a;
  let sum: Tensor | null = null;
  for (let i = 0; i < 6; i++) {
    x = ops.tanh(ops.matmul(x, b));
    sum = sum ? add(sum, x) : x;
  }
  return sum!;
}

/** By the formula as the cases have it: another one that begins alike is another graph. */
const GRAPHS: Readonly<Record<string, (t: Tensors) => Tensor | Tensors>> = {
  'y = a*a + a*b + a            (a used several times)': ({ a, b }) => add(add(mul(a, a), mul(a, b)), a),
  'y = (a + b) * c              (b: [1,C,1,1], c: [] broadcast; gradients are summed back)': ({ a, b, c }) =>
    mul(add(a, b), c),
  'y = a * detach(b) + detach(a) * b': ({ a, b }) => add(mul(a, ops.detach(b)), mul(ops.detach(a), b)),
  'y = sum(relu(a @ b) ** 2)': ({ a, b }) => ops.sum(ops.square(ops.relu(ops.matmul(a, b)))),
  'h = a[:, 1:]; y = a[:, :-1] * h   (two overlapping views of a)': ({ a }) =>
    mul(ops.slice(a, [null, [null, -1]]), ops.slice(a, [null, [1]])),
  'y = cat([a, 2*a, b], 1)[:, ::2]': ({ a, b }) => ops.slice(ops.concat([a, times2(a), b], 1), [null, [null, null, 2]]),
  'y = softmax(a, 1) * log_softmax(a, 1) summed over 1, mean over the rest (negative entropy)': ({ a }) =>
    ops.mean(ops.sum(mul(ops.softmax(a, 1), ops.logSoftmax(a, 1)), 1)),
  'y = (a - mean(a, -1, keepdim)) / sqrt(var(a, -1, biased, keepdim) + 1e-5)': ({ a }) =>
    ops.div(
      sub(a, ops.mean(a, -1, { keepdim: true })),
      ops.sqrt(add(ops.variance(a, -1, { keepdim: true, correction: 0 }), 1e-5)),
    ),
  'y = transpose(a) reshaped to [-1] * b': ({ a, b }) => mul(ops.reshape(ops.transpose(a, 0, 1), [-1]), b),
  'y = where(a > 0, a * b, b / 2)': ({ a, b }) => ops.where(ops.gt(a, 0), mul(a, b), ops.div(b, 2)),
  'y = mean(|a - b|) + 0.1 * mean(a^2)': ({ a, b }) =>
    add(ops.mean(ops.abs(sub(a, b))), mul(ops.mean(ops.square(a)), 0.1)),
  'x0 = a; repeat 6: x = tanh(x @ b); y = sum of all x': ({ a, b }) => chain(a, b),
  'y = amax(a, 1) - logsumexp(a, 1)': ({ a }) => sub(ops.amax(a, 1), ops.logsumexp(a, 1)),
  'y = expand(a, [3,N,M]) * b': ({ a, b }) => mul(ops.expand(a, [3, ...a.shape]), b),
  'two outputs: u = a*b, v = a+u': ({ a, b }) => {
    const u = mul(a, b);
    return { u, v: add(a, u) };
  },
};

export const autograd: Family = {
  runs: {
    autograd: (t, { expr }) => oneOf('expr', expr, GRAPHS)(t),
  },
};
