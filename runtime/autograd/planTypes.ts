// What a plan takes and gives.

import type { DType, Shape, Tensor } from '../tensor.ts';

/** Shapes and dtypes of a plan's inputs, by name. */
export type InputSpec = Record<string, { shape: Shape; dtype?: DType }>;
/** The inputs of a plan as its body gets them: each of the dtype that was said, f32 where none was. */
export type PlanInputs<S extends InputSpec> = {
  readonly [K in keyof S]: Tensor<S[K]['dtype'] extends infer D extends DType ? D : 'f32'>;
};
/** Makes a further input while the body is being recorded. */
export type DeclareInput = (name: string, spec: { shape: Shape; dtype?: DType }) => Tensor;
/** Results of a plan, by name. */
export type PlanOutputs = Record<string, Tensor>;

/** What a plan needs of the GPU. */
export interface PlanMemory {
  /** Bytes of the plan's own buffers: inputs, outputs and everything between, after reuse. */
  bytes: number;
  /** Number of those buffers. */
  buffers: number;
  /** What the same tensors would take without reuse. */
  withoutReuse: number;
}
