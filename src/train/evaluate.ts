// Whole images through a network in evaluation mode: predictions and confusion counts.

import { Plan } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { addConfusion, confusionCounts, pseudoLabel } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { normalise } from '../augment/gpu/normalise.ts';
import { view } from '../augment/gpu/view.ts';
import { identityViews } from '../augment/weak.ts';
import type { SourceBatch } from '../data/types.ts';
import { EVAL, type Network } from '../nn/module.ts';

export interface Prediction {
  /** i32 [n, h, w]. */
  label: Int32Array;
  /** f32 [n, h, w]: the largest class probability. */
  confidence: Float32Array;
}

/** Predicts batches of one shape. Batch norm: eval. Recorded once for each network and shape. */
export class Evaluator {
  private readonly device: Device;
  private readonly plans = new Map<string, { plan: Plan<Record<string, Tensor>>; counts: Tensor }>();

  constructor(device: Device) {
    this.device = device;
  }

  private get(network: Network, n: number, height: number, width: number): { plan: Plan<Record<string, Tensor>>; counts: Tensor } {
    const key = `${n}x${height}x${width}`;
    const known = this.plans.get(key);
    if (known) return known;
    const counts = this.device.keep(confusionCounts(this.device, network.numClasses));
    const plan = new Plan<Record<string, Tensor>>(
      this.device,
      { texels: { shape: [n, height, width], dtype: 'u32' }, sizes: { shape: [n, 2], dtype: 'i32' }, table: { shape: [n, 8] } },
      ({ texels, sizes, table }) => {
        const whole = view(texels, sizes, table, [height, width]);
        const { label, confidence } = pseudoLabel(network.forward(normalise(whole.image), EVAL));
        addConfusion(counts, whole.labels, label);
        return { label, confidence };
      },
    );
    const made = { plan, counts };
    this.plans.set(key, made);
    return made;
  }

  /** Adds a batch to the confusion counts of its shape. Does not wait. */
  add(network: Network, batch: SourceBatch): void {
    this.get(network, batch.n, batch.height, batch.width).plan.run({ texels: batch.texels, sizes: batch.sizes, table: identityViews(batch.n) });
  }

  /** The summed confusion counts (rows: truth) of all batches since the last call. */
  async confusion(classes: number): Promise<Uint32Array> {
    const total = new Uint32Array(classes * classes);
    for (const { counts } of this.plans.values()) {
      const part = await counts.read();
      part.forEach((v, i) => (total[i] += v));
      this.device.clear(counts);
    }
    return total;
  }

  /** Labels and confidence of a batch. */
  async predict(network: Network, batch: SourceBatch): Promise<Prediction> {
    const { plan, counts } = this.get(network, batch.n, batch.height, batch.width);
    const { label, confidence } = plan.run({ texels: batch.texels, sizes: batch.sizes, table: identityViews(batch.n) });
    const [l, c] = await this.device.read([label, confidence]);
    this.device.clear(counts);
    return { label: l as Int32Array, confidence: c as Float32Array };
  }

  dispose(): void {
    for (const { plan, counts } of this.plans.values()) {
      plan.dispose();
      counts.dispose();
    }
    this.plans.clear();
  }
}
