// The interface between schemes and the trainer. A scheme is one or more stages; a stage is a step that is recorded once and replayed.

import type { Device } from '../../runtime/device/device.ts';
import type { Optimizer } from '../../runtime/optim/optimizer.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { Network } from '../nn/module.ts';
import type { StepContext } from './step.ts';

/** What a step returns; all of it can be read after a replay. */
export interface StepOutputs {
  /** The loss that is minimised. */
  loss: Tensor;
  /** Its parts, scalars. */
  terms?: Record<string, Tensor>;
  /** Counts of pseudo-labels (see pseudoLabelCounts), cleared by the trainer when it reads them. */
  counts?: Tensor;
}

/** A label map for an image of the data set, at its own size: a pseudo-label that is kept on the host. */
export interface LabelMap {
  height: number;
  width: number;
  labels: Uint8Array;
}

/** What the trainer does for a stage that prepares itself from the state of the networks. */
export interface StageServices {
  /** Calls `visit` with the averaged class probabilities of every unlabelled image, predicted by `network` with test-time augmentation. */
  predictUnlabelled(network: Network, options: { scales: readonly number[]; flip: boolean }, visit: (id: string, map: LabelMap, confidence: Float32Array) => void): Promise<void>;
}

export interface Stage {
  readonly name: string;
  /** Steps of this stage. */
  readonly steps: number;
  /** Runs before the first step of the stage; returns labels to use for unlabelled images from now on. */
  prepare?(services: StageServices): Promise<void>;
  /** Records one step: views, forward passes, losses, gradients, update. */
  record(ctx: StepContext): StepOutputs;
}

export interface Scheme {
  readonly name: string;
  /** Every network, in the order in which they are saved. */
  readonly networks: ReadonlyMap<string, Network>;
  readonly optimizers: ReadonlyMap<string, Optimizer>;
  readonly stages: readonly Stage[];
  /** The network whose predictions count. */
  readonly evaluated: Network;
  /** Labels for unlabelled images, by id, where the scheme keeps them on the host. */
  readonly pseudoLabels?: ReadonlyMap<string, LabelMap>;
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
  /** A new network; the same `draw` gives the same initial weights in every scheme of a comparison. */
  network(draw: number): Network;
  /** @param isHead says which parameters take the learning rate of heads */
  optimizer(params: ReadonlyMap<string, Tensor>, isHead: (name: string) => boolean): Optimizer;
}
