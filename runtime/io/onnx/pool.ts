// ONNX's pooling, over any number of axes: the engine's where it fits, else axis by axis, tap by tap.

import * as ops from '../../ops/index.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';
import type { Call } from './operator.ts';
import { added, plain, reads, toReal, whole, type Made, type Operator, type Value } from './operator.ts';
import { unpool } from './unpool.ts';
import { countOf, first, last, spanOf, tapsOf, windowOf, type Window } from './windows.ts';

interface Pool {
  w: Window;
  size: readonly number[];
  counts: readonly number[];
  ceil: boolean;
}

function poolOf(c: Call): Pool {
  const size = c.x().shape.slice(2);
  if (size.length < 1) c.wrong(`[${c.x().shape}] has no axes to pool over`);
  const kernel = c.ints('kernel_shape', []);
  const w = windowOf(c, size, kernel);
  const ceil = c.number('ceil_mode', 0) !== 0;
  const counts = size.map((d, i) => countOf(w, d, i, ceil));
  if (counts.some((n) => n < 1)) c.wrong(`a window of ${kernel} does not fit into [${c.x().shape}]`);
  return { w, size, counts, ceil };
}

/** Runs the engine's pooling of images; undefined where it has none for the windows. */
function ofImages(
  x: Tensor,
  { w, size, ceil }: Pool,
  f: (x: Tensor, o: ops.MaxPool2dOptions) => Tensor,
): Tensor | undefined {
  if (size.length > 2 || w.kernel.some((_, i) => 2 * Math.max(w.before[i], w.after[i]) > spanOf(w, i)))
    return undefined;
  const two = (v: readonly number[], row: number): [number, number] => (v.length === 1 ? [row, v[0]] : [v[0], v[1]]);
  const [top, left] = two(w.before, 0);
  const [bottom, right] = two(w.after, 0);
  const y = first(
    f(last(size.length === 1 ? ops.unsqueeze(x, 2) : x), {
      kernel: two(w.kernel, 1),
      stride: two(w.stride, 1),
      dilation: two(w.dilation, 1),
      padding: [top, bottom, left, right],
      ceilMode: ceil,
    }),
  );
  return size.length === 1 ? ops.squeeze(y, 2) : y;
}

/** The sum over windows, [n, c, ...]. */
const summed = (x: Tensor, { w, counts }: Pool): Tensor =>
  counts.reduce((y, n, i) => added(tapsOf(y, 2 + i, w, i, n, 0)), x);

function average(c: Call): Tensor {
  const p = poolOf(c);
  const padded = c.number('count_include_pad', 0) !== 0;
  const { w } = p;
  const direct = ofImages(c.x(), p, (x, o) => ops.avgPool2d(x, { ...o, countIncludePad: padded }));
  if (direct) return direct;
  // How many taps count is a product over the axes.
  return p.size.reduce(
    (y, size, i) => {
      const [low, high] = padded ? [-w.before[i], size + w.after[i]] : [0, size];
      const taps = (o: number): number =>
        Array.from({ length: w.kernel[i] }, (_, t) => o * w.stride[i] - w.before[i] + t * w.dilation[i]).filter(
          (at) => at >= low && at < high,
        ).length;
      const shares = Float32Array.from({ length: p.counts[i] }, (_, o) => 1 / taps(o));
      return ops.mul(y, c.device.tensor(shares, [shares.length, ...Array<number>(p.size.length - 1 - i).fill(1)]));
    },
    summed(c.x(), p),
  );
}

/**
 * Maxima and their places in the flattened image, the first of equal ones: along one axis after another, the last
 * first.
 */
