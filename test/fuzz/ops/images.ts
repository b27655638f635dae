// Operations on images: pooling, resizing, sampling, dropout, normalised maps.

import * as e from '../../support/ops.ts';
import { Rng } from '../../../runtime/random.ts';
import { made, of } from '../../support/nd.ts';
import { f64, type F64 } from '../../support/op.ts';
import { at, build } from '../../support/reference.ts';
import { linear, nearest, POSITIONS, resizeReference, type Taps } from '../../support/resize.ts';
import { entry, Reject, type Call, type Entry } from '../call.ts';
import { DROPPED } from './products.ts';
import { images, two, cells, meanOf } from './windows.ts';
import { POOLS } from './pools.ts';

type Position = (o: number, from: number, to: number) => number;

const PLACES: Record<e.Coordinates, Position> = {
  halfPixel: POSITIONS.halfPixel,
  alignCorners: POSITIONS.alignCorners,
  asymmetric: POSITIONS.asymmetric,
  halfPixelSymmetric: POSITIONS.halfPixel,
  pytorchHalfPixel: (o, from, to) => (to === 1 ? 0 : POSITIONS.halfPixel(o, from, to)),
  tfCropAndResize: (o, from, to) => (to === 1 ? (from - 1) / 2 : (o * (from - 1)) / (to - 1)),
};

const MODES = Object.keys(PLACES) as e.Coordinates[];

const ROUNDINGS = {
  floor: Math.floor,
  ceil: Math.ceil,
  roundPreferFloor: (v: number) => Math.ceil(v - 0.5),
  roundPreferCeil: (v: number) => Math.floor(v + 0.5),
};

/** Does every position lie safely between the jumps of a rounding, or exactly on one in binary? */
function safe(position: Position, from: number, to: number): boolean {
  return Array.from({ length: to }, (_, o) => 2 * position(o, from, to)).every(
    (v) => Math.abs(v - Math.round(v)) > 1e-3 || Number.isInteger(Math.log2(to)),
  );
}

const resized = (x: F64, size: readonly [number, number], t: Taps): F64 => resizeReference(x, size, t);

const RESIZES: Entry[] = [
  entry('resizeBilinear', (s) => {
    const x = images(s);
    const size = two(s, 1, 12);
    const coordinates = s.choice(MODES);
    return {
      inputs: [x],
      bound: 'linear',
      inner: 3,
      slack: 2,
      text: `${size} ${coordinates}`,
      run: (t) => e.resizeBilinear(t, size, { coordinates }),
      reference: (t) => resized(t, size, linear(PLACES[coordinates])),
    };
  }),
  entry('resizeNearest', (s) => {
    const x = images(s, { dtype: s.choice(['f32', 'f32', 'i32', 'u32']) });
    const size = two(s, 1, 12);
    const coordinates = s.choice(MODES);
    const rounding = s.choice(Object.keys(ROUNDINGS) as (keyof typeof ROUNDINGS)[]);
    if (!safe(PLACES[coordinates], x.shape[1], size[0]) || !safe(PLACES[coordinates], x.shape[2], size[1]))
      throw new Reject('at a jump');
    return {
      inputs: [x],
      bound: 'exact',
      dtypes: [x.dtype],
      text: `${size} ${coordinates} ${rounding}`,
      run: (t) => e.resizeNearest(t, size, { coordinates, rounding }),
      reference: (t) => resized(t, size, nearest(PLACES[coordinates], ROUNDINGS[rounding])),
    };
  }),
  entry('interpolate', (s) => {
    const flat = s.flag(0.3);
    const x = flat ? s.tensor({ shape: [s.whole(0, 2), s.whole(1, 9), s.whole(1, 5)] }) : images(s);
    const mode = s.choice(
      flat
        ? (['nearest', 'nearest-exact', 'linear', 'area'] as const)
        : (['nearest', 'nearest-exact', 'bilinear', 'area'] as const),
    );
    const smooth = mode === 'linear' || mode === 'bilinear';
    const alignCorners = smooth && s.flag();
    const asked: [number, number] = flat ? [1, s.whole(1, 12)] : two(s, 1, 12);
    const four = (t: F64): F64 => (flat ? { shape: [t.shape[0], 1, t.shape[1], t.shape[2]], data: t.data } : t);
    const [, h, w] = four(x).shape;
    // By a factor: positions are computed with it, not with the quotient of the sizes.
    const factor = s.flag(0.4) && mode !== 'area' ? s.choice([0.5, 1.5, 2, 2.25]) : undefined;
    const recomputeScaleFactor = factor !== undefined && s.flag(0.3);
    const size: [number, number] = factor ? [flat ? 1 : Math.floor(h * factor), Math.floor(w * factor)] : asked;
    if (size[0] < 1 || size[1] < 1) throw new Reject('nothing remains');
    const by = factor && !recomputeScaleFactor && !alignCorners ? factor : undefined;
    const exact: Position =
      mode === 'nearest' ? PLACES.asymmetric : alignCorners ? PLACES.alignCorners : PLACES.halfPixel;
    // A signal is an image of one row, which no factor moves.
    const position: Position = (o, from, to) =>
      by === undefined || (flat && from === 1 && to === 1)
        ? exact(o, from, to)
        : mode === 'nearest'
          ? o / by
          : (o + 0.5) / by - 0.5;
    if (mode.startsWith('nearest') && (!safe(position, h, size[0]) || !safe(position, w, size[1])))
      throw new Reject('at a jump');
    return {
      inputs: [x],
      bound: 'linear',
      inner: smooth ? 3 : 0,
      slack: 2,
      text: `${mode} ${factor ? `by ${factor}` : size}${alignCorners ? ' aligned' : ''}${recomputeScaleFactor ? ' recomputed' : ''}`,
      run: (t) =>
        e.interpolate(t, {
          ...(factor ? { scaleFactor: factor, recomputeScaleFactor } : { size: flat ? size[1] : size }),
          mode,
          alignCorners,
        }),
      reference: (t) => {
        const v = four(t);
        const y =
          mode === 'area'
            ? build(
                [v.shape[0], ...size, v.shape[3]],
                (n, i, j, c) => meanOf(v, n, c, cells(v.shape, size, i, j)) / cells(v.shape, size, i, j).length,
              )
            : resized(
                v,
                size,
                smooth
                  ? linear(position)
                  : nearest(position, mode === 'nearest' ? Math.floor : ROUNDINGS.roundPreferCeil),
              );
        return flat ? { shape: [y.shape[0], y.shape[2], y.shape[3]], data: y.data } : y;
      },
    };
  }),
];

