// Building blocks of float64 references for [n, h, w, c].

import type { Shape } from '../../runtime/tensor.ts';
import { f64, type F64 } from './op.ts';

/** An element. */
export const at = (t: F64, n: number, y: number, x: number, c: number): number =>
  t.data[((n * t.shape[1] + y) * t.shape[2] + x) * t.shape[3] + c];

/** Builds [n, h, w, c] from a function of the index. */
export function build(shape: Shape, value: (n: number, y: number, x: number, c: number) => number): F64 {
  const out = f64(shape);
  let i = 0;
  for (let n = 0; n < shape[0]; n++)
    for (let y = 0; y < shape[1]; y++)
      for (let x = 0; x < shape[2]; x++) for (let c = 0; c < shape[3]; c++) out.data[i++] = value(n, y, x, c);
  return out;
}
