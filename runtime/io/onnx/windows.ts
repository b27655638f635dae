// Windows over any number of spatial axes: what ONNX says of kernels, steps and padding, and walks along one axis.

import * as ops from '../../ops/index.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';
import type { Call } from './operator.ts';

/** Numbers for each spatial axis. */
export interface Window {
  kernel: readonly number[];
  stride: readonly number[];
  dilation: readonly number[];
  before: readonly number[];
  after: readonly number[];
}

/** Elements of a window at most: a damaged model must not keep the device busy for ever. */
const MOST_TAPS = 2 ** 16;

/** A number for each spatial axis, from `least` on. */
export function perAxis(c: Call, name: string, axes: number, otherwise: number, least = 1): readonly number[] {
  const v = c.ints(name, Array<number>(axes).fill(otherwise));
  return v.length === axes && v.every((n) => Number.isInteger(n) && n >= least && n < 2 ** 31)
    ? v
    : c.wrong(`${name} is ${v.join(', ')} for ${axes} axes`);
}

/** What a window spans along axis i. */
export const spanOf = ({ kernel, dilation }: Pick<Window, 'kernel' | 'dilation'>, i: number): number =>
  dilation[i] * (kernel[i] - 1) + 1;

/** Both parts of a padding, the odd one at the end for SAME_UPPER, else in front. */
export const halves = (total: number, upper: boolean): [number, number] =>
  upper
    ? [Math.floor(total / 2), total - Math.floor(total / 2)]
    : [total - Math.floor(total / 2), Math.floor(total / 2)];

/** How padding is found where it is not given. @throws UnsupportedError for another way than ONNX has */
export function autoPad(c: Call): string {
  const auto = c.text('auto_pad', 'NOTSET');
  const known = ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'].includes(auto);
  return known ? auto : c.unsupported(`there is no auto_pad ${auto}`);
}

/** Kernel, steps and padding over axes of a size. */
export function windowOf(c: Call, size: readonly number[], kernel: readonly number[]): Window {
  const n = size.length;
  const stride = perAxis(c, 'strides', n, 1);
  const dilation = perAxis(c, 'dilations', n, 1);
  const auto = autoPad(c);
  const pads = perAxis(c, 'pads', 2 * n, 0, 0);
  if (kernel.length !== n || !kernel.every((k) => Number.isInteger(k) && k >= 1))
    c.wrong(`a kernel of ${kernel} over ${n} axes`);
  if (sizeOf(kernel) > MOST_TAPS) c.unsupported(`a window of ${kernel.join(' x ')}`);
  if (auto === 'NOTSET') return { kernel, stride, dilation, before: pads.slice(0, n), after: pads.slice(n) };
  const none = size.map(() => 0);
  if (auto === 'VALID') return { kernel, stride, dilation, before: none, after: none };
  const sides = size.map((d, i) =>
    halves(
      Math.max(0, (Math.ceil(d / stride[i]) - 1) * stride[i] + spanOf({ kernel, dilation }, i) - d),
      auto === 'SAME_UPPER',
    ),
  );
  return { kernel, stride, dilation, before: sides.map((s) => s[0]), after: sides.map((s) => s[1]) };
}

/** How many windows fit along axis i: none starts behind the image. */
export function countOf(w: Window, size: number, i: number, ceil: boolean): number {
  const steps = (size + w.before[i] + w.after[i] - spanOf(w, i)) / w.stride[i];
  const n = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
  return ceil && (n - 1) * w.stride[i] >= size + w.before[i] ? n - 1 : n;
}

/**
 * The n elements that tap t of the windows along axis i of the image sees, for each tap; `axis` of x is that axis,
 * `fill` lies beyond.
 */
export function tapsOf(x: Tensor, axis: number, w: Window, i: number, n: number, fill: number): Tensor[] {
  const ends = (n - 1) * w.stride[i] + spanOf(w, i) - x.shape[axis] - w.before[i];
  const padded = ops.pad(
    x,
    x.shape.map((_, a) => (a === axis ? ([w.before[i], ends] as const) : ([0, 0] as const))),
    { value: fill },
  );
  return Array.from({ length: w.kernel[i] }, (_, t) => {
    const from = t * w.dilation[i];
    return ops.slice(
      padded,
      x.shape.map((_, a) => (a === axis ? ([from, from + (n - 1) * w.stride[i] + 1, w.stride[i]] as const) : null)),
    );
  });
}

/** The other way round: elements along an axis put `stride` apart from `offset` on among `size` zeros. */
export function spaced(x: Tensor, axis: number, stride: number, offset: number, size: number): Tensor {
  const d = x.shape[axis];
  const wide = ops.pad(
    ops.unsqueeze(x, axis + 1),
    [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)].map((_, a) =>
      a === axis + 1 ? ([0, stride - 1] as const) : ([0, 0] as const),
    ),
  );
  const row = ops.reshape(
    wide,
    x.shape.map((s, a) => (a === axis ? d * stride : s)),
  );
  return ops.pad(
    row,
    x.shape.map((_, a) => (a === axis ? ([offset, size - offset - d * stride] as const) : ([0, 0] as const))),
  );
}

/** Axes cut at both ends, or lengthened by zeros where the number is negative. */
export function cropped(x: Tensor, first: number, before: readonly number[], after: readonly number[]): Tensor {
  return ops.pad(
    x,
    x.shape.map((_, a) =>
      a >= first && a < first + before.length
        ? ([0 - before[a - first], 0 - after[a - first]] as const)
        : ([0, 0] as const),
    ),
  );
}

/** From [n, c, ...] to [n, ..., c]. */
export const last = (x: Tensor): Tensor => ops.permute(x, [0, ...x.shape.slice(2).map((_, i) => i + 2), 1]);

/** And back. */
export const first = (y: Tensor): Tensor => ops.permute(y, [0, y.rank - 1, ...y.shape.slice(2).map((_, i) => i + 1)]);
