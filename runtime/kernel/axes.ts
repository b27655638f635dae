// Axes by number, and how far apart elements lie along them.

import { ShapeError } from '../errors.ts';
import { sizeOf, type Shape } from '../tensor.ts';

/** An axis from 0 on; negative ones count from the end. @throws ShapeError when there is none */
export function axisOf(op: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) throw new ShapeError(op, `there is no axis ${axis} among ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

/** Several axes, each once. @throws ShapeError when one is missing or named twice */
export function axesOf(op: string, axes: readonly number[], rank: number): number[] {
  const found = axes.map((a) => axisOf(op, a, rank));
  if (new Set(found).size !== found.length) throw new ShapeError(op, `an axis is named twice in ${axes.join(', ')}`);
  return found;
}

/** Elements between neighbours along each axis of a dense tensor. */
export function stridesOf(shape: Shape): number[] {
  return shape.map((_, a) => sizeOf(shape.slice(a + 1)));
}
