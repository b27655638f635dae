// ONNX's Resize: each axis by itself, as a matrix of weights [in, out] that the host makes.

import * as ops from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';
import { Call, reads, toReal, type Operator, type Value } from './operator.ts';

/** As many weights an axis may have (an image side of 8192 to another). */
const MOST_WEIGHTS = 2 ** 26;

interface AxisPlan { axis: number; from: number; to: number; scale: number; roi: [number, number] }

/** Where pixel o of the result lies in the source. */
function coordinate(c: Call, how: string, { from, to, scale, roi: [start, end] }: AxisPlan, o: number): number {
  switch (how) {
    case 'half_pixel': return (o + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel': return to > 1 ? (o + 0.5) / scale - 0.5 : 0;
    case 'half_pixel_symmetric': return (from / 2) * (1 - to / (scale * from)) + (o + 0.5) / scale - 0.5;
    case 'align_corners': return to > 1 ? (o * (from - 1)) / (to - 1) : 0;
    case 'asymmetric': return o / scale;
    case 'tf_crop_and_resize': return to > 1 ? start * (from - 1) + (o * (end - start) * (from - 1)) / (to - 1) : 0.5 * (start + end) * (from - 1);
    default: return c.unsupported(`coordinate_transformation_mode ${how}`);
  }
}

const ROUND: Record<string, (x: number) => number> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** The axes that are resized, and how: by scales, or to sizes, which may keep the proportions. */
function plans(c: Call, old: boolean): AxisPlan[] {
  const { shape } = c.x(), axes = c.ints('axes', shape.map((_, i) => i)).map((a) => (a < 0 ? a + shape.length : a));
  const listed = old ? c.host(1) ?? (c.attribute('scales') as readonly number[] | undefined) : c.host(2);
  const scales = listed?.length ? listed : undefined, sizes = !old && c.host(3)?.length ? c.elements(3) : undefined, roi = old ? [] : c.host(1) ?? [];
  if ((scales ?? sizes)?.length !== axes.length || axes.some((a) => !(shape[a] >= 0))) c.wrong(`[${shape}] has no scales or sizes for the axes ${axes}`);
  const policy = c.text('keep_aspect_ratio_policy', 'stretch'), ratios = sizes ? axes.map((a, i) => sizes[i] / shape[a]) : [];
  const kept = policy === 'stretch' ? undefined : policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return axes.map((axis, i) => {
    const from = shape[axis], to = scales ? Math.floor(from * scales[i]) : kept ? Math.round(kept * from) : sizes![i];
    if (!(Number.isInteger(to) && to >= 0 && from > 0 && from * to <= MOST_WEIGHTS)) c.wrong(`${from} pixels cannot become ${to}`);
    return { axis, from, to, scale: scales ? scales[i] : kept ?? to / from, roi: [roi[i] ?? 0, roi[i + axes.length] ?? 1] };
  });
}

/** The weight of a pixel by its distance, and how far that reaches: a triangle, or Keys' cubic convolution. */
function kernelOf(mode: string, a: number): { reach: number; at: (d: number) => number } {
  if (mode !== 'cubic') return { reach: 1, at: (d) => Math.max(0, 1 - d) };
  return { reach: 2, at: (d) => (d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0) };
}

function resize(c: Call): Value {
  // Up to opset 10 (and in Upsample) there are scales alone, and pixels begin at the same corner.
  const old = c.opset < 11 || c.node.op === 'Upsample';
  const mode = c.text('mode', 'nearest'), how = old ? 'asymmetric' : c.text('coordinate_transformation_mode', 'half_pixel'), crop = how === 'tf_crop_and_resize';
  const round = ROUND[old ? 'floor' : c.text('nearest_mode', 'round_prefer_floor')] ?? c.unsupported('the nearest_mode is not known');
  if (mode !== 'nearest' && mode !== 'linear' && mode !== 'cubic') c.unsupported(`mode ${mode}`);
  const { reach, at: weightAt } = kernelOf(mode, c.number('cubic_coeff_a', -0.75)), excluded = c.number('exclude_outside', 0) !== 0;
  let y: Tensor = mode !== 'nearest' ? toReal(c.x()) : c.x().view(c.x().shape), outside: Tensor | undefined;
  for (const p of plans(c, old)) {
    const at = Array.from({ length: p.to }, (_, o) => coordinate(c, how, p, o)), last = p.from - 1, kept = (i: number): number => Math.min(Math.max(i, 0), last);
    if (crop) {
      const mask = Int32Array.from(at, (s) => Number(s < 0 || s > last)), here = c.device.tensor(mask, [p.to, ...Array<number>(y.rank - 1 - p.axis).fill(1)]);
      outside = outside ? ops.logicalOr(outside, here) : here;
    }
    if (p.from === p.to && at.every((s, o) => s === o)) continue;
    if (mode === 'nearest') {
      y = ops.indexSelect(y, p.axis, c.device.tensor(Int32Array.from(at, (s) => kept(round(s))), [p.to]));
      continue;
    }
    // The kernel over its pixels; without aliasing wider, over as many as a pixel of the result covers.
    const w = new Float32Array(p.from * p.to), narrow = c.number('antialias', 0) ? Math.min(1, p.scale) : 1;
    at.forEach((s, o) => {
      const low = Math.ceil(s - reach / narrow), high = Math.floor(s + reach / narrow), weight = (i: number): number => (excluded && i !== kept(i) ? 0 : weightAt(Math.abs(i - s) * narrow));
      let total = 0;
      for (let i = low; i <= high; i++) total += weight(i);
      for (let i = low; i <= high; i++) w[kept(i) * p.to + o] += weight(i) / (total || 1);
    });
    y = ops.transpose(ops.matmul(ops.transpose(y, p.axis, y.rank - 1), c.device.tensor(w, [p.from, p.to])), p.axis, y.rank - 1);
  }
  if (outside) y = ops.where(outside, c.number('extrapolation_value', 0), y);
  return { type: c.value(0).type, tensor: y.dtype === c.x().dtype ? y : ops.cast(y, c.x().dtype) };
}

export const RESIZE: Record<string, Operator> = { Resize: reads([1, 2, 3], resize), Upsample: reads([1], resize) };
