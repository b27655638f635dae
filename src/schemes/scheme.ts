// The interface between schemes and the trainer. A scheme is one or more stages; a stage is a step that is recorded
// once and replayed.

import type { Device } from '../../runtime/device/device.ts';
import type { FileTensor } from '../../runtime/io/safetensors.ts';
import type { Optimizer } from '../../runtime/optim/optimizer.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { EnsembleConfig } from '../nn/ensemble.ts';
import type { Network, ParameterSet } from '../nn/module.ts';
import type { Moment, StepContext } from './step.ts';

/** What a step returns; all of it can be read after a replay. */
export interface StepOutputs {
  /** The loss that is minimised. */
  loss: Tensor;
  /** Its parts, scalars. */
  terms?: Record<string, Tensor>;
  /** Counts of pseudo-labels (see pseudoLabelCounts), cleared by the trainer when it reads them. */
  counts?: Tensor;
  /**
   * Values that the host learns from: read after each step and applied before the next one is drawn. Costs a wait for
   * the GPU in each step.
   */
  feedback?: { values: Tensor; apply(values: Float32Array, at: Moment): void };
}

/** A label map for an image of the data set, at its own size: a pseudo-label that is kept on the host. */
export interface LabelMap {
  height: number;
  width: number;
  labels: Uint8Array;
}

/** What the trainer does for a stage that prepares itself from the state of the networks. */
export interface StageServices {
  /**
   * Calls `visit` with the most likely classes of every unlabelled image (those that also have labels are left out) and
   * their averaged probabilities, predicted by `network` in evaluation mode with test-time augmentation; p
   * [h, w, classes] where `probabilities` are asked for. The order of the images is fixed but not theirs in the list.
   */
  predictUnlabelled(
    network: Network,
    options: PredictOptions,
    visit: (id: string, map: LabelMap, confidence: Float32Array, p?: Float32Array) => void,
  ): Promise<void>;
  /**
   * Writes into `network` the weights that were best on the validation set in an earlier stage (one with `keepBest`).
   * @returns false where there are none: no validation set, or no evaluation
   */
  loadBest?(network: Network, stage: number): Promise<boolean>;
}

export interface PredictOptions {
  /** Factors for the size of the image; the probabilities are averaged over them. */
  scales: readonly number[];
  /** Also predict the mirrored image. */
  flip: boolean;
  /** Only these of the unlabelled images. */
  ids?: ReadonlySet<string>;
  /** Also hand over the averaged probabilities of all classes. */
  probabilities?: boolean;
  /** Also predict the labelled images. */
  labelled?: boolean;
}

export interface Stage {
  readonly name: string;
  /** Steps of this stage. */
  readonly steps: number;
  /** What is evaluated during this stage, where it is not the scheme's `evaluated`. */
  readonly evaluated?: Network;
  /** A later stage asks for this one's best weights (`StageServices.loadBest`): the trainer keeps them. */
  readonly keepBest?: boolean;
  /**
   * How `prepare` has unlabelled images predicted: whether that fits into the memory is found out before the run
   * begins.
   */
  readonly predicts?: PredictOptions;
  /**
   * Runs before the first step of the stage, again when a run is resumed there: it may change networks and
   * `pseudoLabels`, and gives the same each time.
   */
  prepare?(services: StageServices): Promise<void>;
  /**
   * Runs before every step whose number is a multiple of `steps`, again when a run is resumed there: what it changes on
   * the host must only depend on the state before.
   * @param round step / steps
   */
  readonly every?: { readonly steps: number; run(services: StageServices, round: number): Promise<void> };
  /** Called after each step has been sent to the GPU: copies of networks. */
  afterStep?(step: number): void;
  /** Records one step: views, forward passes, losses, gradients, update. */
  record(ctx: StepContext): StepOutputs;
}

export interface Scheme {
  readonly name: string;
  /**
   * The scheme needs unlabelled images. Those that also have a label do not count where the scheme keeps pseudo-labels
   * on the host.
   */
  readonly needsUnlabelled: boolean;
  /** Every network, and what is trained beside them, in the order in which they are saved. */
  readonly networks: ReadonlyMap<string, ParameterSet>;
  readonly optimizers: ReadonlyMap<string, Optimizer>;
  readonly stages: readonly Stage[];
  /** The network whose predictions count. */
  readonly evaluated: Network;
  /** Where several networks are evaluated as one: how many, and how they vote. */
  readonly ensemble?: EnsembleConfig;
  /**
   * The pseudo-labels that the scheme would give images, and where it would accept them (default: everywhere), in
   * evaluation mode: for looking at. Where this is absent they are the predictions of the evaluated network.
   * @param x [n, h, w, 3], standardized
   * @returns i32 [n, h, w], f32 [n, h, w]
   */
  label?(x: Tensor): { label: Tensor; accepted?: Tensor };
  /**
   * Labels for unlabelled images, by id, where the scheme keeps them on the host; saved with a checkpoint and restored
   * before the run continues.
   */
  readonly pseudoLabels?: Map<string, LabelMap>;
  /** Arrays that the scheme keeps on the host, saved with a checkpoint and restored before the run continues. */
  readonly hostTensors?: Map<string, FileTensor>;
  /** What else lives on the host and belongs into a checkpoint; plain JSON. */
  readonly hostState?: { save(): unknown; load(state: unknown): void };
  dispose(): void;
}

/** Everything a scheme is built from. */
export interface SchemeContext {
  readonly device: Device;
  readonly numClasses: number;
  /** Size of the training crops. */
  readonly crop: readonly [number, number];
  /** Images of a labelled and of an unlabelled batch. */
  readonly batch: { labelled: number; unlabelled: number };
  readonly steps: number;
  readonly seed: number;
  /** Ids of the labelled and of the unlabelled images, where they are known. */
  readonly labelled?: readonly string[];
  readonly unlabelled?: readonly string[];
  /** The loss of labelled pixels (default: cross-entropy over the valid ones): logits [..., C], labels [...] i32. */
  labelledLoss?(logits: Tensor, labels: Tensor): Tensor;
  /** A new network; the same `draw` gives the same initial weights in every scheme of a comparison. */
  network(draw: number): Network;
  /** @param isHead says which parameters take the learning rate of heads */
  optimizer(params: ReadonlyMap<string, Tensor>, isHead: (name: string) => boolean): Optimizer;
}
