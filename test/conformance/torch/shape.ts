// Shapes and indices against PyTorch (conformance set torch-ops, tensors as stored).

import * as ops from '../../support/ops.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { oneOf } from '../../support/reading.ts';
import { type Family, type Run, type Tensors } from '../../support/torchCases.ts';

const byName = (t: Tensors): Tensor[] =>
  Object.keys(t)
    .sort()
    .map((k) => t[k]);
const nhwc = (x: Tensor): Tensor => ops.permute(x, [0, 2, 3, 1]);

const runs: Record<string, Run> = {
  gather: ({ x, index }, p) => ops.gather(x, p.dim, index),
  scatter: ({ x, index, src }, p) => ops.scatter(x, p.dim, index, src),
  scatter_add: ({ x, index, src }, p) => ops.scatterAdd(x, p.dim, index, src),
  index_select: ({ x, index }, p) => ops.indexSelect(x, p.dim, index),
  index_add: ({ x, index, src }, p) => ops.indexAdd(x, p.dim, index, src),
  embedding: ({ w, index }) => ops.embedding(index, w),
  // -1: as many as the largest label asks for.
  one_hot: async ({ x }, p) => ops.oneHot(x, p.num_classes === -1 ? Math.max(...(await x.read())) + 1 : p.num_classes),
  index: ({ x, i0, i1 }) => ops.index(x, i1 ? [i0, i1] : [i0]),
  cat: (t, p) => ops.concat(byName(t), p.dim),
  stack: (t, p) => ops.stack(byName(t), p.dim),
  split: ({ x }, p) => Object.fromEntries(ops.split(x, p.sizes, p.dim).map((y, i) => [`y${i}`, y])),
  // PyTorch names the last axis first.
  pad: ({ x }, p) =>
    ops.pad(
      x,
      x.shape.map((_, a) => [p.pad[2 * (x.rank - 1 - a)] ?? 0, p.pad[2 * (x.rank - 1 - a) + 1] ?? 0] as const),
      {
        mode: oneOf('mode', p.mode, {
          constant: 'constant',
          reflect: 'reflect',
          replicate: 'replicate',
          circular: 'circular',
        } as const),
        value: p.value,
      },
    ),
  slice: ({ x }, p) => ops.slice(x, p.slices),
  permute: ({ x }, p) => ops.permute(x, p.dims),
  reshape: ({ x }, p) => ops.reshape(x, p.shape),
  expand: ({ x }, p) => ops.expand(x, p.shape),
  flip: ({ x }, p) => ops.flip(x, [p.dims].flat()),
  roll: ({ x }, p) => ops.roll(x, [p.shifts].flat(), p.dims === undefined ? undefined : [p.dims].flat()),
  repeat: ({ x }, p) => ops.repeat(x, p.repeats),
  repeat_interleave: ({ x }, p) => ops.repeatInterleave(x, p.repeats, p.dim),
  tril: ({ x }, p) => ops.tril(x, p.diagonal),
  triu: ({ x }, p) => ops.triu(x, p.diagonal),
  pixel_shuffle: ({ x }, p) => ops.permute(ops.pixelShuffle(nhwc(x), p.upscale_factor), [0, 3, 1, 2]),
  unfold({ x }, p) {
    const { kernel_size: kernel, stride, padding, dilation } = p;
    const [n, c] = x.shape;
    const y = ops.unfold(nhwc(x), kernel, { stride, padding, dilation });
    const [, oh, ow, columns] = y.shape;
    return ops.reshape(ops.permute(ops.reshape(y, [n, oh * ow, columns / c, c]), [0, 3, 2, 1]), [n, columns, oh * ow]);
  },
};

export const shape: Family = { runs };
