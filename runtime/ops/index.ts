// Every operation, one export line each.

export * from './binary.ts';
export * from './confusion.ts';
export * from './crossEntropy.ts';
export * from './fill.ts';
export * from './lossReduce.ts';
export * from './orderStatistic.ts';
export * from './pairLoss.ts';
export * from './pseudoLabel.ts';
export * from './softCrossEntropy.ts';
export * from './unary.ts';
