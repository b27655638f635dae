// Operations that are nothing but copies from and into strided places (layout.ts): permute, expand, flip, roll, repeat,
// pixel shuffle.

import { args } from '../../args.ts';
import { composed } from '../../autograd/compose.ts';
import { ShapeError } from '../../errors.ts';
import { axesOf, axisOf, stridesOf } from '../../kernel/axes.ts';
import { checkWhole } from '../../kernel/geometry.ts';
import { type DType, type Ranked, type Shape, sizeOf, type Tensor } from '../../tensor.ts';
import { sum } from '../reduce.ts';
import { reshape } from '../reshape.ts';
import { copied, taken, type Axis, type Layout } from './layout.ts';

/**
 * The axes of x in another order.
 * @param x f32, f16, i32 or u32 of any rank
 * @param axes for each axis of the result the axis of x; negative ones count from the end
 * @returns dtype of x. Where only axes of size 1 move the memory is shared, as with `reshape`
 * @throws ShapeError when `axes` does not name each axis once, or when more than eight axes lie apart in memory
 * @example const nhwc = permute(nchw, [0, 2, 3, 1]);
 */
export function permute<D extends DType, R extends number>(x: Tensor<D, R>, axes: readonly number[]): Tensor<D, R> {
  args('permute x axes:S', arguments);
  if (axes.length !== x.rank) throw new ShapeError('permute', `[${axes}] does not name each axis of [${x.shape}] once`);
  const order = axesOf('permute', axes, x.rank);
  const shape = order.map((a) => x.shape[a]);
  const moved = order.filter((a) => x.shape[a] !== 1);
  if (x.size === 0 || moved.every((a, i) => i === 0 || a > moved[i - 1])) return reshape(x, shape) as Tensor<D, R>;
  const strides = stridesOf(x.shape);
  return taken('permute', x, shape, { axes: order.map((a) => ({ size: x.shape[a], stride: strides[a] })) }) as Tensor<
    D,
    R
  >;
}

/**
 * Two axes of x exchanged. See {@link permute}.
 * @throws ShapeError when there are no such axes
 * @example const t = transpose(m, -1, -2);
 */
export function transpose<D extends DType, R extends number>(x: Tensor<D, R>, a: number, b: number): Tensor<D, R> {
  args('transpose x a:n b:n', arguments);
  const order = x.shape.map((_, i) => i);
  const i = axisOf('transpose', a, x.rank);
  const j = axisOf('transpose', b, x.rank);
  [order[i], order[j]] = [j, i];
  return permute(x, order) as Tensor<D, R>;
}

/**
 * Repeats axes of size 1, and adds axes in front.
 * @param x f32, f16, i32 or u32 of any rank
 * @param shape of at least as many axes; -1 keeps the size of an axis of x
 * @returns that shape, dtype of x; the gradient is summed over what was repeated
 * @throws ShapeError when an axis of x is neither 1 nor as long as wanted
 * @example const rows = expand(bias, [8, 64, 64, 3]);   // bias [3]
 */
export function expand<D extends DType, const S extends Shape>(x: Tensor<D>, shape: S): Tensor<D, S['length']> {
  args('expand x shape:S', arguments);
  const front = shape.length - x.rank;
  const sizes = shape.map((s, i) => (s === -1 && i >= front ? x.shape[i - front] : s));
  if (front < 0 || x.shape.some((d, i) => d !== 1 && d !== sizes[i + front]))
    throw new ShapeError('expand', `[${x.shape}] cannot become [${shape}]`, 'only axes of size 1 are repeated');
  checkWhole('expand', 'the shape', sizes, 0);
  const strides = stridesOf(x.shape);
  return spread(
    'expand',
    x,
    sizes,
    sizes.map((size, i) => ({ size, stride: i < front || x.shape[i - front] === 1 ? 0 : strides[i - front] })),
  ) as Tensor<D, S['length']>;
}

