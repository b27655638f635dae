// Kernels with workgroup memory, on tiny shapes, for the race detector.

import type { RaceCase } from '../support/races.ts';

const numbers = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(1 + i));
const ids = (n: number, c: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i % c);

const N = 13;
const C = 3;
const pair = { classWeights: numbers(C), pixelWeight: numbers(N), scalar: numbers(1), partials: numbers(4) };
const watched = { a: numbers(N), b: numbers(1), c: numbers(8), d: numbers(3), e: numbers(1) };
const chunk = { n: N, c: C, items: 2 };

/** Longer than the tensors: the detector has no bounds that hold loads whose result is thrown away. */
const long = (n: number): Float32Array => numbers(n + 1024);
const tiles = { WG: 4, TX: 2, CB: 1, PX: 4 };
const convolution = {
  x_size: [1, 3, 3, 4],
  y_size: [1, 3, 3, 8],
  kernel: [3, 1, 4, 8],
  stride: [1, 1],
  pad: [1, 0],
  dilation: [1, 1],
  bias: 0,
  chunk: 9,
  chunks: 1,
};
const grouped = { n: 2, pixels: 3, groups: 2, width: 2, channels: 4, chunk: 2, chunks: 2, eps: 1e-5 };
const reduced = {
  n: 13,
  k: 2,
  kept_size: [1, 1, 1, 2],
  kept_stride: [0, 0, 0, 13],
  reduced_size: [1, 1, 1, 13],
  reduced_stride: [0, 0, 0, 1],
  scale: 1,
  p: 1,
};

/** Kernels whose barriers the detector would miss. */
export const CASES: readonly RaceCase[] = [
  {
    shader: 'lossReduce',
    entry: 'forward',
    constants: { WG: 8 },
    data: { partials: numbers(40), scalar: numbers(1), y: numbers(1), inverse: numbers(1) },
    params: { n: 20, fixed: 0, empty: 0 },
  },
  {
    shader: 'crossEntropy',
    entry: 'forward',
    constants: { WG: 8 },
    data: { ...pair, logits: numbers(N * C), labels: ids(N, C) },
    params: { ...chunk, ignore: 255, smoothing: 0, focal: 0, count: 1 },
  },
  {
    shader: 'softCrossEntropy',
    entry: 'forward',
    constants: { WG: 8 },
    data: { ...pair, logits: numbers(N * C), targets: numbers(N * C) },
    params: { ...chunk, smoothing: 0, count: 1 },
  },
  {
    shader: 'pairLoss',
    entry: 'forward',
    constants: { WG: 8 },
    data: { ...pair, a: numbers(N), b: numbers(N) },
    params: { ...chunk, c: 1, share: 1, beta: 1 },
  },
  {
    shader: 'softmaxMse',
    entry: 'forward',
    constants: { WG: 8 },
    data: { ...pair, logits: numbers(N * C), targets: numbers(N * C) },
    params: { ...chunk, share: 1 },
  },
  {
    shader: 'fuse',
    entry: 'squares',
    constants: { WG: 8 },
    data: { a: numbers(N), b: numbers(N), partials: numbers(2) },
    params: { ...chunk, count: 26, gamma: 0.5, power: 2 },
  },
  {
    shader: 'fuse',
    entry: 'finish',
    constants: { WG: 8 },
    data: { partials: numbers(N), norm: numbers(1) },
    params: { ...chunk, count: 26, gamma: 0.5, power: 2 },
  },
  {
    shader: 'dice',
    entry: 'finish',
    constants: { WG: 8 },
    data: { partials: numbers(2 * 11 * 4), y: numbers(1), scores: numbers(22) },
    params: { n: N, c: 11, ignore: 255, smoothing: 1, chunk: 8, chunks: 2 },
  },
  {
    shader: 'gradNorm',
    entry: 'squares',
    constants: { WG: 8 },
    data: { dw: numbers(N), hyper: numbers(8), partials: numbers(2) },
    params: { n: N, items: 2, first: 0, most: 1 },
  },
  {
    shader: 'gradNorm',
    entry: 'finish',
    constants: { WG: 8 },
    data: { partials: numbers(N), norm: numbers(1), coefficient: numbers(1) },
    params: { n: N, items: 2, first: 0, most: 1 },
  },
  {
    shader: 'watch',
    entry: 'gradients',
    constants: { WG: 8 },
    groups: 4,
    params: { n: [13, 0, 8, 3], last: 0, first: 0, part: 0 },
    data: { ...watched, hyper: numbers(8), partials: new Float32Array(4), state: new Uint32Array(8) },
  },
  {
    shader: 'watch',
    entry: 'norm',
    constants: { WG: 8 },
    params: { n: [0, 0, 0, 0], last: 0, first: 0, part: 13 },
    data: { ...watched, hyper: numbers(8), partials: numbers(N), state: new Uint32Array(8) },
  },
  {
    shader: 'pseudoLabel',
    entry: 'share',
    constants: { WG: 8 },
    data: { valid: numbers(N), gates: numbers(N), partials: numbers(2) },
    params: { ...chunk, ignore: 255, tau: 0 },
  },
  {
    shader: 'proximity',
    entry: 'forward',
    constants: { WG: 8 },
    data: { logits: numbers(N * C), labels: ids(N, C), y: numbers(1) },
    params: { pixels: N, c: C, ignore: 255 },
  },
  {
    shader: 'normaliseMaps',
    entry: 'forward',
    constants: { WG: 8, MIN_MAX: true },
    data: { x: numbers(2 * N), present: numbers(2), y: new Float32Array(2 * N) },
    params: { pixels: N, c: 2 },
  },
  {
    shader: 'argmax',
    entry: 'rows',
    constants: { WG: 8, TYPE: 2 },
    data: {
      x: Uint32Array.from({ length: 26 }, (_, i) => (i * 7919) % 101),
      candidates: new Uint32Array(1),
      index: new Uint32Array(4),
      y: new Uint32Array(4),
    },
    params: { lines: 2, n: 13, inner: 1, count: 13, chunk: 13, chunks: 1 },
  },
  {
    shader: 'conv2dTiles',
    entry: 'forward',
    constants: tiles,
    data: { x: long(36), w: long(96), b: long(8), y: long(72) },
    params: convolution,
    groups: 2,
  },
  {
    shader: 'conv2dTiles',
    entry: 'weightGrad',
    constants: tiles,
    data: { x: long(36), dy: long(72), parts: long(96) },
    params: convolution,
    groups: 2,
  },
  {
    shader: 'groupNorm',
    entry: 'statistics',
    constants: { WG: 8, LANES: 4 },
    data: { x: numbers(24), parts: numbers(16) },
    params: grouped,
    groups: 4,
  },
  {
    shader: 'groupNorm',
    entry: 'gradSums',
    constants: { WG: 8, LANES: 4 },
    data: { x: numbers(24), gamma: numbers(4), stats: numbers(8), dy: numbers(24), parts: numbers(16) },
    params: grouped,
    groups: 4,
  },
  {
    shader: 'reduce',
    entry: 'rows',
    constants: { WG: 8 },
    data: { x: numbers(26), m: numbers(2), y: new Float32Array(4) },
    params: { ...reduced, chunk: 13, chunks: 1 },
  },
  {
    shader: 'reduce',
    entry: 'rows',
    constants: { WG: 8 },
    data: { x: numbers(26), m: numbers(2), y: new Float32Array(4) },
    params: { ...reduced, chunk: 10, chunks: 2 },
    groups: 4,
  },
  {
    shader: 'softmax',
    entry: 'forwardWide',
    constants: { WG: 8 },
    data: { x: numbers(26), y: new Float32Array(26) },
    params: { rows: 2, c: 13, scale: 1, inner: 1 },
    groups: 2,
  },
  {
    shader: 'softmax',
    entry: 'backwardWide',
    constants: { WG: 8 },
    data: { y_in: numbers(26), dy: numbers(26), dx: new Float32Array(26) },
    params: { rows: 2, c: 13, scale: 1, inner: 1 },
    groups: 2,
  },
];

