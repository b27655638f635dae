// What the benchmark asks of an engine.

import type { Case } from './cases.ts';
import type { Inputs } from './data.ts';
import type { HostTimes } from './host.ts';

export type EngineName = 'fewmask' | 'tfjs' | 'jax-js' | 'onnxruntime-web' | 'pytorch-cpu' | 'pytorch-cuda';

/** One case, ready to run on one engine: inputs are on the device, shaders compiled at the first run. */
export interface Job {
  /**
   * Queues the work `times` times and waits until all of it is done.
   * @returns seconds of CPU of another process that did the work, where one did
   */
  run(times: number): Promise<number | void>;
  /**
   * What the case computes, in PyTorch's layouts: y, then the gradients in the order of the inputs; for a training step
   * the losses of the first steps.
   */
  outputs(): Promise<Float32Array[]>;
  /**
   * Elements of what the case computes, by their places in PyTorch's layouts, one list for each output: for outputs too
   * large to be fetched.
   */
  sampled?(at: readonly Int32Array[]): Promise<Float32Array[]>;
  /** Most bytes of the GPU that the last run held, where the engine counts them itself. */
  peakBytes?(): number;
  /** What a step costs the calling thread, where steps are replayed. */
  host?(): Promise<HostTimes>;
  dispose(): void;
}

export interface Engine {
  readonly name: EngineName;
  readonly version: string;
  /** Builds a case. @returns null where the engine has no such thing, which `why` tells */
  build(c: Case, inputs: Inputs): Promise<Job | { why: string }>;
  close(): void;
}
