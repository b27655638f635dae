// Small graphs whose gradients meet, broadcast or stop: conformance set torch-ops, where each is told by its formula.

import * as ops from '../../../runtime/ops/index.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import type { Family, Tensors } from '../../support/torchCases.ts';

const { add, mul, sub } = ops;
const times2 = (x: Tensor): Tensor => mul(x, 2);

function chain(a: Tensor, b: Tensor): Tensor {
  let x = a, sum: Tensor | null = null;
  for (let i = 0; i < 6; i++) {
    x = ops.tanh(ops.matmul(x, b));
    sum = sum ? add(sum, x) : x;
  }
  return sum!;
}

/** By the beginning of the formula. */
const GRAPHS: readonly [string, (t: Tensors) => Tensor | Tensors][] = [
  ['y = a*a + a*b + a', ({ a, b }) => add(add(mul(a, a), mul(a, b)), a)],
  ['y = (a + b) * c', ({ a, b, c }) => mul(add(a, b), c)],
  ['y = a * detach(b)', ({ a, b }) => add(mul(a, ops.detach(b)), mul(ops.detach(a), b))],
  ['y = sum(relu(a @ b)', ({ a, b }) => ops.sum(ops.square(ops.relu(ops.matmul(a, b))))],
  ['h = a[:, 1:]', ({ a }) => mul(ops.slice(a, [null, [null, -1]]), ops.slice(a, [null, [1]]))],
  ['y = cat(', ({ a, b }) => ops.slice(ops.concat([a, times2(a), b], 1), [null, [null, null, 2]])],
  ['y = softmax(a, 1)', ({ a }) => ops.mean(ops.sum(mul(ops.softmax(a, 1), ops.logSoftmax(a, 1)), 1))],
  ['y = (a - mean(a', ({ a }) => ops.div(sub(a, ops.mean(a, -1, { keepdim: true })), ops.sqrt(add(ops.variance(a, -1, { keepdim: true, correction: 0 }), 1e-5)))],
  ['y = transpose(a)', ({ a, b }) => mul(ops.reshape(ops.transpose(a, 0, 1), [-1]), b)],
  ['y = where(a > 0', ({ a, b }) => ops.where(ops.gt(a, 0), mul(a, b), ops.div(b, 2))],
  ['y = mean(|a - b|)', ({ a, b }) => add(ops.mean(ops.abs(sub(a, b))), mul(ops.mean(ops.square(a)), 0.1))],
  ['x0 = a', ({ a, b }) => chain(a, b)],
  ['y = amax(a, 1)', ({ a }) => sub(ops.amax(a, 1), ops.logsumexp(a, 1))],
  ['y = expand(a', ({ a, b }) => mul(ops.expand(a, [3, ...a.shape]), b)],
  ['two outputs', ({ a, b }) => {
    const u = mul(a, b);
    return { u, v: add(a, u) };
  }],
];

export const autograd: Family = {
  runs: {
    autograd(t, { expr }) {
      const graph = GRAPHS.find(([start]) => expr.startsWith(start));
      if (!graph) throw new Error(`no graph for ${expr}`);
      return graph[1](t);
    },
  },
};
