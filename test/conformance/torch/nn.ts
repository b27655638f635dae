// Operations of networks against PyTorch in float64 (conformance set torch-ops). Layouts are changed by einsum:
// pictures to NHWC, weights to HWIO.

import * as ops from '../../support/ops.ts';
import type { DType, Tensor } from '../../../runtime/tensor.ts';
import { oneOf } from '../../support/reading.ts';
import { type Family, type Run } from '../../support/torchCases.ts';
import { Unsupported } from '../../support/unsupported.ts';

/** Moves the channels of [n, c, ...] last, or back. */
const last = (x: Tensor): Tensor => ops.permute(x, [0, ...Array.from({ length: x.rank - 2 }, (_, i) => i + 2), 1]);
const first = (y: Tensor): Tensor =>
  ops.permute(y, [0, y.rank - 1, ...Array.from({ length: y.rank - 2 }, (_, i) => i + 1)]);

type Params = Record<string, any>;

const pool = (p: Params): ops.MaxPool2dOptions => ({
  kernel: p.kernel_size,
  stride: p.stride ?? undefined,
  padding: p.padding,
  ceilMode: p.ceil_mode,
});

/** A number, also one that stands in a list of its own. */
const one = (v: number | [number] | undefined): number | undefined => (Array.isArray(v) ? v[0] : v);

/** Zeros before and after each axis, by PyTorch's `padding`; the words are for kernels of these sizes. */
function zerosAround(padding: unknown, kernel: readonly number[], dilation: unknown): [number, number][] {
  if (padding === 'valid') return kernel.map(() => [0, 0]);
  if (padding !== 'same')
    return kernel.map((_, a) => Array(2).fill([padding].flat()[a] ?? [padding].flat()[0]) as [number, number]);
  return kernel.map((k, a) => {
    const all = ([dilation].flat()[a] as number) * (k - 1);
    return [Math.floor(all / 2), all - Math.floor(all / 2)];
  });
}

function conv2d(x: Tensor, w: Tensor, b: Tensor | undefined, p: Params): Tensor {
  const { padding = 0, stride = 1, dilation = 1, groups = 1 } = p;
  const [left, right, top, bottom] = [padding].flat();
  const around = zerosAround(padding, w.shape.slice(2), Array.isArray(dilation) ? dilation : [dilation, dilation]);
  const sides = bottom === undefined ? around.flat() : [top, bottom, left, right];
  return first(
    ops.conv2d(last(x), ops.einsum('oihw->hwio', w), b, {
      stride,
      dilation,
      groups,
      padding: sides as [number, number, number, number],
    }),
  );
}

function conv1d(x: Tensor, w: Tensor, b: Tensor | undefined, p: Params): Tensor {
  const { padding = 0, groups = 1 } = p;
  const dilation = one(p.dilation) ?? 1;
  const [around] = zerosAround(padding, w.shape.slice(2), [dilation]);
  return first(
    ops.conv1d(last(x), ops.einsum('oiw->wio', w), b, { stride: one(p.stride), dilation, groups, padding: around }),
  );
}

/** Statistics over groups of channels and all other axes of [n, c, ...]. */
function overPictures(x: Tensor, f: (image: Tensor) => Tensor): Tensor {
  const { shape } = x;
  const image = ops.reshape(x, [shape[0], shape[1], shape.slice(2).reduce((a, b) => a * b, 1), 1]);
  return ops.reshape(first(f(last(image))), shape);
}

const MODES = {
  nearest: 'nearest',
  'nearest-exact': 'nearest-exact',
  linear: 'linear',
  bilinear: 'bilinear',
  area: 'area',
} as const;

function interpolate(x: Tensor, p: Params): Tensor {
  if (p.antialias) throw new Unsupported('antialias');
  const mode = oneOf('mode', p.mode ?? 'nearest', MODES);
  const flat = x.rank === 3;
  // A list of one is the size or factor of the one axis of [n, c, w].
  const given = <T>(v: T): T => (flat && Array.isArray(v) ? v[0] : v) ?? undefined;
  return first(
    ops.interpolate(last(x) as Tensor<DType, 4>, {
      size: given(p.size),
      scaleFactor: given(p.scale_factor),
      mode,
      alignCorners: p.align_corners ?? false,
      recomputeScaleFactor: p.recompute_scale_factor ?? false,
    }),
  );
}

