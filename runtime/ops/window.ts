// Boxes of tensors: slice, padding, concatenation, splitting. Each one's gradient is another.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import type { Op } from '../autograd/tape.ts';
import { checkNumber, wordOf } from '../device/elements.ts';
import { ShapeError } from '../errors.ts';
import { axisOf, stridesOf } from '../kernel/axes.ts';
import { STRIDED_RULE } from '../kernel/generated.ts';
import { checkWhole } from '../kernel/geometry.ts';
import { stored } from '../kernel/vectors.ts';
import { type DType, type Shape, sizeOf, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { zeros } from './fill.ts';
import { boxed, copied, put, taken, type Rule } from './strided/layout.ts';

/**
 * [start, stop, step] along an axis, as Python has it: negative numbers count from the end, what is absent or null goes
 * as far as it can; a negative step goes backwards.
 */
export type Range = readonly [start?: number | null, stop?: number | null, step?: number | null];

const RANGES = 'give [start, stop, step] or null for each axis, or the first indices and the sizes of a box';

/** First index, count and step of a range along an axis of n. */
function resolved(range: Range, n: number): { first: number; count: number; by: number } {
  if (!Array.isArray(range)) throw new ShapeError('slice', `a range is ${String(range)}`, RANGES);
  const [start, stop, step] = range as Range;
  const by = step ?? 1;
  if (![start ?? 0, stop ?? 0, by].every(Number.isInteger) || by === 0)
    throw new ShapeError(
      'slice',
      `[${start}, ${stop}, ${step}] is not a range`,
      'give whole numbers, and a step other than 0',
    );
  const [low, high] = by > 0 ? [0, n] : [-1, n - 1];
  const end = (v: number | null | undefined, otherwise: number): number =>
    v === undefined || v === null ? otherwise : Math.min(high, Math.max(low, v < 0 ? v + n : v));
  const first = end(start, by > 0 ? low : high);
  const last = end(stop, by > 0 ? high : low);
  return { first, count: Math.max(0, Math.ceil((last - first) / by)), by };
}

/**
 * A part of x, by ranges or by the place and size of a box.
 * @param x f32, f16, i32 or u32 of any rank
 * @param ranges [start, stop, step] for the first axes, or null for a whole axis; the axes that are not named stay
 *   whole
 * @returns dtype of x
 * @throws ShapeError for more ranges than axes, fractions, or a step of 0
 * @example slice(x, [[1, 3], null, [null, null, -1]]);   // x[1:3, :, ::-1]
 */
export function slice(x: Tensor, ranges: readonly (Range | null)[]): Tensor;
/**
 * A box of x.
 * @param x f32, f16, i32 or u32 of any rank
 * @param start first index along each axis
 * @param size length along each axis
 * @returns shape `size`, dtype of x
 * @throws ShapeError when the box does not lie inside x
 * @example slice(x, [0, 8, 8, 0], [n, 32, 32, 3]);
 */
export function slice(x: Tensor, start: Shape, size: Shape): Tensor;
export function slice(x: Tensor, from: readonly (Range | null)[] | Shape, size?: Shape): Tensor {
  args('slice x start:a size?:S', arguments);
  if (size) {
    const start = from as Shape;
    if (
      start.length !== x.rank ||
      size.length !== x.rank ||
      start.some(
        (s, i) =>
          !(Number.isInteger(s) && Number.isInteger(size[i]) && s >= 0 && size[i] >= 0 && s + size[i] <= x.shape[i]),
      )
    ) {
      throw new ShapeError('slice', `[${size}] from [${start}] does not lie inside [${x.shape}]`);
    }
    return taken('slice', x, size, boxed(x.shape, start, size));
  }
  const ranges = from as readonly (Range | null)[];
  if (ranges.length > x.rank) throw new ShapeError('slice', `${ranges.length} ranges for [${x.shape}]`);
  const strides = stridesOf(x.shape);
  const parts = x.shape.map((n, a) => resolved(ranges[a] ?? [], n));
  return taken(
    'slice',
    x,
    parts.map((p) => p.count),
    {
      offset: parts.reduce((sum, p, a) => sum + p.first * strides[a], 0),
      axes: parts.map((p, a) => ({ size: p.count, stride: p.by * strides[a] })),
    },
  );
}

/** Settings of {@link pad}. */
export interface PadOptions {
  /**
   * What is beyond the ends: a constant (default), the elements mirrored at the outermost one, that one, or the other
   * end.
   */
  mode?: Rule;
  /** The constant, of x's dtype (default 0). */
  value?: number;
}

/**
 * Pads any axes.
 * @param x f32, f16, i32 or u32 of any rank
 * @param padding [before, after] for each axis; negative ones cut off
 * @returns x's sizes plus both paddings, dtype of x
 * @throws ShapeError when there is not one pair of whole numbers for each axis, more is cut off than there is, a
 *   reflection reaches beyond the axis
 * (padding >= size), or another mode but the constant has nothing to repeat
 * @example const wide = pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], { mode: 'reflect' });
 */
export function pad<D extends DType, R extends number>(
  x: Tensor<D, R>,
  padding: readonly (readonly [number, number])[],
  options: PadOptions = {},
): Tensor<D, R> {
  args('pad x padding:a {mode:constant|reflect|replicate|circular value:N}', arguments);
  const { mode = 'constant', value = 0 } = options;
  if (
    padding.length !== x.rank ||
    !padding.every((p) => Array.isArray(p) && p.length === 2 && p.every(Number.isInteger))
  )
    throw new ShapeError(
      'pad',
      `padding is ${JSON.stringify(padding)} for [${x.shape}]`,
      'give [before, after] in whole numbers for each axis',
    );
  checkNumber('pad', value, x.dtype);
  const shape = x.shape.map((n, a) => n + padding[a][0] + padding[a][1]);
  const { shape: from } = x;
  const padded = from.flatMap((_, a) => (padding[a].some((p) => p !== 0) ? [a] : []));
  for (const a of padded) {
    const most = Math.max(...padding[a]);
    const n = from[a];
    if (
      shape[a] < 0 ||
      (mode === 'reflect' && most >= Math.max(1, n)) ||
      (mode !== 'constant' && n === 0 && shape[a] > 0)
    )
      throw new ShapeError('pad', `axis ${a} of [${from}] cannot be padded by ${padding[a].join(' and ')} (${mode})`);
  }
  const strides = stridesOf(from);
  const axes = shape.map((size, a) =>
    padded.includes(a)
      ? { size, stride: strides[a], start: -padding[a][0], limit: from[a] }
      : { size, stride: strides[a] },
  );
  const back = (dy: Tensor): Tensor =>
    mode === 'constant'
      ? pad(
          dy,
          padding.map(([before, after]) => [-before, -after] as const),
        )
      : composed(dy.device, () =>
          padded.reduce((g, axis) => overlap(g, { axis, before: padding[axis][0], size: from[axis], mode }), dy),
        );
  return copied(
    'pad',
    x,
    shape,
    { axes, rule: mode, value: wordOf('pad', value, x.dtype === 'f16' ? 'f32' : x.dtype) },
    back,
  ) as Tensor<D, R>;
}

interface Overlap {
  axis: number;
  before: number;
  /** Of the axis without the padding. */
  size: number;
  mode: Rule;
}

/** The adjoint of a padding along one axis. */
const overlapOp: Op<Overlap, 'dy'> = defineReal(
  {
    name: 'pad gradient',
    inputs: ['dy'],
    outputs: ['dx'],
    forward({ dy }, { axis, before, size, mode }) {
      const shape = dy.shape.map((n, a) => (a === axis ? size : n));
      const outer = sizeOf(shape.slice(0, axis));
      const inner = sizeOf(shape.slice(axis + 1));
      const none = [0, 0, 0, 0];
      const dx = dy.device.empty(shape, dy.dtype, 'pad');
      dy.device.run({
        shader: 'strided',
        entry: 'overlap',
        constants: { RULE: STRIDED_RULE[mode], ...stored(dy, 'Number') },
        bindings: { dy, dx },
        threads: dx.size,
        params: {
          n: dx.size,
          offset: 0,
          value: 0,
          size0: [outer, dy.shape[axis], inner, 0],
          size1: none,
          stride0: none,
          stride1: none,
          start0: [0, -before, 0, 0],
          start1: none,
          limit0: [outer, size, inner, 0],
          limit1: none,
        },
      });
      return dx;
    },
    backward: {
      dy: ({ grads, inputs: { dy }, attrs: { axis, before, size, mode } }) =>
        pad(
          grads.ddx!,
          dy.shape.map((n, a) => (a === axis ? ([before, n - size - before] as const) : ([0, 0] as const))),
          { mode },
        ),
    },
    twice: true,
  },
  { halves: ['dy'] },
);

function overlap(dy: Tensor, attrs: Overlap): Tensor {
  return overlapOp({ dy }, attrs).dx;
}

/**
 * Pads images with a constant.
 * @param x f32, f16, i32 or u32 [n, h, w, c]
 * @param padding [[top, bottom], [left, right]], in whole numbers
 * @param value of x's dtype (default 0)
 * @returns [n, top + h + bottom, left + w + right, c], dtype of x
 * @throws ShapeError for other shapes, or paddings that are negative or not whole numbers
 * @example const y = pad2d(x, [[1, 1], [2, 2]]); // [n, h, w, c] -> [n, h + 2, w + 4, c]
 */
export function pad2d<D extends DType, R extends number>(
  x: Tensor<D, R>,
  padding: readonly [readonly [number, number], readonly [number, number]],
  value = 0,
): Tensor<D, R> {
  args('pad2d x padding:a value?:N', arguments);
  // PyTorch counts from the last axis, [left, right, top, bottom]: a flat list would be read as either.
  if (!(padding.length === 2 && padding.every((p) => Array.isArray(p) && p.length === 2))) {
    throw new ShapeError('pad2d', `padding is ${JSON.stringify(padding)}`, 'give [[top, bottom], [left, right]]');
  }
  checkWhole('pad2d', 'padding', padding.flat(), 0);
  if (x.rank !== 4) throw new ShapeError('pad2d', `x is [${x.shape}], not [n, h, w, c]`);
  return pad(x, [[0, 0], ...padding, [0, 0]], { value }) as Tensor<D, R>;
}

/**
 * Joins tensors along an axis.
 * @param parts f32, f16, i32 or u32 of one dtype and rank; all sizes but those along the axis agree
 * @param axis negative ones count from the end
 * @returns the same dtype; the sizes along the axis are added up
 * @throws ShapeError when the parts do not fit, or there is no such axis
 * @example const y = concat([skip, enlarged], 3);
 */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  args('concat parts:L axis:n', arguments);
  const first = parts[0];
  if (!first) throw new ShapeError('concat', 'there is nothing to join');
  const along = axisOf('concat', axis, first.rank);
  for (const p of parts) {
    if (
      p.rank !== first.rank ||
      p.dtype !== first.dtype ||
      p.shape.some((d, i) => i !== along && d !== first.shape[i])
    ) {
      throw new ShapeError('concat', `${p} does not fit to ${first} along axis ${axis}`);
    }
  }
  const shape = first.shape.slice();
  const start = shape.map(() => 0);
  shape[along] = parts.reduce((n, p) => n + p.shape[along], 0);
  const layouts = parts.map((p) => {
    const layout = boxed(shape, start, p.shape);
    start[along] += p.shape[along];
    return layout;
  });
  return put('concat', parts, shape, layouts);
}

