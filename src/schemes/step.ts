// What a step is recorded with: batches, draws and schedules become inputs of the plan, each with the function that
// fills it for a step.

import { grad } from '../../runtime/autograd/grad.ts';
import type { DeclareInput } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { hyperValues, HYPER_SIZE } from '../../runtime/optim/hyper.ts';
import type { LossScaler } from '../../runtime/optim/lossScaler.ts';
import type { Optimizer } from '../../runtime/optim/optimizer.ts';
import { Rng } from '../../runtime/random.ts';
import type { DType, Shape, Tensor, TensorData } from '../../runtime/tensor.ts';
import type { SourceBatch } from '../data/types.ts';
import { streamOf } from '../nn/module.ts';

/** The moment for which inputs are drawn. */
export interface Moment {
  /** Step within the stage, from 0. */
  step: number;
  /** step / steps of the stage. */
  progress: number;
}

/** A batch that the trainer loads for each step. */
export interface StreamSpec {
  name: string;
  /**
   * 'mixed': labelled images, repeated until they are as many as the others, shuffled with the unlabelled ones that
   * have a label in the scheme's `pseudoLabels`.
   */
  kind: 'labelled' | 'unlabelled' | 'mixed';
  n: number;
}

export interface SourceTensors {
  /** u32 [n, h, w]. */
  texels: Tensor;
  /** i32 [n, 2]. */
  sizes: Tensor;
}

/** Called before each update with its parameters, gradients and hyper-parameters. */
export type GradientWatch = (params: readonly Tensor[], grads: readonly Tensor[], hyper: Tensor) => void;

/** Parameters, and what changes them. */
export type Learner = readonly [params: ReadonlyMap<string, Tensor>, optimizer: Optimizer];

/** Fills an input for a step. `batches`: the images of the step by stream name, with their ids and true sizes. */
export type Draw = (at: Moment, batches: ReadonlyMap<string, SourceBatch>) => TensorData;

/** Names of the inputs of a stream. */
function sourceNames(stream: string): Record<keyof SourceTensors, string> {
  return { texels: `${stream}.texels`, sizes: `${stream}.sizes` };
}

export class StepContext {
  readonly device: Device;
  /** Batches that the step consumes, by stream name. */
  readonly streams: StreamSpec[] = [];
  /** Inputs that are drawn on the host. */
  readonly draws = new Map<string, Draw>();
  readonly sourceSize: readonly [number, number];
  private readonly declare: DeclareInput;
  private readonly seed: number;
  private readonly lr: (at: Moment) => number;
  private readonly scaler: LossScaler | undefined;
  private readonly watch: GradientWatch | undefined;

  /**
   * @param sourceSize height and width to which the images of a batch are padded
   * @param lr the learning rate at a moment
   * @param scaler scales the loss of a step in mixed precision
   * @param watch sees all gradients
   */
  constructor(
    device: Device,
    declare: DeclareInput,
    options: {
      seed: number;
      sourceSize: readonly [number, number];
      lr: (at: Moment) => number;
      scaler?: LossScaler;
      watch?: GradientWatch;
    },
  ) {
    this.device = device;
    this.declare = declare;
    this.seed = options.seed;
    this.sourceSize = options.sourceSize;
    this.lr = options.lr;
    this.scaler = options.scaler;
    this.watch = options.watch;
  }

  /** An input that `draw` fills before each step. */
  input(name: string, shape: Shape, dtype: DType, draw: Draw): Tensor {
    this.draws.set(name, draw);
    return this.declare(name, { shape, dtype });
  }

  /** The random stream that belongs to `name`, at a moment. */
  rng(name: string, at: Moment): Rng {
    return new Rng(this.seed, streamOf(name), at.step);
  }

  /** The decoded images of a stream. */
  source(spec: StreamSpec): SourceTensors {
    this.streams.push(spec);
    const [h, w] = this.sourceSize;
    const names = sourceNames(spec.name);
    return {
      texels: this.declare(names.texels, { shape: [spec.n, h, w], dtype: 'u32' }),
      sizes: this.declare(names.sizes, { shape: [spec.n, 2], dtype: 'i32' }),
    };
  }

  /**
   * All inputs of a step: its batches, and what is drawn for it.
   * @param batches by stream name, one for each of `streams`
   */
  inputs(at: Moment, batches: ReadonlyMap<string, SourceBatch>): Record<string, TensorData> {
    const inputs: Record<string, TensorData> = {};
    for (const { name } of this.streams) {
      const { texels, sizes } = batches.get(name)!;
      const names = sourceNames(name);
      inputs[names.texels] = texels;
      inputs[names.sizes] = sizes;
    }
    for (const [name, draw] of this.draws) inputs[name] = draw(at, batches);
    return inputs;
  }

  /** A scalar that changes from step to step: a ramp, a threshold. */
  scalar(name: string, value: (at: Moment) => number): Tensor {
    return this.input(name, [], 'f32', (at) => Float32Array.of(value(at)));
  }

  /** A seed for random numbers on the GPU. */
  randomSeed(name: string): Tensor {
    return this.input(name, [4], 'u32', ({ step }) => Uint32Array.of(this.seed, streamOf(name), step, 0));
  }

  /** Learning rate, step and EMA decay for the optimisers. */
  hyper(options: { name?: string; emaDecay?: (at: Moment) => number } = {}): Tensor {
    return this.input(options.name ?? 'hyper', [HYPER_SIZE], 'f32', (at) =>
      hyperValues({ lr: this.lr(at), step: at.step + 1, emaDecay: options.emaDecay?.(at) }),
    );
  }

  /**
   * One update of the learners by the gradient of a loss, in one walk: where the graphs of several meet in the loss
   * alone, none sees another's gradient. In mixed precision the gradients of all are finite, or none of them is
   * updated.
   */
  descend(loss: Tensor, learners: readonly Learner[], hyper: Tensor = this.hyper()): void {
    const params = learners.flatMap(([p]) => [...p.values()]);
    const grads = grad(loss, params, { dy: this.scaler?.scale });
    const settings = this.scaler?.unscale(grads, hyper) ?? hyper;
    this.watch?.(params, grads, settings);
    let first = 0;
    for (const [p, optimizer] of learners) optimizer.step(grads.slice(first, (first += p.size)), settings);
  }
}
