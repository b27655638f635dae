// ONNX's Resize: each axis by itself, as a matrix of weights [in, out] that the host makes.

import * as ops from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';
import type { Call } from './operator.ts';
import { reads, toReal, type Operator, type Value } from './operator.ts';

/** As many weights an axis may have (an image side of 8192 to another). */
const MOST_WEIGHTS = 2 ** 26;

interface AxisPlan {
  axis: number;
  from: number;
  to: number;
  scale: number;
  /** The scale is one size over the other, as where sizes are given: coordinates are computed from the sizes. */
  exact: boolean;
  roi: [number, number];
}

const { fround } = Math;

/**
 * Where pixel o of the result is in the source, in f32 as onnxruntime computes it: where it is rounded or compared, the
 * last bit decides.
 */
function coordinateInF32(c: Call, how: string, { from, to, scale, roi: [start, end] }: AxisPlan, o: number): number {
  const centre = fround(fround(o + 0.5) / scale);
  switch (how) {
    case 'half_pixel':
      return fround(centre - 0.5);
    case 'pytorch_half_pixel':
      return to > 1 ? fround(centre - 0.5) : 0;
    case 'tf_half_pixel_for_nn':
      return centre;
    case 'asymmetric':
      return fround(o / scale);
    case 'tf_crop_and_resize': {
      const first = fround(start * (from - 1));
      const way = fround(fround(o * fround(end - start)) * (from - 1));
      return to > 1 ? fround(first + fround(way / (to - 1))) : fround(0.5 * fround(start + end) * (from - 1));
    }
    default:
      return fround(coordinate(c, how, { from, to, scale, exact: false, axis: 0, roi: [start, end] }, o));
  }
}

/** Where pixel o of the result is in the source. */
function coordinate(c: Call, how: string, { from, to, scale, exact, roi: [start, end] }: AxisPlan, o: number): number {
  const over = (v: number): number => (exact ? (v * from) / to : v / scale);
  switch (how) {
    case 'half_pixel':
      return over(o + 0.5) - 0.5;
    case 'pytorch_half_pixel':
      return to > 1 ? over(o + 0.5) - 0.5 : 0;
    case 'half_pixel_symmetric':
      return (from / 2) * (1 - (exact ? 1 : to / (scale * from))) + over(o + 0.5) - 0.5;
    case 'tf_half_pixel_for_nn':
      return over(o + 0.5);
    case 'align_corners':
      return to > 1 ? (o * (from - 1)) / (to - 1) : 0;
    case 'asymmetric':
      return over(o);
    case 'tf_crop_and_resize': {
      if (to <= 1) return 0.5 * (start + end) * (from - 1);
      return start * (from - 1) + (o * (end - start) * (from - 1)) / (to - 1);
    }
    default:
      return c.unsupported(`there is no coordinate_transformation_mode ${how}`);
  }
}

const ROUND: Record<string, (x: number) => number> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** The scales of the axes, if given: two attributes in Upsample's first version, then one, then an input. */
function scalesOf(c: Call, old: boolean): readonly number[] | undefined {
  if (c.node.op === 'Upsample' && c.has('height_scale')) {
    return [1, 1, fround(c.number('height_scale', 1)), fround(c.number('width_scale', 1))];
  }
  const listed = old ? c.list('scales', 1) : c.host(2);
  return listed?.length ? listed.map(fround) : undefined;
}

/** The axes that are resized, and how: by scales, or to sizes, which may keep the proportions. */
function plans(c: Call, old: boolean, crop: boolean): AxisPlan[] {
  const { shape, rank } = c.x();
  const axes = c.axes(
    c.ints(
      'axes',
      shape.map((_, i) => i),
    ),
    rank,
  );
  const scales = scalesOf(c, old);
  const sizes = !old && c.host(3)?.length ? c.elements(3) : undefined;
  const roi = crop ? (c.host(1) ?? []) : [];
  const policy = c.text('keep_aspect_ratio_policy', 'stretch');
  if (scales && sizes) c.wrong('there are both scales and sizes');
  if ((scales ?? sizes)?.length !== axes.length) {
    c.wrong(`[${shape}] needs scales or sizes for the axes ${axes.join(', ')}`);
  }
  if (crop && roi.length !== 2 * axes.length) c.wrong(`the roi has ${roi.length} numbers for ${axes.length} axes`);
  if (!['stretch', 'not_larger', 'not_smaller'].includes(policy)) {
    c.unsupported(`there is no keep_aspect_ratio_policy ${policy}`);
  }
  if (scales && policy !== 'stretch') c.wrong(`keep_aspect_ratio_policy ${policy} needs sizes, and there are scales`);
  const ratios = sizes ? axes.map((a, i) => sizes[i] / shape[a]) : [];
  const kept = policy === 'stretch' ? undefined : policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return axes.map((axis, i) => {
    const from = shape[axis];
    // In f32, as every other runtime has it: 10 by 0.7 is 7, though 0.7 in f32 is less than 0.7.
    const to = scales ? Math.floor(fround(from * scales[i])) : kept ? Math.floor(kept * from + 0.5) : sizes![i];
    const scale = scales ? scales[i] : (kept ?? to / from);
    const fits = Number.isInteger(to) && to >= 0 && (from > 0 || to === 0) && from * to <= MOST_WEIGHTS;
    if (!fits || (scales && !(scale > 0))) {
      c.wrong(`axis ${axis} with ${from} pixels cannot become ${to}${scales ? `, by ${scale}` : ''}`);
    }
    const exact = to > 0 && (scales || kept ? fround(to / from) === fround(scale) : true);
    const ends: [number, number] = [fround(roi[i] ?? 0), fround(roi[i + axes.length] ?? 1)];
    return { axis, from, to, scale: fround(scale), exact, roi: ends };
  });
}

