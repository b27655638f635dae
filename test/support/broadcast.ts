// Broadcasting in plain loops, for references.

import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { f64, type F64 } from './op.ts';

/** f of the operands at every index of the shape that they repeat to. */
export function repeated(operands: readonly F64[], f: (...v: number[]) => number): F64 {
  const rank = Math.max(...operands.map((t) => t.shape.length));
  const padded = operands.map((t): Shape => [...Array<number>(rank - t.shape.length).fill(1), ...t.shape]);
  const shape = Array.from({ length: rank }, (_, axis) => padded.reduce((n, s) => (s[axis] === 1 ? n : s[axis]), 1));
  const y = f64(shape);
  const at = shape.map(() => 0);
  for (let i = 0; i < sizeOf(shape); i++) {
    y.data[i] = f(
      ...operands.map((t, k) => t.data[padded[k].reduce((n, d, axis) => n * d + (d === 1 ? 0 : at[axis]), 0)]),
    );
    for (let axis = rank - 1; axis >= 0 && ++at[axis] === shape[axis]; axis--) at[axis] = 0;
  }
  return y;
}
