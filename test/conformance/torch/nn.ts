// Operations of networks against PyTorch in float64 (conformance set torch-ops). Layouts are changed by einsum: pictures to NHWC, weights to HWIO.

import * as ops from '../../../runtime/ops/index.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { type Family, type Run } from '../../support/torchCases.ts';

const last = (x: Tensor): Tensor => ops.einsum('nchw->nhwc', x);
const first = (y: Tensor): Tensor => ops.einsum('nhwc->nchw', y);

const pool = (p: Record<string, any>): ops.MaxPool2dOptions => ({ kernel: p.kernel_size, stride: p.stride, padding: p.padding, dilation: p.dilation, ceilMode: p.ceil_mode });

const runs: Record<string, Run> = {
  conv2d({ x, w, b }, p) {
    const [left, right, top, bottom] = [p.padding].flat();
    const padding = bottom === undefined ? p.padding : [top, bottom, left, right];
    return first(ops.conv2d(last(x), ops.einsum('oihw->hwio', w), b, { ...p, padding }));
  },
  conv1d: ({ x, w, b }, p) => ops.einsum('nwc->ncw', ops.conv1d(ops.einsum('ncw->nwc', x), ops.einsum('oiw->wio', w), b, p)),
  conv_transpose2d: ({ x, w, b }, { output_padding: outputPadding, ...p }) => first(ops.convTranspose2d(last(x), ops.einsum('iohw->hwoi', w), b, { ...p, outputPadding })),
  matmul: ({ a, b }, p) => ops.matmul(a, b, { transposeA: p.transpose_a, transposeB: p.transpose_b }),
  linear: ({ x, w, b }) => ops.linear(x, ops.einsum('oi->io', w), b),
  async batch_norm({ x, w, b, running_mean: mean, running_var: variance }, p, device) {
    const { size } = mean, flat = x.rank === 2 ? 'nc' : x.rank === 3 ? 'ncw' : 'nchw', back = flat.replace('c', '') + 'c';
    const o = { mode: p.training ? 'train' : 'eval', momentum: p.momentum, eps: p.eps } as const;
    const y = ops.batchNorm(ops.einsum(`${flat}->${back}`, x), w ?? ops.full(device, [size], 1), b ?? ops.zeros(device, [size]), { mean, variance }, o);
    return { y: ops.einsum(`${back}->${flat}`, y), new_running_mean: mean, new_running_var: variance };
  },
  max_pool2d: ({ x }, p) => first(ops.maxPool2d(last(x), pool(p))),
  avg_pool2d: ({ x }, p) => first(ops.avgPool2d(last(x), { ...pool(p), countIncludePad: p.count_include_pad })),
  adaptive_avg_pool2d: ({ x }, p) => first(ops.adaptiveAvgPool2d(last(x), p.output_size)),
  adaptive_max_pool2d: ({ x }, p) => first(ops.adaptiveMaxPool2d(last(x), p.output_size)),
  interpolate: ({ x }, p) => first(ops.interpolate(last(x), { size: p.size, scaleFactor: p.scale_factor, mode: p.mode, alignCorners: p.align_corners, recomputeScaleFactor: p.recompute_scale_factor })),
  grid_sample: ({ x, grid }, p) => first(ops.gridSample(last(x), grid, { mode: p.mode, padding: p.padding_mode, alignCorners: p.align_corners })),
  affine_grid: ({ theta }, p) => ops.affineGrid(theta, p.size.slice(2), { alignCorners: p.align_corners }),
  layer_norm: ({ x, w, b }, p) => ops.layerNorm(x, p.normalized_shape, w, b, { eps: p.eps }),
  group_norm: ({ x, w, b }, p) => first(ops.groupNorm(last(x), p.num_groups, w, b, { eps: p.eps })),
  instance_norm: ({ x, w, b }, p) => first(ops.instanceNorm(last(x), w, b, { eps: p.eps })),
  scaled_dot_product_attention: ({ q, k, v }, p) => ops.scaledDotProductAttention(q, k, v, { causal: p.causal }),
};

export const nn: Family = { runs };
