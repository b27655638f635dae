// Shapes that meet by broadcasting: axes are aligned at the last one, and an axis of one element repeats.

import { ShapeError } from '../errors.ts';
import { sizeOf, type Shape } from '../tensor.ts';
import type { Constants, ParamValue } from './kernel.ts';

/** Most axes that the kernels walk along, after those that can be taken together have been. */
const MOST = 8;

/** The shape that all have after broadcasting. @throws ShapeError when an axis has two lengths other than 1 */
export function broadcastShape(op: string, ...shapes: readonly Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, axis) => {
    const lengths = new Set(shapes.map((s) => s[axis - rank + s.length] ?? 1));
    lengths.delete(1);
    if (lengths.size > 1)
      throw new ShapeError(
        op,
        `${shapes.map((s) => `[${s}]`).join(' and ')} differ along axis ${axis}`,
        'lengths must be equal, or one of them 1',
      );
    return [...lengths][0] ?? 1;
  });
}

/** Axes as long as may be: [2, 3, 5] with a factor [5] is [6, 5]. */
export interface Layout {
  size: number[];
  /** For each operand, the step along each axis; 0 where it repeats. */
  strides: number[][];
}

/**
 * The axes of `shape` for operands that broadcast to it, without those of one element, neighbours taken together where
 * every operand allows.
 * @throws ShapeError when more than eight remain
 */
export function layout(op: string, shape: Shape, operands: readonly Shape[]): Layout {
  const size: number[] = [];
  const strides: number[][] = operands.map(() => []);
  const next = operands.map(() => 1);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const step = operands.map((s, k) => {
      const d = s[axis - shape.length + s.length] ?? 1;
      const by = d === 1 ? 0 : next[k];
      next[k] *= d;
      return by;
    });
    if (shape[axis] === 1) continue;
    if (size.length > 0 && step.every((s, k) => s === strides[k][0] * size[0])) size[0] *= shape[axis];
    else {
      size.unshift(shape[axis]);
      step.forEach((s, k) => strides[k].unshift(s));
    }
  }
  if (size.length > MOST)
    throw new ShapeError(
      op,
      `${operands.map((s) => `[${s}]`).join(' and ')} repeat along too many axes in turn`,
      `at most ${MOST}`,
    );
  return { size, strides };
}

/**
 * The same for kernels that walk four axes: sizes filled up with 1, strides with 0, in front.
 * @throws ShapeError when more than four remain
 */
export function fourAxes(op: string, shape: Shape, operands: readonly Shape[]): Layout {
  const { size, strides } = layout(op, shape, operands);
  if (size.length > 4)
    throw new ShapeError(
      op,
      `the axes of ${operands.map((s) => `[${s}]`).join(' and ')} that are repeated alternate too often`,
      'bring those axes together',
    );
  const four = (v: readonly number[], fill: number): number[] => [...Array<number>(4 - v.length).fill(fill), ...v];
  return { size: four(size, 1), strides: strides.map((v) => four(v, 0)) };
}

/**
 * What a kernel with `const BROADCAST`, `const DEEP` and the params size, outer_size, NAME_stride and NAME_outer takes:
 * operands by name.
 * @throws ShapeError as {@link layout}
 */
export function broadcasting(
  op: string,
  shape: Shape,
  operands: Readonly<Record<string, Shape>>,
): { constants: Constants; params: Record<string, ParamValue> } {
  const shapes = Object.values(operands);
  const plain = shapes.every((s) => sizeOf(s) === sizeOf(shape));
  const { size, strides } = plain ? { size: [], strides: shapes.map(() => []) } : layout(op, shape, shapes);
  const filled = (v: readonly number[], fill: number): number[] => [...Array<number>(MOST - v.length).fill(fill), ...v];
  const params: Record<string, ParamValue> = {
    size: filled(size, 1).slice(4),
    outer_size: filled(size, 1).slice(0, 4),
  };
  Object.keys(operands).forEach((name, k) => {
    params[`${name}_stride`] = filled(strides[k], 0).slice(4);
    params[`${name}_outer`] = filled(strides[k], 0).slice(0, 4);
  });
  return { constants: plain ? {} : size.length > 4 ? { BROADCAST: true, DEEP: true } : { BROADCAST: true }, params };
}
