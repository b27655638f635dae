// ONNX's attention: heads, grouped queries, what is kept from earlier steps, masks of every kind.

import * as ops from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';
import type { Call } from './operator.ts';
import { plain, type Made, type Operator } from './operator.ts';

/** What stands for minus infinity: its exponential is 0 beside any score. */
const NEVER = -1e30;

/** [n, tokens, heads channels] as [n, heads, tokens, channels]. */
function heads(c: Call, x: Tensor, count: number): Tensor {
  const [n, tokens, hidden] = x.shape;
  if (!(count >= 1 && hidden % count === 0)) c.wrong(`${hidden} channels do not divide into ${count} heads`);
  return ops.permute(ops.reshape(x, [n, tokens, count, hidden / count]), [0, 2, 1, 3]);
}

/** Where query i and key j are: the query at i + offset among all keys (for each batch, where that is a tensor). */
interface Places {
  query: Tensor;
  key: Tensor;
}

function placesOf(c: Call, queries: number, keys: number, offset: number | Tensor): Places {
  const count = (n: number, shape: number[]): Tensor =>
    c.device.tensor(
      Int32Array.from({ length: n }, (_, i) => i),
      shape,
    );
  return { query: ops.add(count(queries, [1, 1, queries, 1]), offset), key: count(keys, [1, 1, 1, keys]) };
}

/** The size of a window on one side, which opset 25 brought; undefined where that side is open. */
function sideOf(c: Call, name: string): number | undefined {
  const size = c.number(name, -1);
  if (!Number.isInteger(size) || size < -1 || size > 2 ** 30) c.wrong(`${name} is ${size}`);
  return size < 0 ? undefined : size;
}

/** Masks of which keys a query sees because of where they are: 1 where it does. */
function reaching(c: Call, { query, key }: Places): Tensor[] {
  const left = sideOf(c, 'left_window_size');
  const right = sideOf(c, 'right_window_size');
  return [
    ...(c.number('is_causal', 0) ? [ops.le(key, query)] : []),
    ...(left === undefined ? [] : [ops.ge(key, ops.sub(query, left))]),
    ...(right === undefined ? [] : [ops.le(key, ops.add(query, right))]),
  ];
}

/** softmax, with zeros in rows where nothing is left to look at. */
function attended(scores: Tensor): Tensor {
  const some = ops.gt(ops.amax(scores, [scores.rank - 1], { keepdim: true }), NEVER / 2);
  return ops.where(some, ops.softmax(scores), 0);
}

/** Queries, keys and values, [n, heads, tokens, channels], with those of earlier steps in front. */
function operands(c: Call): { q: Tensor; key: Tensor; value: Tensor; before: number } {
  const flat = c.x().rank === 3;
  const count = (i: number): number => c.number(i === 0 ? 'q_num_heads' : 'kv_num_heads', 0);
  const [q, k, v] = [0, 1, 2].map((i) => (flat ? heads(c, c.x(i), count(i)) : c.x(i)));
  const pastKey = c.maybe(4);
  const pastValue = c.maybe(5);
  if ([q, k, v].some((t) => t.rank !== 4)) c.wrong(`[${c.x().shape}], [${c.x(1).shape}] and [${c.x(2).shape}]`);
  if (!pastKey !== !pastValue) c.wrong('there is one of past_key and past_value, without the other');
  if (pastKey && c.maybe(6)) c.wrong('nonpad_kv_seqlen does not go together with past_key');
  return {
    q,
    key: pastKey ? ops.concat([pastKey, k], 2) : k,
    value: pastValue ? ops.concat([pastValue, v], 2) : v,
    before: pastKey ? pastKey.shape[2] : 0,
  };
}

function attention(c: Call): Made {
  const { q, key, value, before } = operands(c);
  const lengths = c.maybe(6);
  const mask = c.maybe(3);
  const maskType = c.values[3]?.type;
  const [n, queries, keys] = [q.shape[0], q.shape[2], key.shape[2]];
  const share = q.shape[1] / key.shape[1];
  const each = (x: Tensor): Tensor => (share === 1 ? x : ops.repeatInterleave(x, share, 1));
  if (!Number.isInteger(share)) c.wrong(`${q.shape[1]} heads of queries for ${key.shape[1]} of keys`);
  const scale = c.number('scale', 1 / Math.sqrt(q.shape[3]));
  const raw = ops.mul(ops.matmul(q, each(key), { transposeB: true }), scale);
  const cap = c.number('softcap', 0);
  const capped = cap > 0 ? ops.mul(ops.tanh(ops.div(raw, cap)), cap) : raw;
  // A mask may be shorter than the keys: it ends them.
  const missing = (d: number, i: number, m: Tensor): number => (i === m.rank - 1 && d !== 1 ? keys - d : 0);
  const filler = maskType === 'bool' ? {} : { value: NEVER };
  const whole =
    mask &&
    ops.pad(
      mask,
      mask.shape.map((d, i) => [0, missing(d, i, mask)] as const),
      filler,
    );
  const perBatch = lengths && ops.reshape(lengths, [n, 1, 1, 1]);
  const places = placesOf(c, queries, keys, perBatch ? ops.sub(perBatch, queries) : before);
  const kept = [
    ...(whole && maskType === 'bool' ? [whole] : []),
    ...reaching(c, places),
    ...(perBatch ? [ops.lt(places.key, perBatch)] : []),
  ];
  const biased = whole && maskType !== 'bool' ? ops.add(capped, ops.maximum(whole, NEVER)) : capped;
  const scores = kept.reduce((s, keep) => ops.where(ops.ne(keep, 0), s, NEVER), biased);
  const weights = attended(scores);
  const y = ops.matmul(weights, each(value));
  const out = c.x().rank === 3 ? ops.reshape(ops.permute(y, [0, 2, 1, 3]), [n, queries, y.shape[1] * y.shape[3]]) : y;
  const fourth = [raw, capped, scores, weights][c.number('qk_matmul_output_mode', 0)];
  return [out, key, value, fourth ?? c.wrong('there is no such qk_matmul_output_mode')];
}

export const ATTENTION: Record<string, Operator> = { Attention: plain(attention) };