/**
 * Counts by atomics: without their barrier the values are wrong, but the accesses stay atomic, and the detector has
 * nothing to notice.
 */
export const ATOMIC: readonly RaceCase[] = [
  {
    shader: 'confusion',
    entry: 'forward',
    constants: { WG: 8, LOCAL: 16 },
    data: { truth: ids(N, C), prediction: ids(N, C), counts: new Uint32Array(C * C) },
    params: { ...chunk, ignore: 255 },
  },
  {
    shader: 'pseudoLabel',
    entry: 'stats',
    constants: { WG: 8, LOCAL: 16 },
    data: { labels: ids(N, C), gates: numbers(N), truth: ids(N, C), counts: new Uint32Array(4 + C) },
    params: { ...chunk, ignore: 255, tau: 0 },
  },
  {
    shader: 'oneHot',
    entry: 'present',
    constants: { WG: 8, LOCAL: 16 },
    data: { labels: ids(N, C), weight: numbers(N), y: numbers(C) },
    params: { n: N, c: C, only: -1 },
  },
  {
    shader: 'tone',
    entry: 'histogram',
    constants: { WG: 8 },
    params: { n: 1, pixels: N, slot: 0, slots: 1, groups: 1, items: 2 },
    data: {
      table: Int32Array.from({ length: 16 }, (_, i) => (i === 0 ? 2 : 0)),
      x: Uint32Array.from({ length: N }, (_, i) => i * 70707),
      counts: new Uint32Array(1024),
    },
  },
  {
    shader: 'bincount',
    entry: 'forward',
    constants: { WG: 8, LOCAL: 16 },
    data: { x: Uint32Array.from({ length: N }, (_, i) => i % 4), y: new Uint32Array(3) },
    params: { n: N, bins: 3, items: 2 },
  },
  {
    shader: 'classThreshold',
    entry: 'sums',
    constants: { WG: 8, LOCAL: 16 },
    data: { labels: ids(N, C), confidence: numbers(N).map(Math.abs), partials: new Uint32Array(6) },
    params: { n: N, c: C, items: 2, groups: 1, decay: 0.9, tau: 0.8 },
  },
  {
    shader: 'orderStatistic',
    entry: 'histogram',
    constants: { WG: 8 },
    data: { x: numbers(N), valid: numbers(N), bins: new Uint32Array(256), state: new Uint32Array(6) },
    params: { n: N, items: 2, shift: 24, rank: 3, share: -1 },
  },
];
