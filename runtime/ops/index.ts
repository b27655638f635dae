// Every operation, one export line each.

export * from './activation.ts';
export * from './affineGrid.ts';
export * from './argmax.ts';
export * from './attention.ts';
export * from './avgPool2d.ts';
export * from './batchNorm.ts';
export * from './binary.ts';
export * from './bincount.ts';
export { cast } from './cast.ts';
export * from './compare.ts';
export * from './conv1d.ts';
export {
  conv2d,
  convTranspose2d,
  type Conv2dOptions,
  type ConvTranspose2dOptions,
  type Padding,
  type Pair,
} from './conv2d/index.ts';
export * from './crossEntropy.ts';
export * from './cumsum.ts';
export * from './dice.ts';
export * from './dropout.ts';
export * from './einsum.ts';
export * from './fill.ts';
export * from './gather/index.ts';
export * from './globalAvgPool.ts';
export * from './gridSample.ts';
export * from './groupNorm.ts';
export * from './interpolate.ts';
export * from './linear.ts';
export * from './logsumexp.ts';
export type { Denominator } from './lossReduce.ts';
export { matmul, type MatmulOptions } from './matmul.ts';
export * from './maxPool2d.ts';
export * from './norm.ts';
export * from './oneHot.ts';
export * from './pairLoss.ts';
export { bernoulli, normal, uniform } from './random.ts';
export { all, amax, amin, any, mean, prod, sum, type ReduceOptions } from './reduce.ts';
export * from './reshape.ts';
export { resizeBilinear, type Coordinates, type ResizeOptions } from './resizeBilinear.ts';
export * from './resizeNearest.ts';
export * from './softCrossEntropy.ts';
export * from './softmax.ts';
export { argsort, sort, topk, type Picked } from './sort.ts';
export {
  expand,
  flip,
  permute,
  pixelShuffle,
  pixelUnshuffle,
  repeat,
  repeatInterleave,
  roll,
  transpose,
} from './strided/index.ts';
export type { Rule } from './strided/layout.ts';
export * from './sumTo.ts';
export * from './triangle.ts';
export * from './unary.ts';
export * from './unfold.ts';
export * from './variance.ts';
export * from './weightedSum.ts';
export * from './where.ts';
export * from './window.ts';
