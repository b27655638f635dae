// ONNX's grids and sampling, over two and three spatial axes.

import * as ops from '../../ops/index.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';
import type { Call } from './operator.ts';
import { added, plain, reads, type Operator } from './operator.ts';
import { first, last } from './windows.ts';

/** Points that the host lists at most. */
const MOST_POINTS = 2 ** 24;

/** A grid from matrices theta [n, axes, axes + 1], the coordinate of the last axis first. */
function affineGrid(c: Call): Tensor {
  const theta = c.x();
  const size = c.elements(1).slice(2);
  const n = c.elements(1)[0];
  const axes = size.length;
  const align = c.number('align_corners', 0) !== 0;
  const points = sizeOf(size);
  if (
    theta.rank !== 3 ||
    theta.shape[0] !== n ||
    theta.shape[1] !== axes ||
    theta.shape[2] !== axes + 1 ||
    !size.every((d) => Number.isInteger(d) && d > 0) ||
    points > MOST_POINTS
  )
    c.wrong(`theta is [${theta.shape}] for a size of ${c.elements(1).join(', ')}`);
  const base = new Float32Array(points * (axes + 1)).fill(1);
  for (let i = 0; i < points; i++) {
    let rest = i;
    for (let a = axes - 1; a >= 0; a--) {
      const at = rest % size[a];
      rest = Math.floor(rest / size[a]);
      base[i * (axes + 1) + axes - 1 - a] = align
        ? size[a] > 1
          ? (2 * at) / (size[a] - 1) - 1
          : 0
        : (2 * at + 1) / size[a] - 1;
    }
  }
  return ops.reshape(ops.matmul(c.device.tensor(base, [points, axes + 1]), theta, { transposeB: true }), [
    n,
    ...size,
    axes,
  ]);
}

type Padding = 'zeros' | 'border' | 'reflection';

/** A pixel along an axis for each point, its share, and (for zeros beyond the picture) whether it is there. */
interface Tap {
  index: Tensor;
  weight?: Tensor;
}

/** v mirrored at the ends of a range, as often as it takes. */
function mirrored(v: Tensor, low: number, high: number): Tensor {
  const span = high - low;
  if (span === 0) return ops.mul(v, 0);
  const r = ops.remainder(ops.sub(v, low), 2 * span);
  return ops.add(ops.minimum(r, ops.sub(2 * span, r)), low);
}

/** Keys' cubic convolution with a = -0.75 at the distances 1 + f, f, 1 - f, 2 - f. */
function cubicWeights(f: Tensor): Tensor[] {
  const a = -0.75;
  const far = (t: Tensor): Tensor =>
    ops.sub(ops.mul(ops.add(ops.mul(ops.sub(ops.mul(t, a), 5 * a), t), 8 * a), t), 4 * a);
  const near = (t: Tensor): Tensor => ops.add(ops.mul(ops.square(t), ops.sub(ops.mul(t, a + 2), a + 3)), 1);
  return [far(ops.add(f, 1)), near(f), near(ops.sub(1, f)), far(ops.sub(2, f))];
}

/** The pixels along one axis of `size` that points at `g` (from -1 to 1) see. */
function tapsAlong(g: Tensor, size: number, mode: string, padding: Padding, align: boolean): Tap[] {
  const [low, high] = align ? [0, size - 1] : [-0.5, size - 0.5];
  let at = ops.add(ops.mul(ops.add(g, 1), (high - low) / 2), low);
  if (mode === 'nearest') at = ops.round(at);
  const inside = ops.logicalAnd(ops.ge(at, low), ops.le(at, high));
  if (padding === 'border') at = ops.clamp(at, { min: 0, max: size - 1 });
  if (padding === 'reflection') at = ops.where(inside, at, mirrored(at, low, high));
  const start = ops.floor(at);
  const f = ops.sub(at, start);
  const [offsets, weights] =
    mode === 'nearest'
      ? [[0], [undefined]]
      : mode === 'linear'
        ? [
            [0, 1],
            [ops.sub(1, f), f],
          ]
        : [[-1, 0, 1, 2], cubicWeights(f)];
  const whole = ops.cast(mode === 'nearest' ? ops.round(at) : start, 'i32');
  return offsets.map((o, k) => {
    const i = ops.add(whole, o);
    const kept = ops.clamp(i, { min: 0, max: size - 1 });
    if (padding === 'reflection')
      return { index: align ? mirrored(i, 0, size - 1) : folded(i, size), weight: weights[k] };
    // Beyond the picture there are zeros: such a tap weighs nothing.
    const there = ops.cast(ops.eq(i, kept), 'f32');
    return { index: kept, weight: padding === 'border' ? weights[k] : weights[k] ? ops.mul(weights[k], there) : there };
  });
}

/** Whole numbers mirrored at the outer edges of the pixels. */
function folded(i: Tensor, size: number): Tensor {
  const r = ops.remainder(i, 2 * size);
  return ops.minimum(r, ops.sub(2 * size - 1, r));
}

function gridSample(c: Call): Tensor {
  const x = c.x();
  const grid = c.x(1);
  const [n, ch, ...size] = x.shape;
  const axes = size.length;
  const out = grid.shape.slice(1, -1);
  const points = sizeOf(out);
  const mode =
    ({ bilinear: 'linear', bicubic: 'cubic' } as Record<string, string>)[c.text('mode', 'linear')] ??
    c.text('mode', 'linear');
  const padding = c.text('padding_mode', 'zeros') as Padding;
  const alignCorners = c.number('align_corners', 0) !== 0;
  if (axes < 1 || grid.rank !== x.rank || grid.shape[grid.rank - 1] !== axes || grid.shape[0] !== n)
    c.wrong(`x is [${x.shape}], the grid [${grid.shape}]`);
  if (!['linear', 'nearest', 'cubic'].includes(mode) || !['zeros', 'border', 'reflection'].includes(padding))
    c.unsupported(`mode ${mode} with padding ${padding}`);
  if (axes === 2 && mode !== 'cubic' && size.every((d) => d > 0))
    return first(
      ops.gridSample(last(x), grid, { mode: mode === 'linear' ? 'bilinear' : 'nearest', padding, alignCorners }),
    );
  const flat = ops.reshape(grid, [n, points, axes]);
  const pixels = ops.reshape(x, [n, ch, sizeOf(size)]);
  const along = size.map((d, a) =>
    tapsAlong(
      ops.reshape(ops.slice(flat, [null, null, [axes - 1 - a, axes - a]]), [n, points]),
      d,
      mode,
      padding,
      alignCorners,
    ),
  );
  // Every combination of one tap along each axis.
  const combined = along.reduce<Tap[]>(
    (made, taps, a) =>
      a === 0
        ? taps
        : made.flatMap((m) =>
            taps.map((t) => ({
              index: ops.add(ops.mul(m.index, size[a]), t.index),
              weight: m.weight && t.weight ? ops.mul(m.weight, t.weight) : (m.weight ?? t.weight),
            })),
          ),
    [],
  );
  const y = added(
    combined.map(({ index, weight }) => {
      const v = ops.gather(pixels, 2, ops.expand(ops.unsqueeze(index, 1), [n, ch, points]));
      return weight ? ops.mul(v, ops.unsqueeze(weight, 1)) : v;
    }),
  );
  return ops.reshape(y, [n, ch, ...out]);
}

export const SAMPLE: Record<string, Operator> = { AffineGrid: reads([1], affineGrid), GridSample: plain(gridSample) };
