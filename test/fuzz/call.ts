// What the fuzzer knows of an operation: how to draw a valid call of it from a seed, the engine's call, and the same in
// float64.

import { floatToHalf, halfToFloat } from '../../runtime/half.ts';
import { sizeOf, type DType, type Shape, type Tensor, type TensorData } from '../../runtime/tensor.ts';
import { Draw } from '../support/nd.ts';
import type { F64 } from '../support/op.ts';

/** A tensor of a program: its content is what the dtype holds exactly. */
export interface Value extends F64 {
  dtype: DType;
  data: Float64Array;
  /** Special values that it may hold in a call that is drawn with them; absent for none. */
  specials?: readonly number[];
}

export interface Call {
  /** Attributes, enough to read the call. */
  text?: string;
  inputs: readonly Value[];
  run(...t: Tensor[]): Tensor | readonly Tensor[];
  reference(...x: F64[]): F64 | readonly F64[];
  /** Of the outputs (default f32). */
  dtypes?: readonly DType[];
  /** How errors are bounded, see bounds.ts (default general). */
  bound?: Bound;
  /** Inputs that have a gradient (default: all f32 and f16 ones); for the other f32 inputs it must be 0. */
  grads?: readonly number[];
  /**
   * Magnitude of what is added up inside the operation for operands up to 4, where that is larger than inputs and
   * outputs tell (default 0).
   */
  inner?: number;
  /** Factor on the bound of the error, for approximations within the operation (default 1). */
  slack?: number;
  /** The reference with the plain number moved by a relative step; for bounds of kind `elementwise`. */
  nudged?: (step: number, ...x: F64[]) => F64 | readonly F64[];
  /** Steep or jumping: no use in front of finite differences. */
  rough?: boolean;
}

export type Bound = 'exact' | 'linear' | 'elementwise' | 'general';

export interface Entry {
  /** The exported function. */
  name: string;
  draw(s: Source): Call;
  /** Why no call is drawn with NaN, infinities, signed zeros and denormals. Without a reason, calls are. */
  specials?: string;
  /** Why gradients are not judged where a NaN meets them. Without a reason, they are. */
  nanGradients?: string;
}

/** @param reasons why special values, or gradients that meet a NaN, have no right answer */
export const entry = (
  name: string,
  draw: (s: Source) => Call,
  reasons: Pick<Entry, 'specials' | 'nanGradients'> = {},
): Entry => ({ name, draw, ...reasons });

/** Thrown while a call is drawn: these operands do not suit it. */
export class Reject extends Error {}

export interface Want {
  shape?: Shape;
  /** Rank, or the least and largest (default 0 to 5). */
  rank?: number | readonly [number, number];
  /** The shape of a new tensor, where rank and `fits` say what else would do. */
  otherwise?: Shape;
  /** What a shape must fulfil beside that. */
  fits?: (shape: Shape) => boolean;
  dtype?: DType;
  /** Least and largest value (default: f32 normal, integers -9 to 9). */
  within?: readonly [number, number];
  /** Least and largest value in wild calls (default: without `within` -1e6 to 1e6, integers all; with it the same). */
  wide?: readonly [number, number];
  /** Kinks and jumps of the function. */
  away?: readonly number[];
  /** No two elements are close, so that their order is safe. */
  distinct?: boolean;
  /** Draws an element. */
  element?: (i: number) => number;
  /** Special values that may be mixed in (default: for f32 and f16 all of SPECIALS, with `element` none). */
  specials?: readonly number[];
}

/** The special values: NaN, infinities, zeros of both signs, and denormals (of f16 where the tensor is f16). */
export const SPECIALS: readonly number[] = [NaN, Infinity, -Infinity, 0, -0, 2 ** -130, -(2 ** -130)];

/** No larger tensors are drawn: the references are loops. */
export const MOST_ELEMENTS = 4000;
/** Least distance from a kink, well beyond what finite differences move an element by. */
const MARGIN = 0.01;

