// What windows over images and folded grids have in common.

import { ShapeError } from '../errors.ts';

/** One number for both directions, or [vertical, horizontal]. */
export type Pair = number | readonly [number, number];

/** Checks that all are whole numbers of at least `least`. @throws ShapeError */
export function checkWhole(op: string, name: string, values: readonly number[], least: number): void {
  if (!values.every((v) => Number.isInteger(v) && v >= least))
    throw new ShapeError(op, `${name} is ${values.join(', ')}`, `give whole numbers of at least ${least}`);
}

/**
 * Most that a stride, a padding or a dilation may be: kernels add them to places in an image, in 32 bits with a sign.
 */
const MOST = 2 ** 29;

function checkSetting(op: string, name: string, values: readonly number[], least: number): void {
  checkWhole(op, name, values, least);
  if (values.some((v) => v > MOST))
    throw new ShapeError(op, `${name} is ${values.join(', ')}`, `give whole numbers of at most ${MOST}`);
}

/** Both directions of a setting: whole numbers from `least` to 2^29. @throws ShapeError for others */
export function pair(op: string, name: string, v: Pair, least: number): readonly [number, number] {
  const both: readonly [number, number] = typeof v === 'number' ? [v, v] : v;
  if (both.length !== 2) throw new ShapeError(op, `${name} is [${both}]`, 'give one number, or [vertical, horizontal]');
  checkSetting(op, name, both, least);
  return both;
}

/** One number for all sides, [vertical, horizontal], or [top, bottom, left, right]. */
export type Padding = Pair | readonly [number, number, number, number];

/** [top, bottom, left, right] of a padding: whole numbers from 0 to 2^29. @throws ShapeError for others */
export function sides(op: string, p: Padding): readonly [number, number, number, number] {
  const all: readonly [number, number, number, number] =
    typeof p === 'number' ? [p, p, p, p] : p.length === 2 ? [p[0], p[0], p[1], p[1]] : p;
  if (all.length !== 4) {
    throw new ShapeError(
      op,
      `padding is [${p}]`,
      'give a number, [vertical, horizontal], or [top, bottom, left, right]',
    );
  }
  checkSetting(op, 'padding', all, 0);
  return all;
}

/** Workgroups in x at most: `FOLD` of shaders/shared/grid.wgsl (matmul has y in place of x). */
const FOLD = 32768;

/** `n` workgroups along x, the rest of them along z, and `rows` along y. */
export function folded(n: number, rows: number): readonly [number, number, number] {
  return n <= FOLD ? [n, rows, 1] : [FOLD, rows, Math.ceil(n / FOLD)];
}
