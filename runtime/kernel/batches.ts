// How kernels walk operands that are repeated along some axes (NumPy's broadcasting), with at most four sizes and strides.

import { ShapeError } from '../errors.ts';
import { sizeOf, type Shape } from '../tensor.ts';

/** The shape to which all are repeated: aligned at the last axis; sizes are equal, or 1. @throws ShapeError when they do not fit */
export function broadcastShape(op: string, shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map((s) => s[i - rank + s.length] ?? 1), size = sizes.find((d) => d !== 1) ?? 1;
    if (sizes.some((d) => d !== 1 && d !== size)) throw new ShapeError(op, `${shapes.map((s) => `[${s}]`).join(' and ')} do not fit together`, 'sizes must be equal, or 1');
    return size;
  });
}

/**
 * Neighbouring axes that every operand walks alike are taken together.
 * @param y the shape that is walked
 * @param operands shapes that broadcast to y
 * @returns four sizes, and for each operand four strides in elements: 0 along what is repeated
 * @throws ShapeError when repeated and unrepeated axes alternate more than that
 */
export function walk(op: string, y: Shape, operands: readonly Shape[]): { size: number[]; strides: number[][] } {
  const size: number[] = [], strides: number[][] = operands.map(() => []);
  let before = '';
  for (let i = 0; i < y.length; i++) {
    if (y[i] === 1) continue;
    const repeated = operands.map((s) => (s[i - y.length + s.length] ?? 1) === 1);
    const inner = operands.map((s) => sizeOf(s.slice(Math.max(0, i + 1 - y.length + s.length))));
    if (before === String(repeated)) size[size.length - 1] *= y[i];
    else size.push(y[i]);
    strides.forEach((s, k) => (s[size.length - 1] = repeated[k] ? 0 : inner[k]));
    before = String(repeated);
  }
  if (size.length > 4) throw new ShapeError(op, `the axes of ${operands.map((s) => `[${s}]`).join(' and ')} that are repeated alternate too often`, 'bring those axes together');
  const four = (v: number[], fill: number): number[] => [...Array<number>(4 - v.length).fill(fill), ...v];
  return { size: four(size, 1), strides: strides.map((s) => four(s, 0)) };
}
