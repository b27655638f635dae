// Reductions, softmax, losses and their kin against PyTorch in float64 (conformance set torch-ops, in its own layout).

import * as ops from '../../support/ops.ts';
import { type Family, type Run } from '../../support/torchCases.ts';

const keep = (p: { keepdim?: boolean }): { keepdim: boolean } => ({ keepdim: p.keepdim ?? false });

const runs: Record<string, Run> = {
  sum: ({ x }, p) => ops.sum(x, p.dim, keep(p)),
  mean: ({ x }, p) => ops.mean(x, p.dim, keep(p)),
  prod: ({ x }, p) => ops.prod(x, p.dim, keep(p)),
  amax: ({ x }, p) => ops.amax(x, p.dim, keep(p)),
  amin: ({ x }, p) => ops.amin(x, p.dim, keep(p)),
  any: ({ x }, p) => ops.any(x, p.dim, keep(p)),
  all: ({ x }, p) => ops.all(x, p.dim, keep(p)),
  var: ({ x }, p) => ops.variance(x, p.dim, { ...keep(p), correction: p.unbiased ? 1 : 0 }),
  std: ({ x }, p) => ops.std(x, p.dim, { ...keep(p), correction: p.unbiased ? 1 : 0 }),
  norm: ({ x }, p) => ops.norm(x, p.p === 'fro' ? 2 : p.p, p.dim, keep(p)),
  softmax: ({ x }, p) => ops.softmax(x, p.dim),
  log_softmax: ({ x }, p) => ops.logSoftmax(x, p.dim),
  logsumexp: ({ x }, p) => ops.logsumexp(x, p.dim, keep(p)),
  normalize: ({ x }, p) => ops.normalize(x, { p: p.p, axes: p.dim ?? 1, eps: p.eps }),
  cosine_similarity: ({ a, b }, p) => ops.cosineSimilarity(a, b, { axes: p.dim ?? 1, eps: p.eps }),
  argmax: ({ x }, p) => ops.argmax(x, p.dim, keep(p)),
  argmin: ({ x }, p) => ops.argmin(x, p.dim, keep(p)),
  max_dim: ({ x }, p) => ({ ...ops.maxDim(x, p.dim, keep(p)) }),
  topk: ({ x }, p) => ({ ...ops.topk(x, p.k, p.dim, { largest: p.largest }) }),
  cumsum: ({ x }, p) => ops.cumsum(x, p.dim),
  bincount: ({ x }, p) => ops.bincount(x, p.minlength),
};

export const reduce: Family = { runs };
