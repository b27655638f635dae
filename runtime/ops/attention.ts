// Scaled dot-product attention.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import type { BackwardContext, Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { ATTENTION_MASK } from '../kernel/generated.ts';
import { broadcastShape, fourAxes } from '../kernel/broadcast.ts';
import { checkReal, type Shape, type Tensor } from '../tensor.ts';
import { defineReal, inF32 } from './cast.ts';
import { dropout } from './dropout.ts';
import { matmul } from './matmul.ts';
import { sumTo } from './sumTo.ts';

/** Settings of {@link scaledDotProductAttention}. */
export interface ScaledDotProductAttentionOptions {
  /**
   * Broadcasts to [..., i, j]. i32 or u32: where it is 0 query i does not see key j. f32 or f16: added to the scaled
   * scores.
   */
  mask?: Tensor;
  /** Query i sees keys 0 to i alone (default false). */
  causal?: boolean;
  /** Of the scores (default 1 / sqrt(d)). */
  scale?: number;
  /** Drops attention weights with probability p; see {@link dropout}. */
  dropout?: { seed: Tensor; p: number };
}

interface Attrs {
  scale: number;
  causal: boolean;
}

function params(s: Shape, mask: Tensor | undefined, scale: number): Record<string, number | number[]> {
  const lead = s.slice(0, -1);
  const keys = s[s.length - 1];
  const shape = mask?.shape ?? [];
  const own = shape[shape.length - 1] ?? 1;
  const { size, strides } = fourAxes('attention', lead, [shape.slice(0, -1)]);
  return {
    rows: lead.reduce((a, b) => a * b, 1),
    queries: Math.max(1, s[s.length - 2]),
    keys,
    scale,
    size,
    stride: strides[0].map((d) => d * own),
    column: own === 1 ? 0 : 1,
  };
}

/** The gradient of what the softmax is taken of, times a factor. */
function gradient({ dy, outputs: { y } }: BackwardContext<Attrs>, scale: number): Tensor {
  const ds = y.device.empty(y.shape, 'f32', 'attention');
  const p = params(y.shape, undefined, scale);
  y.device.run({
    shader: 'attention',
    entry: 'backward',
    bindings: { y_in: y, dy, ds },
    params: p,
    threads: p.rows as number,
  });
  return ds;
}

const weightsOp: Op<Attrs, 's' | 'mask'> = defineReal({
  name: 'attention',
  inputs: ['s', 'mask'],
  outputs: ['y'],
  forward({ s, mask }, { scale, causal }) {
    const y = s.device.empty(s.shape, 'f32', 'attention');
    const p = params(s.shape, mask, scale);
    s.device.run({
      shader: 'attention',
      entry: 'forward',
      constants: { MASK: ATTENTION_MASK[!mask ? 'none' : mask.dtype === 'f32' ? 'bias' : 'keep'], CAUSAL: causal },
      bindings: { s, mask: mask ?? s, y },
      params: p,
      threads: p.rows as number,
    });
    return y;
  },
  backward: {
    s: (ctx) => gradient(ctx, ctx.attrs.scale),
    mask: (ctx) => composed(ctx.dy.device, () => sumTo(gradient(ctx, 1), ctx.inputs.mask.shape)),
  },
});

/**
 * softmax(scale q k' + mask) v. A query that sees no key gives zeros.
 * @param q f32 or f16 [..., i, d]
 * @param k f32 or f16 [..., j, d]
 * @param v f32 or f16 [..., j, e]; axes in front broadcast
 * @returns dtype of q, [..., i, e]
 * @throws ShapeError when the shapes do not fit, or dtypes differ or are integers
 * Source: Vaswani et al. 2017; conventions of torch.nn.functional.scaled_dot_product_attention.
 * @example const y = scaledDotProductAttention(q, k, v, { causal: true }); // [n, heads, tokens, d] each
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: ScaledDotProductAttentionOptions = {},
): Tensor {
  args('scaledDotProductAttention q k v {mask causal:b scale:n dropout:o}', arguments);
  const { mask, causal = false } = options;
  const name = 'scaledDotProductAttention';
  if (options.dropout) args(`${name}.dropout {seed! p!:n}`, [options.dropout]);
  checkReal(name, { q, k, v });
  if (q.rank < 2 || k.rank < 2 || v.rank < 2)
    throw new ShapeError(name, `q is [${q.shape}], k [${k.shape}], v [${v.shape}]`, 'give [..., tokens, channels]');
  const [i, d] = q.shape.slice(-2);
  const [j, d2] = k.shape.slice(-2);
  if (d !== d2 || d < 1 || v.shape[v.rank - 2] !== j)
    throw new ShapeError(
      name,
      `q is [${q.shape}], k [${k.shape}], v [${v.shape}]`,
      'q and k must have the same channels, k and v the same tokens',
    );
  const batch = broadcastShape(name, q.shape.slice(0, -2), k.shape.slice(0, -2));
  const shape = [...batch, i, j];
  broadcastShape(name, batch, v.shape.slice(0, -2));
  if (mask && String(broadcastShape(name, shape, mask.shape)) !== String(shape))
    throw new ShapeError(name, `the mask [${mask.shape}] does not broadcast to the scores [${shape}]`);
  if (mask) params(shape, mask, 1);
  return inF32(name, [q, k, v], (q, k, v) =>
    composed(q.device, () => {
      const s = matmul(q, k, { transposeB: true });
      const { y: w } = weightsOp({ s, mask }, { scale: options.scale ?? 1 / Math.sqrt(d), causal });
      return matmul(options.dropout ? dropout(w, options.dropout.seed, options.dropout.p) : w, v);
    }),
  );
}