export function rounded(dtype: DType, data: ArrayLike<number>): Float64Array {
  if (dtype === 'f16') return Float64Array.from(halfToFloat(floatToHalf(Float64Array.from(data))));
  return Float64Array.from(dtype === 'f32' ? Float32Array.from(data) : data);
}

export function typed({ dtype, data }: Value): TensorData {
  if (dtype === 'f16') return floatToHalf(data);
  return dtype === 'f32' ? Float32Array.from(data) : dtype === 'i32' ? Int32Array.from(data) : Uint32Array.from(data);
}

/** Where calls get their operands from: here always new ones. */
export class Source extends Draw {
  /** Operands suit finite differences: no ties, nothing near a kink. */
  readonly smooth: boolean;
  /** Values of all magnitudes, the largest integers, long axes. */
  readonly wild: boolean;

  constructor(seed: number, smooth = false, wild = false) {
    super(seed);
    this.smooth = smooth;
    this.wild = wild;
  }

  /** A length: mostly small, sometimes 0, seldom long enough for a second pass. */
  length(least = 0): number {
    const u = this.uniform();
    const n =
      u < 0.05
        ? 0
        : u < 0.15
          ? 1
          : u < 0.3
            ? 4
            : u < 0.9
              ? this.whole(1, 7)
              : u < 0.98
                ? this.whole(8, 40)
                : this.whole(64, 300);
    return Math.max(least, n);
  }

  override shape(rank: number, least = 0): number[] {
    const shape = Array.from({ length: rank }, () => this.length(least));
    if (this.wild && rank > 0 && this.flag(0.3)) shape[this.int(rank)] = this.whole(200, MOST_ELEMENTS);
    while (sizeOf(shape) > MOST_ELEMENTS) shape[shape.indexOf(Math.max(...shape))] = this.whole(least, 4);
    return shape;
  }

  /** An axis of a rank, at times counted from the end. */
  axis(rank: number): number {
    return this.int(rank) - (this.bernoulli(0.5) ? rank : 0);
  }

  /** Some axes of a rank in any order and either count. */
  axes(rank: number, least = 1): number[] {
    return this.order(rank)
      .slice(0, this.whole(least, rank))
      .map((a) => (this.bernoulli(0.5) ? a - rank : a));
  }

  flag(p = 0.5): boolean {
    return this.bernoulli(p);
  }

  /** A shape that broadcasts with the given one, now and then beyond it. */
  partner(shape: Shape): number[] {
    return shape
      .slice(this.int(shape.length + 1))
      .map((d) => (d === 1 && this.flag(0.1) ? this.whole(1, 3) : this.flag(0.3) ? 1 : d));
  }

  /** Shapes for a wish: draws until one fits. */
  protected wish(want: Want): Shape {
    const given = want.shape ?? want.otherwise;
    if (given) return given;
    const [low, high] = typeof want.rank === 'number' ? [want.rank, want.rank] : (want.rank ?? [0, 5]);
    for (let i = 0; i < 200; i++) {
      const shape = this.shape(this.whole(low, high));
      if (!want.fits || want.fits(shape)) return shape;
    }
    throw new Reject('no shape');
  }

  /** A tensor as wanted. */
  tensor(want: Want = {}): Value {
    return this.fresh(want);
  }

  /** Small images [n, h, w, c], every other one with channels that 4 divides. */
  image(want: Want = {}): Value {
    const otherwise = [
      this.whole(0, 2) || this.whole(0, 1),
      this.whole(1, 8),
      this.whole(1, 8),
      this.flag(0.4) ? 4 * this.whole(1, 2) : this.whole(1, 6),
    ];
    const fits = ([n, h, w, c]: Shape): boolean =>
      n <= 3 && h >= 1 && h <= 12 && w >= 1 && w <= 12 && c >= 1 && c <= 16;
    return this.tensor({ rank: 4, fits, otherwise, ...want });
  }

