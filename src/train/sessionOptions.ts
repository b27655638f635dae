// The options, the callbacks and the result of a run.

import type { Device } from '../../runtime/device/device.ts';
import type { Dataset } from '../data/types.ts';
import type { TorchTensor } from '../nn/module.ts';
import type { Scheme } from '../schemes/scheme.ts';
import type { SchemeFactory } from './buildScheme.ts';
import type { Best, Checkpoint } from './checkpoint.ts';
import type { RunConfig } from './config.ts';
import type { PretrainedReport } from './pretrained.ts';
import type { EvalPoint, RunRecord, StepPoint } from './records.ts';
import type { Position, Progress } from './trainer.ts';

export interface SessionHooks {
  onStart?(info: { parameters: number; steps: number; sourceSize: readonly [number, number] }): void;
  /** What each network took of the pretrained weights. */
  onPretrained?(report: PretrainedReport): void;
  /** The memory that one step of a stage takes, known before it runs. */
  onMemory?(stage: string, bytes: number): void;
  onSteps?(points: readonly StepPoint[], progress: Progress): void;
  onEval?(point: EvalPoint, progress: Progress): void;
  onWarning?(message: string): void;
  /**
   * Awaited before each step: pauses the run, or looks at the networks between two steps.
   * @param done steps over all stages
   */
  gate?(scheme: Scheme, at: Position, done: number): Promise<void>;
  /** Saves the state; called where it is consistent. */
  save?(checkpoint: Checkpoint): Promise<void>;
  /**
   * Called after the last step, before the final scores: to keep the weights whatever happens to those.
   * @param step the last one
   */
  onTrained?(weights: Pick<SessionResult, 'last' | 'best' | 'ema' | 'scheme'>, step: number): Promise<void>;
}

export interface SessionOptions {
  device: Device;
  dataset: Dataset;
  config: RunConfig;
  makeScheme: SchemeFactory;
  /** Continues from here. */
  resume?: Checkpoint;
  /** Weights to begin with, by torchvision's or this program's names; the last layer is always drawn at random. */
  pretrained?: ReadonlyMap<string, TorchTensor>;
  /** Seconds between calls of `save` (default 300). */
  saveEvery?: number;
  /**
   * Load the masks of unlabelled images where there are some, to judge pseudo-labels by; they are never trained on
   * (default false).
   */
  judge?: boolean;
  /** Bytes of decoded images that are kept (default 512 MiB). */
  cacheBytes?: number;
  /** Steps between read-backs of the losses (default 10, at most 256). */
  readEvery?: number;
  signal?: AbortSignal;
  hooks?: SessionHooks;
}

/** What a run leaves behind. The scheme's networks are alive until `dispose`. */
export interface SessionResult {
  record: RunRecord;
  scheme: Scheme;
  /** The evaluated network's weights at the end, and at their best on the validation images. */
  last: Map<string, TorchTensor>;
  best: Best | null;
  /** The moving average of the evaluated network's weights at the end; null without one. */
  ema: Map<string, TorchTensor> | null;
  interrupted: boolean;
  dispose(): void;
}
