// Axes: what the caller names, how far apart elements lie along them, and the few groups of neighbouring axes that
// kernels of reductions index by.

import { ShapeError } from '../errors.ts';
import { sizeOf, type Shape } from '../tensor.ts';
import type { ParamValue } from './kernel.ts';

/** One axis or several, from the front (0, 1, …) or from the back (-1, -2, …). */
export type Axes = number | readonly number[];

/** An axis from 0 on; negative ones count from the end. @throws ShapeError when there is none */
export function axisOf(op: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw new ShapeError(op, `there is no axis ${axis} among ${rank}`, `give -${rank} to ${rank - 1}`);
  return axis < 0 ? axis + rank : axis;
}

/** Several axes, each once. @throws ShapeError when one is missing or named twice */
export function axesOf(op: string, axes: readonly number[], rank: number): number[] {
  const found = axes.map((a) => axisOf(op, a, rank));
  if (new Set(found).size !== found.length) throw new ShapeError(op, `an axis is named twice in ${axes.join(', ')}`);
  return found;
}

/**
 * Axes counted from the front, in order. None named, or an empty list: all of them. A scalar has the axes 0 and -1, as
 * in PyTorch.
 * @throws ShapeError for an axis that is not there, or named twice
 */
export function normaliseAxes(op: string, shape: Shape, axes?: Axes): number[] {
  const rank = Math.max(1, shape.length);
  const named = axes === undefined ? [] : typeof axes === 'number' ? [axes] : axes;
  const found = axesOf(op, named, rank);
  return found.length > 0 ? found.sort((a, b) => a - b) : Array.from({ length: rank }, (_, i) => i);
}

/** What a kernel knows of a reduction: `k` results of `n` elements each. */
export interface Reduction {
  readonly axes: readonly number[];
  /** Shape of the result: the reduced axes of size 1 with `keepdim`, else left out. */
  readonly shape: Shape;
  readonly k: number;
  readonly n: number;
  /**
   * Params that lead from a result and an element of it to the place in x; neighbouring axes are one, four groups of
   * either sort at most.
   */
  readonly gather: {
    readonly kept_size: number[];
    readonly kept_stride: number[];
    readonly reduced_size: number[];
    readonly reduced_stride: number[];
  };
  /** Params that lead from a place in x to its result: groups from the first to the last, in two vectors. */
  readonly spread: {
    readonly size_a: number[];
    readonly size_b: number[];
    readonly stride_a: number[];
    readonly stride_b: number[];
  };
}

/** `count` numbers, filled up with `fill` in front. */
const filled = (v: readonly number[], fill: number, count = 4): number[] => [
  ...Array<number>(count - v.length).fill(fill),
  ...v,
];

/** @throws ShapeError for axes that are not there, or more than eight groups of kept and reduced axes */
export function reduction(op: string, shape: Shape, axes: Axes | undefined, keepdim: boolean): Reduction {
  const reduced = normaliseAxes(op, shape, axes);
  const on = new Set(reduced);
  const groups: { size: number; reduced: boolean }[] = [];
  shape.forEach((size, i) => {
    if (size === 1) return;
    const last = groups.at(-1);
    if (last && last.reduced === on.has(i)) last.size *= size;
    else groups.push({ size, reduced: on.has(i) });
  });
  let stride = 1;
  let outStride = 1;
  const strided = groups
    .reverse()
    .map((g) => {
      const placed = { ...g, stride, outStride: g.reduced ? 0 : outStride };
      stride *= g.size;
      if (!g.reduced) outStride *= g.size;
      return placed;
    })
    .reverse();
  const r = strided.filter((g) => g.reduced);
  const kept = strided.filter((g) => !g.reduced);
  if (r.length > 4 || kept.length > 4)
    throw new ShapeError(
      op,
      `axes ${reduced.join(', ')} of [${shape}] alternate with the others more than eight times`,
      'permute the axes first',
    );
  const sizes = filled(
    strided.map((g) => g.size),
    1,
    8,
  );
  const outStrides = filled(
    strided.map((g) => g.outStride),
    0,
    8,
  );
  return {
    axes: reduced,
    shape: keepdim ? shape.map((d, i) => (on.has(i) ? 1 : d)) : shape.filter((_, i) => !on.has(i)),
    k: sizeOf(kept.map((g) => g.size)),
    n: sizeOf(r.map((g) => g.size)),
    gather: {
      kept_size: filled(
        kept.map((g) => g.size),
        1,
      ),
      kept_stride: filled(
        kept.map((g) => g.stride),
        0,
      ),
      reduced_size: filled(
        r.map((g) => g.size),
        1,
      ),
      reduced_stride: filled(
        r.map((g) => g.stride),
        0,
      ),
    },
    spread: {
      size_a: sizes.slice(0, 4),
      size_b: sizes.slice(4),
      stride_a: outStrides.slice(0, 4),
      stride_b: outStrides.slice(4),
    },
  };
}

/** The lines along one axis: [outer, n, inner]. */
export interface Lines {
  readonly axis: number;
  readonly outer: number;
  readonly n: number;
  readonly inner: number;
  /** The shape with another size along the axis; without the axis for null. */
  shape(size: number | null): Shape;
}

/**
 * @param axis default: all axes as one line, for which `shape(null)` is []
 * @throws ShapeError for an axis that is not there
 */
export function lines(op: string, shape: Shape, axis?: number): Lines {
  if (axis === undefined)
    return {
      axis: 0,
      outer: 1,
      n: sizeOf(shape),
      inner: 1,
      shape: (size) => shape.map(() => 1).slice(size === null ? shape.length : 0),
    };
  const [a] = normaliseAxes(op, shape, axis);
  const before = shape.slice(0, a);
  const after = shape.slice(a + 1);
  const scalar = shape.length === 0;
  return {
    axis: a,
    outer: sizeOf(before),
    n: shape[a] ?? 1,
    inner: sizeOf(after),
    shape: (size) => (size === null || scalar ? [...before, ...after] : [...before, size, ...after]),
  };
}

/**
 * How a pass over `n` elements for each of `k` results runs: by `rows` (a workgroup for each chunk) or `columns` (a
 * thread for each).
 */
export interface Pass {
  readonly entry: 'rows' | 'columns';
  readonly chunk: number;
  readonly chunks: number;
}

const ROW_CHUNK = 4096;

/**
 * Depends on sizes alone, so that sums repeat bit by bit.
 * @param contiguous the elements of a result lie next to each other
 */
export function passOver(n: number, contiguous: boolean): Pass {
  const rows = contiguous && n >= 64;
  const chunk = rows ? ROW_CHUNK : n <= 256 ? n : Math.max(64, Math.ceil(n / 1024));
  return { entry: rows ? 'rows' : 'columns', chunk, chunks: Math.max(1, Math.ceil(n / Math.max(1, chunk))) };
}

/** Params of a further pass, over the [chunks, k] partial results of one before. */
export function gatherPartials(k: number, chunks: number): Record<string, ParamValue> {
  return {
    kept_size: [1, 1, 1, k],
    kept_stride: [0, 0, 0, 1],
    reduced_size: [1, 1, 1, chunks],
    reduced_stride: [0, 0, 0, k],
  };
}

/** Elements between neighbours along each axis of a dense tensor. */
export function stridesOf(shape: Shape): number[] {
  return shape.map((_, a) => sizeOf(shape.slice(a + 1)));
}