/**
 * Joins tensors along a new axis.
 * @param parts f32, f16, i32 or u32 of one shape and dtype
 * @param axis of the result (default 0); negative ones count from the end
 * @throws ShapeError when the parts differ, or there is no such axis
 * @example const batch = stack(images);
 */
export function stack(parts: readonly Tensor[], axis = 0): Tensor {
  args('stack parts:L axis?:n', arguments);
  const first = parts[0];
  if (!first) throw new ShapeError('stack', 'there is nothing to join');
  for (const p of parts)
    if (String(p.shape) !== String(first.shape) || p.rank !== first.rank || p.dtype !== first.dtype)
      throw new ShapeError('stack', `${p} and ${first} differ`);
  const a = axisOf('stack', axis, first.rank + 1);
  const shape = [...first.shape.slice(0, a), parts.length, ...first.shape.slice(a)];
  const [along] = stridesOf(shape).splice(a, 1);
  const strides = stridesOf(shape).filter((_, i) => i !== a);
  return put(
    'stack',
    parts,
    shape,
    parts.map((_, k) => ({ offset: k * along, axes: first.shape.map((size, i) => ({ size, stride: strides[i] })) })),
  );
}

interface Split {
  axis: number;
  sizes: Shape;
}

const splitters = new Map<number, Op<Split, 'x'>>();

