// Every operation, one export line each.

export * from './batchNorm.ts';
export * from './binary.ts';
export * from './confusion.ts';
export * from './conv2d.ts';
export * from './crossEntropy.ts';
export * from './dice.ts';
export * from './fill.ts';
export * from './fuse.ts';
export * from './globalAvgPool.ts';
export * from './lossReduce.ts';
export * from './matmul.ts';
export * from './maxPool2d.ts';
export * from './orderStatistic.ts';
export * from './pairLoss.ts';
export * from './pseudoLabel.ts';
export * from './resizeBilinear.ts';
export * from './softCrossEntropy.ts';
export * from './softmax.ts';
export * from './softmaxMse.ts';
export * from './sumToLast.ts';
export * from './unary.ts';
export * from './weightedSum.ts';
export * from './window.ts';
