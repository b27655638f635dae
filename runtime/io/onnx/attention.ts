// ONNX's attention: heads, grouped queries, what is kept from earlier steps, masks of every kind.

import * as ops from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';
import { Call, plain, type Made, type Operator } from './operator.ts';

/** What stands for minus infinity: its exponential is 0 beside any score. */
const NEVER = -1e30;

/** [n, tokens, heads channels] as [n, heads, tokens, channels]. */
function heads(c: Call, x: Tensor, count: number): Tensor {
  const [n, tokens, hidden] = x.shape;
  if (!(count >= 1 && hidden % count === 0)) c.wrong(`${hidden} channels do not divide into ${count} heads`);
  return ops.permute(ops.reshape(x, [n, tokens, count, hidden / count]), [0, 2, 1, 3]);
}

/** 1 where query i may look at key j, as it is at step i + offset (for each batch, where that is a tensor). */
function causal(c: Call, queries: number, keys: number, offset: number | Tensor): Tensor {
  const count = (n: number, shape: number[]): Tensor => c.device.tensor(Int32Array.from({ length: n }, (_, i) => i), shape);
  return ops.le(count(keys, [1, 1, 1, keys]), ops.add(count(queries, [1, 1, queries, 1]), offset));
}

function attention(c: Call): Made {
  const flat = c.x().rank === 3, [q, k0, v0] = [0, 1, 2].map((i) => (flat ? heads(c, c.x(i), c.number(i === 0 ? 'q_num_heads' : 'kv_num_heads', 0)) : c.x(i)));
  if (q.rank !== 4 || k0.rank !== 4 || v0.rank !== 4) c.wrong(`[${c.x().shape}], [${c.x(1).shape}] and [${c.x(2).shape}]`);
  const pastKey = c.maybe(4), pastValue = c.maybe(5), lengths = c.maybe(6), mask = c.maybe(3), maskType = c.values[3]?.type;
  const key = pastKey ? ops.concat([pastKey, k0], 2) : k0, value = pastValue ? ops.concat([pastValue, v0], 2) : v0, [n, queries, keys] = [q.shape[0], q.shape[2], key.shape[2]];
  const share = q.shape[1] / key.shape[1], each = (x: Tensor): Tensor => (share === 1 ? x : ops.repeatInterleave(x, share, 1));
  if (!Number.isInteger(share)) c.wrong(`${q.shape[1]} heads of queries for ${key.shape[1]} of keys`);
  const raw = ops.mul(ops.matmul(q, each(key), { transposeB: true }), c.number('scale', 1 / Math.sqrt(q.shape[3])));
  const cap = c.number('softcap', 0), capped = cap > 0 ? ops.mul(ops.tanh(ops.div(raw, cap)), cap) : raw;
  // A mask may be shorter than the keys: it ends them.
  const whole = mask && ops.pad(mask, mask.shape.map((d, i) => [0, i === mask.rank - 1 && d !== 1 ? keys - d : 0] as const), maskType === 'bool' ? {} : { value: NEVER });
  const kept: Tensor[] = [];
  if (whole && maskType === 'bool') kept.push(whole);
  const perBatch = lengths && ops.reshape(lengths, [n, 1, 1, 1]);
  if (c.number('is_causal', 0)) kept.push(causal(c, queries, keys, pastKey ? pastKey.shape[2] : perBatch ? ops.sub(perBatch, queries) : 0));
  if (perBatch) kept.push(ops.lt(c.device.tensor(Int32Array.from({ length: keys }, (_, i) => i), [1, 1, 1, keys]), perBatch));
  const biased = whole && maskType !== 'bool' ? ops.add(capped, ops.maximum(whole, NEVER)) : capped;
  const scores = kept.reduce((s, keep) => ops.where(ops.ne(keep, 0), s, NEVER), biased), weights = ops.softmax(scores), y = ops.matmul(weights, each(value));
  const out = flat ? ops.reshape(ops.permute(y, [0, 2, 1, 3]), [n, queries, y.shape[1] * y.shape[3]]) : y;
  return [out, key, value, [raw, capped, scores, weights][c.number('qk_matmul_output_mode', 0)] ?? c.wrong('there is no such qk_matmul_output_mode')];
}

export const ATTENTION: Record<string, Operator> = { Attention: plain(attention) };