  /** Elements of all magnitudes between two limits. */
  private magnitudes(dtype: DType, n: number, [low, high]: readonly [number, number]): number[] {
    const whole = dtype === 'i32' || dtype === 'u32';
    const ends = dtype === 'u32' ? [0, 1, 2 ** 31, 2 ** 32 - 1] : [0, -1, 1, 2 ** 31 - 1, -(2 ** 31)];
    return Array.from({ length: n }, () => {
      if (whole && this.flag(0.3)) return this.choice(ends);
      if (whole) return dtype === 'u32' ? this.u32() : this.u32() | 0;
      const most = Math.log10(Math.max(Math.abs(low), high));
      const least = low > 0 ? Math.log10(low) : Math.min(-6, most - 6);
      for (;;) {
        const v = Math.fround((low < 0 && this.flag() ? -1 : 1) * 10 ** this.uniform(least, most));
        if (v >= low && v <= high) return v;
      }
    });
  }

  fresh(want: Want): Value {
    const made = this.drawn(want);
    const float = made.dtype === 'f32' || made.dtype === 'f16';
    const specials = want.specials ?? (want.element ? [] : SPECIALS);
    return float && specials.length > 0 ? { ...made, specials } : made;
  }

  private drawn(want: Want): Value {
    const shape = this.wish(want);
    const n = sizeOf(shape);
    const dtype = want.dtype ?? 'f32';
    const whole = dtype === 'i32' || dtype === 'u32';
    if (n > 4 * MOST_ELEMENTS) throw new Reject('too many elements');
    const [least, high] = want.within ?? (whole ? [-9, 9] : [-3, 3]);
    const low = dtype === 'u32' ? Math.max(0, least) : least;
    if (want.element)
      return {
        shape,
        dtype,
        data: rounded(
          dtype,
          Array.from({ length: n }, (_, i) => want.element!(i)),
        ),
      };
    if (this.wild && dtype !== 'f16' && (want.wide || (!want.within && !want.away?.length)) && this.flag(0.6))
      return { shape, dtype, data: rounded(dtype, this.magnitudes(dtype, n, want.wide ?? [-1e6, 1e6])) };
    if (this.smooth && want.distinct && !whole) {
      const places = this.order(n);
      return {
        shape,
        dtype,
        data: rounded(
          dtype,
          places.map((p) => low + ((p + this.uniform(0.3, 0.7)) * (high - low)) / n),
        ),
      };
    }
    // Now and then a coarse grid: ties, zeros, exact sums.
    const coarse = !this.smooth && !whole && this.flag(0.15);
    const off = (v: number): boolean => want.away?.some((k) => Math.abs(v - k) < MARGIN) ?? false;
    const draw = (): number => {
      if (whole) return this.whole(low, high);
      return want.within ? this.uniform(low, high) : Math.min(high, Math.max(low, this.normal()));
    };
    const data = Array.from({ length: n }, () => {
      for (;;) {
        const v = draw();
        const u = coarse ? Math.round(2 * v) / 2 : v;
        if (!off(u) && u >= low && u <= high) return u;
        if (coarse && !off(v)) return v;
      }
    });
    return { shape, dtype, data: rounded(dtype, data) };
  }
}

/** The outputs of a reference or of the engine as a list. */
export function listed<T extends object>(made: T | readonly T[]): readonly T[] {
  return Array.isArray(made) ? (made as readonly T[]) : [made as T];
}

export const dtypeOf = (c: Call, k: number): DType => c.dtypes?.[k] ?? 'f32';
export const gradsOf = (c: Call): readonly number[] =>
  c.grads ?? c.inputs.flatMap((v, i) => (v.dtype === 'f32' || v.dtype === 'f16' ? [i] : []));

/** The printed call. */
export const shown = (name: string, c: Call): string =>
  `${name}(${c.inputs.map((v) => `[${v.shape}]${v.dtype === 'f32' ? '' : ` ${v.dtype}`}`).join(', ')}${c.text ? `; ${c.text}` : ''})`;
