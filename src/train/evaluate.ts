// Whole images through a network in evaluation mode, added up in one confusion matrix.

import { Plan } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { addConfusion, confusionCounts, pseudoLabel } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { view } from '../augment/gpu/view.ts';
import { identityViews } from '../augment/weak.ts';
import { pack } from '../data/batch.ts';
import type { Sample } from '../data/types.ts';
import { EVAL, type Network } from '../nn/module.ts';
import { batchesBySize, fitted, PlanCache } from './sizes.ts';

/** Recorded shapes that are kept: images of many sizes would otherwise fill the memory with plans. */
const MOST_PLANS = 6;
/** The greatest count of 32 bits. */
const MOST_COUNTED = 2 ** 32 - 1;

/**
 * Counts a network's predictions against the truth. Batch norm: eval. Every image passes at its own size, without
 * padding.
 */
export class Evaluator {
  private readonly device: Device;
  private readonly network: Network;
  private readonly batch: number;
  private readonly budget: number | undefined;
  private readonly mostCounted: number;
  private readonly counts: Tensor;
  private readonly plans = new PlanCache<Record<string, Tensor>>(MOST_PLANS);

  /**
   * @param batch images of one size that go through the network together, at most; fewer of large ones
   * @param options.budget bytes that may be in use at once (default: the device's)
   * @param options.mostCounted pixels counted on the GPU before the counts are read and summed on the host
   * (default: as many as a count of 32 bits holds)
   */
  constructor(
    device: Device,
    network: Network,
    batch: number,
    options: { budget?: number; mostCounted?: number } = {},
  ) {
    this.device = device;
    this.network = network;
    this.batch = batch;
    this.budget = options.budget;
    this.mostCounted = options.mostCounted ?? MOST_COUNTED;
    this.counts = device.keep(confusionCounts(device, network.numClasses));
  }

  private plan(shape: readonly [n: number, height: number, width: number]): Plan<Record<string, Tensor>> {
    const [n, height, width] = shape;
    const record = (): Plan<Record<string, Tensor>> =>
      new Plan<Record<string, Tensor>>(
        this.device,
        { texels: { shape, dtype: 'u32' }, sizes: { shape: [n, 2], dtype: 'i32' }, table: { shape: [n, 8] } },
        ({ texels, sizes, table }) => {
          const whole = view(texels, sizes, table, [height, width]);
          const { label } = pseudoLabel(this.network.forward(standardize(whole.image), EVAL));
          addConfusion(this.counts, whole.labels, label);
          return { label };
        },
        { budget: this.budget },
      );
    return fitted('evaluating', shape, () => this.plans.get(shape.join('x'), record));
  }

  /**
   * Records the plan for a batch, see `largestBatch`.
   * @throws OutOfMemoryError when it does not fit beside what is in use
   */
  reserve(shape: readonly [n: number, height: number, width: number]): void {
    this.plan(shape);
  }

  /**
   * The confusion matrix of the given images, [classes * classes], rows are the truth. Exact up to 2^53 pixels.
   * @param load gives an image with its labels
   * @throws OutOfMemoryError for images that are too large
   */
  async confusion(ids: readonly string[], load: (id: string) => Promise<Sample>): Promise<number[]> {
    const sums = Array<number>(this.counts.size).fill(0);
    let counted = 0;
    this.device.clear(this.counts);
    for await (const samples of batchesBySize(ids, load, this.batch)) {
      const { n, height, width, texels, sizes } = pack(samples);
      const pixels = n * height * width;
      if (counted + pixels > this.mostCounted) {
        await this.collect(sums);
        counted = 0;
      }
      this.plan([n, height, width]).run({ texels, sizes, table: identityViews(n) });
      counted += pixels;
    }
    await this.collect(sums);
    return sums;
  }

  /** Adds the counts on the GPU to those on the host, and begins them again. */
  private async collect(sums: number[]): Promise<void> {
    const counts = await this.counts.read();
    counts.forEach((count, i) => (sums[i] += count));
    this.device.clear(this.counts);
  }

  dispose(): void {
    this.plans.dispose();
    this.counts.dispose();
  }
}
