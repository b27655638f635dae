// A scheme on a few small scenes of the built-in data set.

import { plan, type Plan } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { SampleCache } from '../../src/data/batch.ts';
import { createSynthetic } from '../../src/data/synthetic.ts';
import type { Dataset, SourceBatch } from '../../src/data/types.ts';
import type { Network } from '../../src/nn/module.ts';
import { UNet } from '../../src/nn/unet.ts';
import type { Scheme, SchemeContext } from '../../src/schemes/scheme.ts';
import { StepContext } from '../../src/schemes/step.ts';
import { openStreams } from '../../src/train/streams.ts';

export const HEIGHT = 32;
export const WIDTH = 48;

export const scenes = (): Dataset =>
  createSynthetic({ seed: 5, height: HEIGHT, width: WIDTH, train: 12, labelled: 4, val: 2, test: 2 });

export interface SmallOptions {
  network?: (device: Device, classes: number, seed: number) => Network;
  batch?: { labelled: number; unlabelled: number };
  steps?: number;
  lr?: number;
}

/** Small networks, plain SGD with momentum. */
export function smallContext(device: Device, o: SmallOptions = {}): SchemeContext {
  const classes = scenes().numClasses;
  const network = o.network ?? ((d, numClasses, seed) => new UNet(d, { numClasses, width: 6, depth: 3, seed }));
  return {
    device,
    numClasses: classes,
    crop: [HEIGHT, WIDTH],
    batch: o.batch ?? { labelled: 2, unlabelled: 2 },
    steps: o.steps ?? 10,
    seed: 1,
    network: (draw) => network(device, classes, draw),
    optimizer: (params) => new Sgd(params, { momentum: 0.9, weightDecay: 1e-4 }),
  };
}

/** A step that is replayed by hand. */
export class HandStep<O extends Record<string, Tensor>> {
  readonly plan: Plan<O>;
  private context!: StepContext;
  private readonly sources;

  constructor(
    device: Device,
    record: (ctx: StepContext) => O,
    options: { judge?: boolean; lr?: number; scheme?: Pick<Scheme, 'pseudoLabels'> } = {},
  ) {
    this.plan = plan(device, {}, (_, declare) => {
      this.context = new StepContext(device, declare, {
        seed: 1,
        sourceSize: [HEIGHT, WIDTH],
        lr: () => options.lr ?? 0.02,
      });
      return record(this.context);
    });
    const dataset = scenes();
    const open = openStreams({
      dataset,
      cache: new SampleCache(dataset),
      scheme: options.scheme ?? {},
      seed: 1,
      size: [HEIGHT, WIDTH],
      judge: options.judge,
    });
    this.sources = this.context.streams.map((spec) => ({ spec, source: open(spec, 0) }));
  }

  /** Replays a step. */
  async run(step: number, steps = 10): Promise<O> {
    const batches = new Map<string, SourceBatch>();
    for (const { spec, source } of this.sources) batches.set(spec.name, await source.batch(step));
    return this.plan.run(this.context.inputs({ step, progress: step / steps }, batches));
  }

  dispose(): void {
    this.plan.dispose();
  }
}
