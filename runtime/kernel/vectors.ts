// Kernels over [n, h, w, channels] that take channels by vectors of four where they can.

import type { Constants } from './kernel.ts';
import type { Shape } from '../tensor.ts';

/**
 * For a shader with `alias Element = f32`: what specialises it to vectors where 4 divides the channels, and its sizes, whose last axis counts Elements.
 * @param x and y, [n, h, w, channels]
 */
export function byVectors(x: Shape, y: Shape): { constants: Constants; lanes: number; sizes: { x_size: number[]; y_size: number[] } } {
  const lanes = x[3] % 4 === 0 ? 4 : 1;
  const sized = (s: Shape): number[] => [s[0], s[1], s[2], s[3] / lanes];
  return { constants: lanes === 4 ? { Element: 'vec4<f32>' } : {}, lanes, sizes: { x_size: sized(x), y_size: sized(y) } };
}
