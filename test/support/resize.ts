// Float64 resizing by one list of (source pixel, weight) for each output pixel and axis.

import type { F64 } from './op.ts';
import { at, build } from './reference.ts';

export type Taps = (o: number, from: number, to: number) => [number, number][];

export function resizeReference(x: F64, size: readonly [number, number], rows: Taps, columns: Taps = rows): F64 {
  return build([x.shape[0], ...size, x.shape[3]], (n, oy, ox, c) => {
    let sum = 0;
    for (const [y, wy] of rows(oy, x.shape[1], size[0])) {
      for (const [q, wx] of columns(ox, x.shape[2], size[1])) {
        // A pixel of no weight is not looked at, whatever it holds.
        if (wy * wx !== 0) sum += wy * wx * at(x, n, y, q, c);
      }
    }
    return sum;
  });
}

const inside = (s: number, from: number): number => Math.min(Math.max(s, 0), from - 1);

/** Both neighbours of a position. */
export const linear =
  (position: (o: number, from: number, to: number) => number): Taps =>
  (o, from, to) => {
    const exact = inside(position(o, from, to), from);
    const s = Math.abs(exact - Math.round(exact)) < 1e-12 ? Math.round(exact) : exact;
    const low = Math.floor(s);
    return [
      [low, 1 - s + low],
      [inside(low + 1, from), s - low],
    ];
  };

/** The pixel to which a position is rounded. */
export const nearest =
  (position: (o: number, from: number, to: number) => number, round: (s: number) => number): Taps =>
  (o, from, to) => [[inside(round(position(o, from, to)), from), 1]];

export const POSITIONS = {
  halfPixel: (o: number, from: number, to: number): number => ((o + 0.5) * from) / to - 0.5,
  alignCorners: (o: number, from: number, to: number): number => (to > 1 ? (o * (from - 1)) / (to - 1) : 0),
  asymmetric: (o: number, from: number, to: number): number => (o * from) / to,
};
