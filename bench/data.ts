// The inputs of a case, drawn from its name: every engine gets the same numbers.

import { Rng } from '../runtime/random.ts';
import type { Work } from './cases.ts';

/** An array in PyTorch's layout. */
export interface Data {
  shape: readonly number[];
  data: Float32Array | Int32Array;
  /** The elements lie as NHWC; the shape is NCHW all the same. */
  channelsLast?: boolean;
  /** The elements repeat after so many. */
  period?: number;
}

export type Inputs = Record<string, Data>;

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Padding that keeps a stride-1 convolution's size. */
export const padOf = (kernel: number, dilation: number): number => (dilation * (kernel - 1)) / 2;

/**
 * Names and shapes of the weights of the U-Net and what they are drawn from: std, or the constant of a norm's scale and
 * shift.
 */
export function unetParams(widths: readonly number[], classes: number): { name: string; shape: number[] }[] {
  const out: { name: string; shape: number[] }[] = [];
  const block = (name: string, cin: number, c: number): void => {
    for (const [i, ci] of [cin, c].entries()) {
      out.push(
        { name: `${name}.${i}.conv.weight`, shape: [c, ci, 3, 3] },
        { name: `${name}.${i}.bn.weight`, shape: [c] },
        { name: `${name}.${i}.bn.bias`, shape: [c] },
      );
    }
  };
  widths.forEach((c, i) => block(`enc${i}`, i ? widths[i - 1] : 3, c));
  for (let i = widths.length - 2; i >= 0; i--) block(`dec${i}`, widths[i] + widths[i + 1], widths[i]);
  out.push({ name: 'head.weight', shape: [classes, widths[0], 1, 1] }, { name: 'head.bias', shape: [classes] });
  return out;
}

export function inputsOf(name: string, work: Work): Inputs {
  const rng = new Rng(
    1,
    [...name].reduce((h, c) => (h * 31 + c.charCodeAt(0)) >>> 0, 7),
  );
  const normal = (shape: readonly number[], std = 1): Data => ({
    shape,
    data: Float32Array.from({ length: size(shape) }, () => std * rng.normal()),
  });
  const labels = (shape: readonly number[], classes: number): Data => ({
    shape,
    data: Int32Array.from({ length: size(shape) }, () => Math.floor(rng.uniform(0, classes))),
  });
  const unetWeights = (widths: readonly number[], classes: number): Inputs =>
    Object.fromEntries(
      unetParams(widths, classes).map(({ name: p, shape }): [string, Data] => {
        if (p.endsWith('bn.weight')) return [p, { shape, data: new Float32Array(size(shape)).fill(1) }];
        if (p.endsWith('bias')) return [p, { shape, data: new Float32Array(size(shape)) }];
        return [p, normal(shape, Math.sqrt(2 / size(shape.slice(1))))];
      }),
    );
  switch (work.op) {
    case 'matmul':
      return { a: normal([work.m, work.k]), b: normal([work.k, work.n]) };
    case 'conv': {
      const { n, cin, h, w, cout, kernel, stride, groups, backward } = work;
      const x = normal([n, cin, h, w]);
      const weights = normal([cout, cin / groups, kernel, kernel], 0.1);
      return {
        x,
        w: weights,
        ...(backward && { dy: normal([n, cout, Math.ceil(h / stride), Math.ceil(w / stride)]) }),
      };
    }
    case 'batchNorm': {
      const shape = [work.n, work.c, work.h, work.w];
      return { x: normal(shape), gamma: normal([work.c]), beta: normal([work.c]), dy: normal(shape) };
    }
    case 'predictions':
      return { x: normal([work.n, work.c, work.h, work.w], 2) };
    case 'crossEntropy':
      return { x: normal([work.n, work.c, work.h, work.w], 2), y: labels([work.n, work.h, work.w], work.c) };
    case 'resize': {
      const { n, c, h, w, scale, backward } = work;
      return { x: normal([n, c, h, w]), ...(backward && { dy: normal([n, c, h * scale, w * scale]) }) };
    }
    case 'adds':
      return { x: normal([work.size]), b: normal([work.size], 0.01) };
    case 'unet':
      return {
        ...unetWeights(work.widths, work.classes),
        x: normal([work.n, 3, work.h, work.w]),
        y: labels([work.n, work.h, work.w], work.classes),
      };
    case 'deeplab':
      return { x: normal([work.n, 3, work.h, work.w]), y: labels([work.n, work.h, work.w], work.classes) };
    case 'scheme':
      return {};
    case 'epoch':
      return unetWeights([16, 32, 64, 128], work.classes);
  }
}

/** NHWC <- NCHW. */
export function toNhwc(x: Data): Data {
  const [n, c, h, w] = x.shape;
  if (x.channelsLast) return { shape: [n, h, w, c], data: x.data };
  const data = new Float32Array(x.data.length);
  for (let i = 0, b = 0; b < n; b++)
    for (let k = 0; k < c; k++) for (let p = 0; p < h * w; p++) data[(b * h * w + p) * c + k] = x.data[i++];
  return { shape: [n, h, w, c], data };
}

/** NCHW <- NHWC, of the values alone. */
export function fromNhwc(data: ArrayLike<number>, [n, h, w, c]: readonly number[]): Float32Array {
  const out = new Float32Array(data.length);
  for (let i = 0, b = 0; b < n; b++)
    for (let p = 0; p < h * w; p++) for (let k = 0; k < c; k++) out[(b * c + k) * h * w + p] = data[i++];
  return out;
}

/** HWIO <- OIHW. */
export function toHwio(x: Data): Data {
  const [o, i, h, w] = x.shape;
  const data = new Float32Array(x.data.length);
  for (let at = 0, a = 0; a < o; a++)
    for (let b = 0; b < i; b++) for (let p = 0; p < h * w; p++) data[(p * i + b) * o + a] = x.data[at++];
  return { shape: [h, w, i, o], data };
}

/** OIHW <- HWIO, of the values alone. */
export function fromHwio(data: ArrayLike<number>, [h, w, i, o]: readonly number[]): Float32Array {
  const out = new Float32Array(data.length);
  for (let at = 0, p = 0; p < h * w; p++)
    for (let b = 0; b < i; b++) for (let a = 0; a < o; a++) out[(a * i + b) * h * w + p] = data[at++];
  return out;
}

/** Where an element of NCHW lies in NHWC. @param at its place in NCHW @param shape of NHWC */
export function nhwcPlace(at: number, [, h, w, c]: readonly number[]): number {
  const p = at % (h * w);
  const k = Math.floor(at / (h * w));
  return (Math.floor(k / c) * h * w + p) * c + (k % c);
}

/** Where an element of OIHW lies in HWIO. @param at its place in OIHW @param shape of HWIO */
export function hwioPlace(at: number, [h, w, i, o]: readonly number[]): number {
  const p = at % (h * w);
  const k = Math.floor(at / (h * w));
  return (p * i + (k % i)) * o + Math.floor(k / i);
}
