// What operations on images share.

import type { Shape } from '../../../runtime/tensor.ts';
import { type F64 } from '../../support/op.ts';
import { at } from '../../support/reference.ts';
import { type Source, type Value, type Want } from '../call.ts';

export const images = (s: Source, want: Want = {}): Value => s.image(want);

export const two = (s: Source, low: number, high: number): [number, number] => [s.whole(low, high), s.whole(low, high)];

export const parts = (o: number, from: number, to: number): number[] => {
  const low = Math.floor((o * from) / to);
  const high = Math.ceil(((o + 1) * from) / to);
  return Array.from({ length: high - low }, (_, i) => low + i);
};

export const cells = (x: Shape, size: readonly [number, number], oy: number, ox: number): [number, number][] =>
  parts(oy, x[1], size[0]).flatMap((y) => parts(ox, x[2], size[1]).map((q) => [y, q] as [number, number]));

export const meanOf = (x: F64, n: number, c: number, list: [number, number][]): number =>
  list.reduce((sum, [y, q]) => sum + (y < 0 || y >= x.shape[1] || q < 0 || q >= x.shape[2] ? 0 : at(x, n, y, q, c)), 0);