/** The pixel for a coordinate, with ties and fractions as the version has it. */
function nearest(c: Call, old: boolean): (at: number, p: AxisPlan) => number {
  const how = old ? 'floor' : c.text('nearest_mode', 'round_prefer_floor');
  const round = Object.hasOwn(ROUND, how) ? ROUND[how] : c.unsupported(`there is no nearest_mode ${how}`);
  // Resize of opset 10 rounds up where it shrinks. A scale that is one size over the other was made by an exporter from
  // a wanted size, such as PyTorch's, whose interpolate rounds down.
  const up = c.opset === 10 && c.node.op === 'Resize';
  return (at, p) => (up && p.scale < 1 && !p.exact ? Math.ceil(at) : round(at));
}

/** The weight of a pixel by its distance, and how far that reaches: a triangle, or Keys' cubic convolution. */
function kernelOf(mode: string, a: number): { reach: number; at: (d: number) => number } {
  if (mode !== 'cubic') return { reach: 1, at: (d) => Math.max(0, 1 - d) };
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return { reach: 2, at: (d) => (d <= 1 ? near(d) : d < 2 ? far(d) : 0) };
}

/** The modes of a version: cubic came with opset 11; the first Upsample called linear bilinear. */
function modeOf(c: Call, old: boolean): 'nearest' | 'linear' | 'cubic' {
  const mode = c.text('mode', 'nearest');
  if (mode === 'nearest' || mode === 'linear' || (mode === 'cubic' && !old)) return mode;
  if (mode === 'bilinear' && c.node.op === 'Upsample' && c.opset < 7) return 'linear';
  return c.unsupported(`there is no mode ${mode} in opset ${c.opset}`);
}

/** The weights [in, out] of the pixels of an axis. With antialias the kernel covers what a pixel of the result does. */
function weights(c: Call, p: AxisPlan, at: readonly number[], mode: 'linear' | 'cubic'): Float32Array {
  const last = p.from - 1;
  const kept = (i: number): number => Math.min(Math.max(i, 0), last);
  const { reach, at: weightAt } = kernelOf(mode, c.number('cubic_coeff_a', -0.75));
  const excluded = c.number('exclude_outside', 0) !== 0;
  const narrow = c.number('antialias', 0) ? Math.min(1, p.scale) : 1;
  const w = new Float32Array(p.from * p.to);
  at.forEach((s, o) => {
    const low = Math.ceil(s - reach / narrow);
    const high = Math.floor(s + reach / narrow);
    const weight = (i: number): number => (excluded && i !== kept(i) ? 0 : weightAt(Math.abs(i - s) * narrow));
    let total = 0;
    for (let i = low; i <= high; i++) total += weight(i);
    for (let i = low; i <= high; i++) w[kept(i) * p.to + o] += weight(i) / (total || 1);
  });
  return w;
}

function resize(c: Call): Value {
  const x = c.x();
  // Up to opset 10 (and in Upsample) there are scales alone, and pixels begin at the same corner.
  const old = c.opset < 11 || c.node.op === 'Upsample';
  const mode = modeOf(c, old);
  const how = old ? 'asymmetric' : c.text('coordinate_transformation_mode', 'half_pixel');
  const crop = how === 'tf_crop_and_resize';
  const pixel = nearest(c, old);
  if (mode === 'nearest' && c.number('antialias', 0)) c.wrong('antialias is for linear and cubic, the mode is nearest');
  let y: Tensor = mode !== 'nearest' ? toReal(x) : x.view(x.shape);
  let outside: Tensor | undefined;
  for (const p of plans(c, old, crop)) {
    const rounds = crop || (mode === 'nearest' && !p.exact);
    const at = Array.from({ length: p.to }, (_, o) => (rounds ? coordinateInF32 : coordinate)(c, how, p, o));
    const last = p.from - 1;
    const trailing = Array<number>(y.rank - 1 - p.axis).fill(1);
    if (crop) {
      const here = c.device.tensor(
        Int32Array.from(at, (s) => Number(s < 0 || s > last)),
        [p.to, ...trailing],
      );
      outside = outside ? ops.logicalOr(outside, here) : here;
    }
    if (p.from === p.to && at.every((s, o) => s === o)) continue;
    if (mode === 'nearest') {
      const picks = Int32Array.from(at, (s) => Math.min(Math.max(pixel(s, p), 0), last));
      y = ops.indexSelect(y, p.axis, c.device.tensor(picks, [p.to]));
    } else {
      const w = c.device.tensor(weights(c, p, at, mode), [p.from, p.to]);
      y = ops.transpose(ops.matmul(ops.transpose(y, p.axis, y.rank - 1), w), p.axis, y.rank - 1);
    }
  }
  if (outside) y = ops.where(outside, c.number('extrapolation_value', 0), y);
  return { type: c.value(0).type, tensor: y.dtype === x.dtype ? y : ops.cast(y, x.dtype) };
}

export const RESIZE: Record<string, Operator> = { Resize: reads([1, 2, 3], resize), Upsample: reads([1], resize) };