/** Points of a grid in [-1, 1], at centres or edges of the corner pixels. */
const base = (i: number, n: number, align: boolean): number => (2 * i + 1 - n) / (align ? Math.max(1, n - 1) : n);

function grid(theta: F64, [h, w]: readonly [number, number], align: boolean): F64 {
  const rows = theta.shape[1];
  return made([theta.shape[0], h, w, 2], ([n, y, x, k]) => {
    const p = [base(x, w, align), base(y, h, align), 1];
    const line = (r: number): number => p.reduce((sum, v, i) => sum + v * of(theta, [n, r, i]), 0);
    return rows === 2 ? line(k) : line(k) / line(2);
  });
}

/** Pixel position of a coordinate; NaN is taken for -1. */
function position(coordinate: number, size: number, align: boolean, padding: string): number {
  const g = Number.isNaN(coordinate) ? -1 : coordinate;
  let p = align ? ((g + 1) / 2) * (size - 1) : ((g + 1) * size - 1) / 2;
  const low = align ? 0 : -0.5;
  const high = align ? size - 1 : size - 0.5;
  if (padding === 'reflection') while (high > low && (p < low || p > high)) p = p < low ? 2 * low - p : 2 * high - p;
  return padding === 'zeros' ? p : Math.min(Math.max(p, 0), size - 1);
}