/** The operation that splits into `count` tensors. */
function splitter(count: number) {
  const known = splitters.get(count);
  if (known) return known;
  const names = Array.from({ length: count }, (_, i) => `y${i}`);
  const made: Op<Split, 'x'> = defineReal(
    {
      name: 'split',
      inputs: ['x'],
      outputs: names,
      forward({ x }, { axis, sizes }) {
        const start = x.shape.map(() => 0);
        return Object.fromEntries(
          names.map((name, i) => {
            const part = slice(
              x,
              start,
              x.shape.map((n, a) => (a === axis ? sizes[i] : n)),
            );
            start[axis] += sizes[i];
            return [name, part];
          }),
        );
      },
      backward: {
        x: ({ grads, inputs: { x }, outputs, attrs: { axis } }) =>
          composed(x.device, () =>
            concat(
              names.map((name) => grads[`d${name}`] ?? zeros(x.device, outputs[name].shape, outputs[name].dtype)),
              axis,
            ),
          ),
      },
      twice: true,
    },
    { halves: ['x'] },
  );
  splitters.set(count, made);
  return made;
}

/**
 * Cuts a tensor along an axis.
 * @param x f32, f16, i32 or u32 of any rank
 * @param sizes of the parts along the axis, which add up to it; or the size of all parts but the last, which may be
 *   smaller
 * @param axis negative ones count from the end (default 0)
 * @throws ShapeError when the sizes do not add up, or there is no such axis
 * @example const [q, k, v] = split(qkv, 64, -1);
 */
