// Some elements of a product or a convolution in float64, straight from the definition: what an engine's are held
// against, with PyTorch or without.

import type { Case, Work } from './cases.ts';
import { padOf, type Data, type Inputs } from './data.ts';

type Of<K extends Work['op']> = Extract<Work, { op: K }>;

/** Elements of each output that are looked at; of a weight gradient fewer, since each is a sum over all pixels. */
const SAMPLES = 1024;
const FEW = 12;

/** `count` places among `size`, the same each time, the first and the last among them. */
function places(size: number, count: number): Int32Array {
  const step = 0.6180339887498949; // the golden section spreads them evenly
  return Int32Array.from({ length: Math.min(size, count) }, (_, i, n = Math.min(size, count)) =>
    i === n - 1 ? size - 1 : Math.floor(((i * step) % 1) * size),
  );
}

/** An element of an image by NCHW indices. */
function reader({
  shape: [, c, h, w],
  data,
  channelsLast,
}: Data): (b: number, k: number, y: number, x: number) => number {
  return channelsLast
    ? (b, k, y, x) => data[((b * h + y) * w + x) * c + k]
    : (b, k, y, x) => data[((b * c + k) * h + y) * w + x];
}

/** NCHW indices of a place. */
const indices = (at: number, [, c, h, w]: readonly number[]): [number, number, number, number] => [
  Math.floor(at / (c * h * w)),
  Math.floor(at / (h * w)) % c,
  Math.floor(at / w) % h,
  at % w,
];

function product({ k, n, m }: Of<'matmul'>, { a, b }: Inputs): Sampled {
  const at = places(m * n, SAMPLES);
  const values = Float64Array.from(at, (p) => {
    const row = Math.floor(p / n) * k;
    const column = p % n;
    let sum = 0;
    for (let i = 0; i < k; i++) sum += a.data[row + i] * b.data[i * n + column];
    return sum;
  });
  return { at: [at], values: [values] };
}

function convolution(work: Of<'conv'>, inputs: Inputs): Sampled {
  const { n, cin, h, w, cout, kernel, stride, dilation, groups, backward } = work;
  const pad = padOf(kernel, dilation);
  const oh = Math.ceil(h / stride);
  const ow = Math.ceil(w / stride);
  const ci = cin / groups;
  const co = cout / groups;
  const x = reader(inputs.x);
  const weight = reader(inputs.w);
  /** y[b, o, i, j] = sum over c, r, s of x[b, c, i stride - pad + r dilation, ...] w[o, c, r, s] */
  const y = (b: number, o: number, i: number, j: number): number => {
    let sum = 0;
    for (let r = 0; r < kernel; r++) {
      for (let s = 0; s < kernel; s++) {
        const yy = i * stride - pad + r * dilation;
        const xx = j * stride - pad + s * dilation;
        if (yy < 0 || yy >= h || xx < 0 || xx >= w) continue;
        for (let c = 0; c < ci; c++) sum += x(b, Math.floor(o / co) * ci + c, yy, xx) * weight(o, c, r, s);
      }
    }
    return sum;
  };
  const shapes = [
    [n, cout, oh, ow],
    [n, cin, h, w],
    [cout, ci, kernel, kernel],
  ];
  const of = (
    shape: readonly number[],
    count: number,
    value: (b: number, k: number, i: number, j: number) => number,
  ): [Int32Array, Float64Array] => {
    const at = places(
      shape.reduce((a, b) => a * b, 1),
      count,
    );
    return [at, Float64Array.from(at, (p) => value(...indices(p, shape)))];
  };
  const all = [of(shapes[0], SAMPLES, y)];
  if (backward) {
    const dy = reader(inputs.dy);
    /** dx[b, c, i, j]: the sum over the outputs that look at this pixel. */
    const dx = (b: number, c: number, i: number, j: number): number => {
      let sum = 0;
      for (let r = 0; r < kernel; r++) {
        for (let s = 0; s < kernel; s++) {
          const oy = (i + pad - r * dilation) / stride;
          const ox = (j + pad - s * dilation) / stride;
          if (!Number.isInteger(oy) || !Number.isInteger(ox) || oy < 0 || oy >= oh || ox < 0 || ox >= ow) continue;
          const g = Math.floor(c / ci);
          for (let o = g * co; o < (g + 1) * co; o++) sum += dy(b, o, oy, ox) * weight(o, c % ci, r, s);
        }
      }
      return sum;
    };
    /** dw[o, c, r, s]: the sum over all pixels of dy. */
    const dw = (o: number, c: number, r: number, s: number): number => {
      const channel = Math.floor(o / co) * ci + c;
      let sum = 0;
      for (let b = 0; b < n; b++) {
        for (let i = 0; i < oh; i++) {
          const yy = i * stride - pad + r * dilation;
          if (yy < 0 || yy >= h) continue;
          for (let j = 0; j < ow; j++) {
            const xx = j * stride - pad + s * dilation;
            if (xx >= 0 && xx < w) sum += x(b, channel, yy, xx) * dy(b, o, i, j);
          }
        }
      }
      return sum;
    };
    all.push(of(shapes[1], SAMPLES, dx), of(shapes[2], FEW, dw));
  }
  return { at: all.map(([at]) => at), values: all.map(([, values]) => values) };
}

export interface Sampled {
  /** Places in PyTorch's layouts, a list for each output. */
  at: Int32Array[];
  values: Float64Array[];
}

/** Elements of what a case computes; null for a case that is neither a product nor a convolution. */
export function sampledReference({ work }: Case, inputs: Inputs): Sampled | null {
  return work.op === 'matmul' ? product(work, inputs) : work.op === 'conv' ? convolution(work, inputs) : null;
}
