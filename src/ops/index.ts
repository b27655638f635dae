// The operations that only segmentation uses: pseudo-labels and their gates, counts of classes, consistency of
// predictions. Their shaders are in shaders/segmentation.

export * from './channelMax.ts';
export * from './classThreshold.ts';
export * from './confusion.ts';
export * from './fuse.ts';
export * from './maskPairs.ts';
export * from './normaliseMaps.ts';
export * from './orderStatistic.ts';
export * from './pseudoLabel.ts';
export * from './softmaxMse.ts';