const SAMPLING: Entry[] = [
  entry('affineGrid', (s) => {
    const size = two(s, 1, 7);
    const align = s.flag();
    const theta = s.tensor({ shape: [s.whole(0, 3), 2, 3] });
    return {
      inputs: [theta],
      inner: 1,
      text: `${size}${align ? ' aligned' : ''}`,
      run: (t) => e.affineGrid(t, size, { alignCorners: align }),
      reference: (t) => grid(t, size, align),
    };
  }),
  entry(
    'projectiveGrid',
    (s) => {
      const size = two(s, 1, 7);
      const align = s.flag();
      const theta = s.tensor({
        shape: [s.whole(0, 3), 3, 3],
        element: (i) => (i % 9 === 8 ? s.uniform(1, 2) : i % 9 > 5 ? s.uniform(-0.3, 0.3) : s.normal()),
        specials: [NaN],
      });
      return {
        inputs: [theta],
        inner: 3,
        text: `${size}${align ? ' aligned' : ''}`,
        run: (t) => e.projectiveGrid(t, size, { alignCorners: align }),
        reference: (t) => grid(t, size, align),
      };
    },
    { nanGradients: 'a matrix product multiplies the gradient by coordinates, some of which are 0' },
  ),
  entry('gridSample', (s) => {
    const x = images(s);
    const mode = s.choice(['bilinear', 'bilinear', 'nearest'] as const);
    const padding = s.choice(['zeros', 'border', 'reflection'] as const);
    const alignCorners = s.flag();
    const [n, h, w] = x.shape;
    // An infinite coordinate has no mirror image.
    const specials = padding === 'reflection' ? [NaN] : [NaN, Infinity, -Infinity];
    const g = s.tensor({ shape: [n, ...two(s, 0, 6), 2], element: () => 1.2 * s.normal(), specials });
    // Away from the lines where the weights have kinks, or the nearest pixel changes.
    g.data.forEach((v, i) => {
      const size = i % 2 ? h : w;
      const plain = position(v, size, alignCorners, 'zeros');
      const p = position(v, size, alignCorners, padding);
      const jump = 2 * plain;
      if (
        Math.abs(jump - Math.round(jump)) < 0.05 ||
        (Math.abs(2 * p - Math.round(2 * p)) < 1e-3 && p > 0 && p < size - 1)
      )
        throw new Reject('at a line');
    });
    return {
      inputs: [x, g],
      inner: 3,
      slack: 4,
      grads: mode === 'bilinear' ? [0, 1] : [0],
      rough: true,
      text: `${mode} ${padding}${alignCorners ? ' aligned' : ''}`,
      run: (t, k) => e.gridSample(t, k, { mode, padding, alignCorners }),
      reference: (t, k) =>
        build([k.shape[0], k.shape[1], k.shape[2], t.shape[3]], (b, gy, gx, c) => {
          const px = position(at(k, b, gy, gx, 0), w, alignCorners, padding);
          const py = position(at(k, b, gy, gx, 1), h, alignCorners, padding);
          const outside = (y: number, q: number): boolean => !(y >= 0 && q >= 0 && y < h && q < w);
          const pixel = (y: number, q: number): number => (outside(y, q) ? 0 : at(t, b, y, q, c));
          // A pixel of no weight is not looked at, whatever it holds.
          const part = (weight: number, y: number, q: number): number => {
            return weight === 0 || outside(y, q) ? 0 : weight * pixel(y, q);
          };
          if (mode === 'nearest') return pixel(Math.round(py), Math.round(px));
          const y = Math.floor(py);
          const q = Math.floor(px);
          const fy = py - y;
          const fx = px - q;
          const upper = part((1 - fy) * (1 - fx), y, q) + part((1 - fy) * fx, y, q + 1);
          return upper + part(fy * (1 - fx), y + 1, q) + part(fy * fx, y + 1, q + 1);
        }),
    };
  }),
];

function uniforms(seed: Float64Array, n: number): number[] {
  const rng = new Rng(seed[0], seed[1], seed[2]);
  return Array.from({ length: n }, () => rng.uniform());
}

const OTHER: Entry[] = [
  entry('dropout', (s) => DROPPED(s, e.dropout, false, uniforms)),
  entry('dropout2d', (s) => DROPPED(s, e.dropout2d, true, uniforms)),
  entry('normaliseMaps', (s): Call => {
    const x = images(s);
    const by = s.choice(['max', 'min-max'] as const);
    const present = s.flag() ? [s.tensor({ shape: [x.shape[0], x.shape[3]], element: () => s.int(2) })] : [];
    return {
      inputs: [x, ...present],
      grads: [],
      rough: true,
      text: by,
      run: (t, p) => e.normaliseMaps(t, { by, present: p }),
      reference: (t, p) => {
        const y = f64(t.shape);
        const [n, h, w, c] = t.shape;
        for (let k = 0; k < n * c; k++) {
          const place = (i: number): number => Math.floor(k / c) * h * w * c + i * c + (k % c);
          const v = Array.from({ length: h * w }, (_, i) => Math.max(0, t.data[place(i)]));
          const low = by === 'max' ? 0 : Math.min(...v);
          const range = Math.max(...v) - low;
          v.forEach(
            (u, i) =>
              (y.data[place(i)] =
                range === 0 ? 0 : Number.isNaN(range) ? NaN : (p ? p.data[k] : 1) * ((u - low) / range)),
          );
        }
        return y;
      },
    };
  }),
];

export const IMAGES: readonly Entry[] = [...POOLS, ...RESIZES, ...SAMPLING, ...OTHER];