function maxima(x: Tensor, { w, size, counts }: Pool): { y: Tensor; places: Tensor } {
  const flat = sizeOf(size);
  const [n, ch] = x.shape;
  const real = x.dtype === 'f32';
  let y = x;
  let places = ops.expand(
    x.device.tensor(
      Int32Array.from({ length: flat }, (_, i) => i),
      [1, 1, ...size],
    ),
    [n, ch, ...size],
  );
  for (let i = size.length - 1; i >= 0; i--) {
    const values = tapsOf(y, 2 + i, w, i, counts[i], real ? -3.4028234663852886e38 : -(2 ** 31));
    const at = tapsOf(places, 2 + i, w, i, counts[i], -1);
    [y, places] = [values[0], at[0]];
    // Padding, whose place is -1, gives way to anything.
    for (let t = 1; t < values.length; t++) {
      const wins = ops.logicalOr(ops.gt(values[t], y), ops.logicalAnd(ops.lt(places, 0), ops.ge(at[t], 0)));
      [y, places] = [ops.where(wins, values[t], y), ops.where(wins, at[t], places)];
    }
  }
  return { y, places };
}

function max(c: Call): Made {
  const p = poolOf(c);
  const x = c.x();
  const typed = (tensor: Tensor): Value => ({ type: c.value(0).type, tensor });
  if (c.node.outputs.length === 1) {
    // f32 holds every u8; wider integers it does not.
    const direct = x.dtype === 'f32' || c.value(0).type === 'u8' ? ofImages(toReal(x), p, ops.maxPool2d) : undefined;
    if (direct) return typed(x.dtype === 'f32' ? direct : ops.cast(direct, 'i32'));
  }
  const { y, places } = maxima(x, p);
  if (c.node.outputs.length === 1) return typed(y);
  const [n, ch] = x.shape;
  const flat = sizeOf(p.size);
  const planes = c.device.tensor(
    Int32Array.from({ length: n * ch }, (_, i) => i * flat),
    [n, ch, ...p.size.map(() => 1)],
  );
  return [typed(y), whole(ops.add(c.number('storage_order', 0) ? byColumns(places, p.size) : places, planes))];
}

/** Places of an image that lies in memory with its first axis as the fastest. */
function byColumns(places: Tensor, size: readonly number[]): Tensor {
  return added(
    size.map((d, i) =>
      ops.mul(ops.remainder(ops.floorDivide(places, sizeOf(size.slice(i + 1))), d), sizeOf(size.slice(0, i))),
    ),
  );
}

/** (sum |x|^p)^(1/p) over windows. */
function lp(c: Call): Tensor {
  const p = c.number('p', 2);
  return ops.pow(summed(ops.pow(ops.abs(c.x()), p), poolOf(c)), 1 / p);
}

/** Divides by what the neighbouring channels hold. */
function localResponse(c: Call): Tensor {
  const x = c.x();
  const size = c.number('size', 1);
  const before = Math.floor((size - 1) / 2);
  if (!(Number.isInteger(size) && size >= 1 && size <= 2 ** 16)) c.wrong(`the size is ${size}`);
  const w: Window = { kernel: [size], stride: [1], dilation: [1], before: [before], after: [size - 1 - before] };
  const squares = added(tapsOf(ops.square(x), 1, w, 0, x.shape[1], 0));
  return ops.div(
    x,
    ops.pow(ops.add(ops.mul(squares, c.number('alpha', 1e-4) / size), c.number('bias', 1)), c.number('beta', 0.75)),
  );
}

const spatial = (x: Tensor): number[] => x.shape.slice(2).map((_, i) => i + 2);

export const POOL: Record<string, Operator> = {
  AveragePool: plain(average),
  GlobalAveragePool: plain((c) => ops.mean(c.x(), spatial(c.x()), { keepdim: true })),
  GlobalLpPool: plain((c) => ops.norm(c.x(), c.number('p', 2), spatial(c.x()), { keepdim: true })),
  GlobalMaxPool: plain((c) => ops.amax(c.x(), spatial(c.x()), { keepdim: true })),
  LRN: plain(localResponse),
  LpPool: plain(lp),
  MaxPool: plain(max),
  MaxUnpool: reads([2], unpool),
};