/** A copy that reads elements again along the axes of stride 0; its gradient is the sum over these. */
function spread(op: string, x: Tensor, shape: Shape, axes: readonly Axis[]): Tensor {
  const { shape: from } = x;
  const summed = axes.flatMap((a, i) => (a.stride === 0 ? [i] : []));
  return copied(op, x, shape, { axes }, (dy) =>
    composed(dy.device, () =>
      reshape(
        summed.length
          ? sum(
              reshape(
                dy,
                axes.map((a) => a.size),
              ),
              summed,
            )
          : dy,
        from,
      ),
    ),
  );
}

/**
 * Reverses the order along axes.
 * @param x f32, f16, i32 or u32 of any rank
 * @param axes negative ones count from the end
 * @throws ShapeError when an axis is missing or named twice
 * @example const mirrored = flip(images, [2]);   // left and right, NHWC
 */
export function flip<D extends DType, R extends number>(x: Tensor<D, R>, axes: readonly number[]): Tensor<D, R> {
  args('flip x axes:S', arguments);
  const flipped = axesOf('flip', axes, x.rank);
  const strides = stridesOf(x.shape);
  const offset = flipped.reduce((sum, a) => sum + (x.shape[a] - 1) * strides[a], 0);
  return taken('flip', x, x.shape, {
    offset,
    axes: x.shape.map((size, a) => ({ size, stride: flipped.includes(a) ? -strides[a] : strides[a] })),
  }) as Tensor<D, R>;
}

/**
 * Shifts elements along axes; what leaves at one end enters at the other.
 * @param x f32, f16, i32 or u32 of any rank
 * @param shifts towards higher indices, for each of `axes`
 * @param axes negative ones count from the end; without them x is shifted as one row of all its elements
 * @throws ShapeError when shifts and axes do not fit
 * @example const next = roll(x, [1], [0]);
 */
export function roll<D extends DType, R extends number>(
  x: Tensor<D, R>,
  shifts: readonly number[],
  axes?: readonly number[],
): Tensor<D, R> {
  args('roll x shifts:S axes?:S', arguments);
  const sizes = axes ? x.shape : [x.size];
  const rolled = axes ? axesOf('roll', axes, x.rank) : [0];
  const strides = stridesOf(sizes);
  if (shifts.length !== rolled.length || !shifts.every(Number.isInteger))
    throw new ShapeError(
      'roll',
      `shifts ${shifts.join(', ')} for axes ${rolled.join(', ')}`,
      'give a whole number for each axis',
    );
  const start = (size: number, a: number): number => {
    const by = rolled.includes(a) ? shifts[rolled.indexOf(a)] % size : 0;
    return by > 0 ? size - by : -by;
  };
  const layout: Layout = {
    rule: 'circular',
    axes: sizes.map((size, a) =>
      size > 0 && start(size, a)
        ? { size, stride: strides[a], start: start(size, a), limit: size }
        : { size, stride: strides[a] },
    ),
  };
  return copied('roll', x, x.shape, layout, (dy) =>
    roll(
      dy,
      shifts.map((s) => -s),
      axes,
    ),
  ) as Tensor<D, R>;
}

/**
 * Puts copies of x one after another along each axis.
 * @param x f32, f16, i32 or u32 of any rank
 * @param repeats for each axis; more numbers than axes add axes in front
 * @returns each size times its repeats
 * @throws ShapeError when there are fewer repeats than axes, or negative ones
 * @example const tiled = repeat(tile, [1, 4, 4, 1]);
 */
export function repeat(x: Tensor, repeats: readonly number[]): Tensor {
  args('repeat x repeats:S', arguments);
  checkWhole('repeat', 'repeats', repeats, 0);
  if (repeats.length < x.rank)
    throw new ShapeError('repeat', `${repeats.length} repeats for [${x.shape}]`, 'give one for each axis');
  const sizes = [...Array<number>(repeats.length - x.rank).fill(1), ...x.shape];
  const strides = stridesOf(sizes);
  // Each repeated axis becomes two. Three of them at a time, so that no more than seven lie apart in memory.
  const rest = repeats.flatMap((r, a) => (r === 1 ? [] : [a]))[3];
  if (rest !== undefined)
    return composed(x.device, () =>
      repeat(
        repeat(
          x,
          repeats.map((r, a) => (a < rest ? r : 1)),
        ),
        repeats.map((r, a) => (a < rest ? 1 : r)),
      ),
    );
  return spread(
    'repeat',
    x,
    sizes.map((s, a) => s * repeats[a]),
    sizes.flatMap((size, a) => [
      { size: repeats[a], stride: 0 },
      { size, stride: strides[a] },
    ]),
  );
}

