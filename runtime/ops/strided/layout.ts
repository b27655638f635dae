// Copies from and into strided places. Operations that are nothing else are in index.ts and ../window.ts.

import type { Op } from '../../autograd/tape.ts';
import { ShapeError } from '../../errors.ts';
import { stridesOf } from '../../kernel/axes.ts';
import { STRIDED_RULE } from '../../kernel/generated.ts';
import type { Dispatch } from '../../device/device.ts';
import { type DType, type Shape, sizeOf, type Tensor } from '../../tensor.ts';
import { defineReal } from '../cast.ts';

/** What stands beside the edge: a value, the image mirrored (without its edge), the edge repeated, or the other end. */
export type Rule = 'constant' | 'reflect' | 'replicate' | 'circular';

/**
 * An axis of the dense side of a copy; with a `limit` its index, plus `start`, goes through a rule before it is
 * multiplied by the stride.
 */
export interface Axis {
  size: number;
  stride: number;
  start?: number;
  limit?: number;
}

/** Where each element of the dense side lies on the other. */
export interface Layout {
  axes: readonly Axis[];
  offset?: number;
  rule?: Rule;
  /** The bits of the constant that stands for what a rule does not find. */
  value?: number;
}

/**
 * The launch of a copy: neighbouring axes that go through memory as one are merged, and a dense last axis that 4
 * divides is taken by vectors.
 */
function laid(
  op: string,
  { axes, offset = 0, rule, value = 0 }: Layout,
  dtype: DType,
): Pick<Dispatch, 'constants' | 'params' | 'threads'> {
  const merged: Axis[] = [];
  for (const a of axes) {
    const last = merged.at(-1);
    if (a.size === 1 && a.limit === undefined) continue;
    if (last && last.limit === undefined && a.limit === undefined && last.stride === a.stride * a.size)
      merged[merged.length - 1] = { size: last.size * a.size, stride: a.stride };
    else merged.push({ ...a });
  }
  if (merged.length > 8) throw new ShapeError(op, `${merged.length} axes lie apart in memory`, 'at most eight');
  const last = merged.at(-1);
  const lanes =
    last &&
    last.limit === undefined &&
    last.stride === 1 &&
    [last.size, offset, ...merged.slice(0, -1).map((a) => a.stride)].every((v) => v % 4 === 0)
      ? 4
      : 1;
  if (lanes === 4) {
    for (const a of merged) a.stride /= 4;
    merged[merged.length - 1] = { size: last!.size / 4, stride: 1 };
  }
  const n = sizeOf(merged.map((a) => a.size));
  const count = merged.length <= 2 ? 2 : merged.length <= 4 ? 4 : 8;
  const missing = count - merged.length;
  const halves = (name: string, of: (a: Axis) => number): Record<string, number[]> => {
    const all = Array.from({ length: 8 }, (_, i) =>
      of(i >= missing && i < count ? merged[i - missing] : { size: 1, stride: 0 }),
    );
    return { [`${name}0`]: all.slice(0, 4), [`${name}1`]: all.slice(4) };
  };
  return {
    constants: {
      AXES: count,
      ...(rule && { RULE: STRIDED_RULE[rule] }),
      ...(lanes === 4 && { Element: 'vec4<u32>' }),
      ...(dtype === 'f16' && { Scalar: 'f16', Element: lanes === 4 ? 'vec4<f16>' : 'f16' }),
    },
    params: {
      n,
      offset: offset / lanes,
      value,
      ...halves('size', (a) => a.size),
      ...halves('stride', (a) => a.stride),
      ...halves('start', (a) => a.start ?? 0),
      ...halves('limit', (a) => a.limit ?? a.size),
    },
    threads: n,
  };
}

interface Copy {
  op: string;
  shape: Shape;
  layout: Layout;
  /** The gradient for x, by differentiable operations. */
  back: (dy: Tensor) => Tensor;
}

const copyOp: Op<Copy, 'x'> = defineReal(
  {
    name: 'strided',
    inputs: ['x'],
    outputs: ['y'],
    forward({ x }, { op, shape, layout }) {
      const launch = laid(op, layout, x.dtype);
      const y = x.device.empty(shape, x.dtype, op);
      x.device.run({ shader: 'strided', entry: 'forward', bindings: { x, y }, ...launch });
      return y;
    },
    backward: { x: ({ dy, attrs: { back } }) => back(dy) },
    twice: true,
  },
  { halves: ['x'], when: ({ layout }) => (layout.value ?? 0) === 0 },
);

/** y of the given shape, each element from where the layout says; `back` gives the gradient. */
export function copied(op: string, x: Tensor, shape: Shape, layout: Layout, back: (dy: Tensor) => Tensor): Tensor {
  return copyOp({ x }, { op, shape, layout, back }).y;
}

/** The same for a layout that reads no element twice and has no rule. */
export function taken(op: string, x: Tensor, shape: Shape, layout: Layout): Tensor {
  const { shape: from } = x;
  return copied(op, x, shape, layout, (dy) => put(op, [dy], from, [layout]));
}

/** The box of `size` from `start` (the first element where it says nothing) within a tensor of the given shape. */
export function boxed(shape: Shape, start: Shape, size: Shape): Layout {
  const strides = stridesOf(shape);
  return {
    offset: start.reduce((sum, s, a) => sum + s * strides[a], 0),
    axes: size.map((n, a) => ({ size: n, stride: strides[a] })),
  };
}

interface Put {
  op: string;
  shape: Shape;
  layouts: readonly Layout[];
}

const putters = new Map<number, Op<Put>>();

/** The operation that puts `count` tensors into one. */
function putter(count: number): Op<Put> {
  const known = putters.get(count);
  if (known) return known;
  const names = Array.from({ length: count }, (_, i) => `x${i}`);
  const made: Op<Put> = defineReal(
    {
      name: 'put',
      inputs: names,
      outputs: ['y'],
      forward(inputs, { op, shape, layouts }) {
        const { device, dtype } = inputs.x0;
        const launches = layouts.map((l) => laid(op, l, dtype));
        const y = device.empty(shape, dtype, op);
        if (names.reduce((n, k) => n + inputs[k].size, 0) < y.size) device.clear(y);
        names.forEach((k, i) =>
          device.run({ shader: 'strided', entry: 'place', bindings: { x: inputs[k], y }, ...launches[i] }),
        );
        return y;
      },
      backward: Object.fromEntries(
        names.map((k, i) => [
          k,
          ({ dy, inputs, attrs: { op, layouts } }) => taken(op, dy, inputs[k].shape, layouts[i]),
        ]),
      ),
      twice: true,
    },
    { halves: names },
  );
  putters.set(count, made);
  return made;
}

/** A tensor of the given shape that has each part where its layout says, zeros elsewhere; the parts do not overlap. */
export function put(op: string, parts: readonly Tensor[], shape: Shape, layouts: readonly Layout[]): Tensor {
  return putter(parts.length)(Object.fromEntries(parts.map((x, i) => [`x${i}`, x])), { op, shape, layouts }).y;
}