export function split(x: Tensor, sizes: number | Shape, axis = 0): Tensor[] {
  args('split x sizes:A axis?:n', arguments);
  const a = axisOf('split', axis, x.rank);
  const n = x.shape[a];
  let parts: Shape;
  if (typeof sizes === 'number') {
    checkWhole('split', 'the size', [sizes], 1);
    parts = Array.from({ length: Math.max(1, Math.ceil(n / sizes)) }, (_, i) => Math.min(sizes, n - i * sizes));
  } else {
    checkWhole('split', 'sizes', sizes, 0);
    parts = sizes;
  }
  if (parts.length === 0 || parts.reduce((s, p) => s + p, 0) !== n)
    throw new ShapeError('split', `sizes ${parts.join(' + ')} do not make ${n}, axis ${axis} of [${x.shape}]`);
  const made = splitter(parts.length)({ x }, { axis: a, sizes: parts });
  return parts.map((_, i) => made[`y${i}`]);
}

/**
 * Cuts a tensor into equal parts; the last may be smaller, and there may be fewer, as in PyTorch.
 * @param chunks how many at most
 * @param axis negative ones count from the end (default 0)
 * @throws ShapeError as {@link split}
 * @example const [scale, shift] = chunk(film, 2, -1);
 */
export function chunk(x: Tensor, chunks: number, axis = 0): Tensor[] {
  args('chunk x chunks:n axis?:n', arguments);
  checkWhole('chunk', 'chunks', [chunks], 1);
  return split(x, Math.max(1, Math.ceil(x.shape[axisOf('chunk', axis, x.rank)] / chunks)), axis);
}
