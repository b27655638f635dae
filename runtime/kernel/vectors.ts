// Kernels over [n, h, w, channels] that take channels by vectors of four where they can.

import type { Constants } from './kernel.ts';
import type { DType, Shape, Tensor } from '../tensor.ts';

/** For a shader that says with an alias what its tensors hold, f32 unless it is told otherwise: f16 where t is. */
export const stored = (t: Tensor, alias = 'Element'): Constants => (t.dtype === 'f16' ? { [alias]: 'f16' } : {});

/**
 * For a shader with `alias Element = f32` for what it computes in and `alias Stored = f32` for what tensors hold: what
 * specialises it to vectors where 4 divides the channels and to f16, and its sizes, whose last axis counts Elements.
 * @param x and y, [n, h, w, channels]
 * @param may whether vectors will do at all
 */
export function byVectors(
  x: Shape,
  y: Shape,
  dtype: DType = 'f32',
  may = true,
): { constants: Constants; lanes: number; sizes: { x_size: number[]; y_size: number[] } } {
  const lanes = may && x[3] % 4 === 0 ? 4 : 1;
  const sized = (s: Shape): number[] => [s[0], s[1], s[2], s[3] / lanes];
  const half = dtype === 'f16';
  const Stored = lanes === 4 ? `vec4<${half ? 'f16' : 'f32'}>` : 'f16';
  return {
    constants: { ...(lanes === 4 ? { Element: 'vec4<f32>' } : {}), ...(lanes === 4 || half ? { Stored } : {}) },
    lanes,
    sizes: { x_size: sized(x), y_size: sized(y) },
  };
}
