// All operations: those of the engine, and those of segmentation.

export * from '../../runtime/ops/index.ts';
export * from '../../src/ops/index.ts';