/** Sizes of PyTorch's adaptive pooling: one for both axes, null for that of x. */
const adaptive = (x: Tensor, size: number | readonly (number | null)[]): [number, number] =>
  [0, 1].map((a) => (typeof size === 'number' ? size : size[a]) ?? x.shape[a + 2]) as [number, number];

const runs: Record<string, Run> = {
  conv2d: ({ x, w, b }, p) => conv2d(x, w, b, p),
  conv1d: ({ x, w, b }, p) => conv1d(x, w, b, p),
  conv_transpose2d: ({ x, w, b }, { stride, padding, dilation, groups, output_padding: outputPadding }) =>
    first(
      ops.convTranspose2d(last(x), ops.einsum('iohw->hwoi', w), b, {
        stride,
        padding,
        dilation,
        groups,
        outputPadding,
      }),
    ),
  matmul: ({ a, b }, p) => ops.matmul(a, b, { transposeA: p.transpose_a, transposeB: p.transpose_b }),
  linear: ({ x, w, b }) => ops.linear(x, ops.einsum('oi->io', w), b),
  async batch_norm({ x, w, b, running_mean: mean, running_var: variance }, p, device) {
    const { size } = mean;
    const flat = x.rank === 2 ? 'nc' : x.rank === 3 ? 'ncw' : 'nchw';
    const back = flat.replace('c', '') + 'c';
    const o = { mode: p.training ? 'train' : 'eval', momentum: p.momentum, eps: p.eps } as const;
    const y = ops.batchNorm(
      ops.einsum(`${flat}->${back}`, x),
      w ?? ops.full(device, [size], 1),
      b ?? ops.zeros(device, [size]),
      { mean, variance },
      o,
    );
    return { y: ops.einsum(`${back}->${flat}`, y), new_running_mean: mean, new_running_var: variance };
  },
  max_pool2d: ({ x }, p) => first(ops.maxPool2d(last(x), { ...pool(p), dilation: p.dilation })),
  avg_pool2d: ({ x }, p) =>
    first(
      ops.avgPool2d(last(x), {
        ...pool(p),
        countIncludePad: p.count_include_pad,
        divisor: p.divisor_override ?? undefined,
      }),
    ),
  adaptive_avg_pool2d: ({ x }, p) => first(ops.adaptiveAvgPool2d(last(x), adaptive(x, p.output_size))),
  adaptive_max_pool2d: ({ x }, p) => first(ops.adaptiveMaxPool2d(last(x), adaptive(x, p.output_size))),
  interpolate: ({ x }, p) => interpolate(x, p),
  grid_sample({ x, grid }, p) {
    const mode = oneOf('mode', p.mode ?? 'bilinear', { bilinear: 'bilinear', nearest: 'nearest' } as const);
    const padding = oneOf('padding_mode', p.padding_mode ?? 'zeros', {
      zeros: 'zeros',
      border: 'border',
      reflection: 'reflection',
    } as const);
    return first(ops.gridSample(last(x), grid, { mode, padding, alignCorners: p.align_corners ?? false }));
  },
  affine_grid: ({ theta }, p) => ops.affineGrid(theta, p.size.slice(2), { alignCorners: p.align_corners }),
  layer_norm: ({ x, w, b }, p) => ops.layerNorm(x, p.normalized_shape, w, b, { eps: p.eps }),
  group_norm: ({ x, w, b }, p) => overPictures(x, (v) => ops.groupNorm(v, p.num_groups, w, b, { eps: p.eps })),
  instance_norm: ({ x, w, b }, p) => overPictures(x, (v) => ops.instanceNorm(v, w, b, { eps: p.eps })),
  scaled_dot_product_attention: ({ q, k, v }, p) => ops.scaledDotProductAttention(q, k, v, { causal: p.causal }),
};

export const nn: Family = { runs };
