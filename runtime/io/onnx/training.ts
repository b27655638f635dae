// ONNX's optimisers (domain ai.onnx.preview.training): R, T, then for each of several parameters X, its gradient G, and
// what the rule remembers.

import * as ops from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';
import type { Call } from './operator.ts';
import { reads, type Made, type Operator } from './operator.ts';

/** What becomes of a parameter and of what is remembered of it. */
type Rule = (
  c: Call,
  given: { rate: number; step: number; x: Tensor; g: Tensor; memory: readonly Tensor[] },
) => readonly Tensor[];

/** Applies a rule to every parameter: inputs and outputs come kind by kind. */
const optimiser = (memories: number, rule: Rule): Operator =>
  reads([0, 1], (c): Made => {
    const [rate] = c.elements(0);
    const [step] = c.elements(1);
    const count = (c.values.length - 2) / (2 + memories);
    const at = (kind: number, k: number): Tensor => c.x(2 + kind * count + k);
    if (!(Number.isInteger(count) && count >= 1)) c.wrong(`${c.values.length} inputs`);
    const made = Array.from({ length: count }, (_, k) => {
      const x = at(0, k);
      const g = ops.add(ops.mul(x, c.number('norm_coefficient', 0)), at(1, k));
      return rule(c, { rate, step, x, g, memory: Array.from({ length: memories }, (_, m) => at(2 + m, k)) });
    });
    return Array.from({ length: 1 + memories }, (_, kind) => made.map((m) => m[kind])).flat();
  });

const mixed = (old: Tensor, share: number, now: Tensor): Tensor =>
  ops.add(ops.mul(old, share), ops.mul(now, 1 - share));

const adagrad: Rule = (c, { rate, step, x, g, memory: [h] }) => {
  const now = ops.add(h, ops.square(g));
  const r = rate / (1 + step * c.number('decay_factor', 0));
  return [ops.sub(x, ops.div(ops.mul(g, r), ops.add(ops.sqrt(now), c.number('epsilon', 1e-6)))), now];
};

const adam: Rule = (c, { rate, step, x, g, memory: [v, h] }) => {
  const alpha = c.number('alpha', 0.9);
  const beta = c.number('beta', 0.999);
  const r = step > 0 ? (rate * Math.sqrt(1 - beta ** step)) / (1 - alpha ** step) : rate;
  const v2 = mixed(v, alpha, g);
  const h2 = mixed(h, beta, ops.square(g));
  const moved = ops.sub(x, ops.div(ops.mul(v2, r), ops.add(ops.sqrt(h2), c.number('epsilon', 1e-6))));
  return [ops.mul(moved, 1 - c.number('norm_coefficient_post', 0)), v2, h2];
};

const momentum: Rule = (c, { rate, step, x, g, memory: [v] }) => {
  const alpha = c.number('alpha', 0);
  const mode = c.text('mode', 'standard');
  if (mode !== 'standard' && mode !== 'nesterov') c.unsupported(`mode ${mode}`);
  const now = ops.add(ops.mul(v, alpha), ops.mul(g, step > 0 ? c.number('beta', 0) : 1));
  const way = mode === 'nesterov' ? ops.add(g, ops.mul(now, alpha)) : now;
  return [ops.sub(x, ops.mul(way, rate)), now];
};

export const TRAINING: Record<string, Operator> = {
  'ai.onnx.preview.training.Adagrad': optimiser(1, adagrad),
  'ai.onnx.preview.training.Adam': optimiser(2, adam),
  'ai.onnx.preview.training.Momentum': optimiser(1, momentum),
};