/**
 * Repeats each element in place along an axis.
 * @param x f32, f16, i32 or u32 of any rank
 * @param repeats how often
 * @param axis negative ones count from the end; without it x is taken as one row of all its elements
 * @throws ShapeError when there is no such axis, or repeats is negative or not a whole number
 * @example repeatInterleave(x, 2, 0);   // [a, b] becomes [a, a, b, b]
 */
export function repeatInterleave(x: Tensor, repeats: number, axis?: number): Tensor {
  args('repeatInterleave x repeats:n axis?:n', arguments);
  checkWhole('repeatInterleave', 'repeats', [repeats], 0);
  const a = axis === undefined ? 0 : axisOf('repeatInterleave', axis, x.rank);
  const [outer, n, inner] =
    axis === undefined ? [1, x.size, 1] : [sizeOf(x.shape.slice(0, a)), x.shape[a], sizeOf(x.shape.slice(a + 1))];
  const shape = axis === undefined ? [n * repeats] : x.shape.map((s, i) => (i === a ? s * repeats : s));
  return spread('repeatInterleave', x, shape, [
    { size: outer * n, stride: inner },
    { size: repeats, stride: 0 },
    { size: inner, stride: 1 },
  ]);
}

/**
 * Moves channels into space: r x r channels of a pixel become r x r pixels (sub-pixel convolution, Shi et al. 2016).
 * Channel c r² + i r + j goes to row i, column j, as in PyTorch.
 * @param x f32, f16, i32 or u32 [n, h, w, c r²]
 * @returns [n, h r, w r, c]
 * @throws ShapeError for other shapes
 * @example const large = pixelShuffle(conv2d(x, w, b, { padding: 1 }), 2);
 */
export function pixelShuffle<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  r: number,
): Tensor<D, 4> {
  args('pixelShuffle x r:n', arguments);
  checkWhole('pixelShuffle', 'the factor', [r], 1);
  const [n, h, w, channels] = x.shape as Shape;
  const c = channels / (r * r);
  if (x.rank !== 4 || channels % (r * r) !== 0)
    throw new ShapeError('pixelShuffle', `x is [${x.shape}], not [n, h, w, a multiple of ${r * r}]`);
  const along = { b: h * w * channels, y: w * channels, x: channels };
  return taken('pixelShuffle', x, [n, h * r, w * r, c], {
    axes: [
      { size: n, stride: along.b },
      { size: h, stride: along.y },
      { size: r, stride: r },
      { size: w, stride: along.x },
      { size: r, stride: 1 },
      { size: c, stride: r * r },
    ],
  }) as Tensor<D, 4>;
}

/**
 * Moves space into channels: the inverse of {@link pixelShuffle}.
 * @param x f32, f16, i32 or u32 [n, h r, w r, c]
 * @returns [n, h, w, c r²]
 * @throws ShapeError for other shapes
 * @example const small = pixelUnshuffle(images, 4);   // [8, 64, 64, 3] becomes [8, 16, 16, 48]
 */
export function pixelUnshuffle<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  r: number,
): Tensor<D, 4> {
  args('pixelUnshuffle x r:n', arguments);
  checkWhole('pixelUnshuffle', 'the factor', [r], 1);
  const [n, height, width, c] = x.shape as Shape;
  const h = height / r;
  const w = width / r;
  if (x.rank !== 4 || height % r !== 0 || width % r !== 0)
    throw new ShapeError('pixelUnshuffle', `x is [${x.shape}], not [n, h, w, c] with h and w multiples of ${r}`);
  const along = { b: height * width * c, y: width * c, x: c };
  return taken('pixelUnshuffle', x, [n, h, w, c * r * r], {
    axes: [
      { size: n, stride: along.b },
      { size: h, stride: r * along.y },
      { size: w, stride: r * along.x },
      { size: c, stride: 1 },
      { size: r, stride: along.y },
      { size: r, stride: along.x },
    ],
  }) as Tensor<D, 4>;
}
