// Whole images through a network in evaluation mode, added up in one confusion matrix.

import { Plan } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { addConfusion, confusionCounts, pseudoLabel } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { normalise } from '../augment/gpu/normalise.ts';
import { view } from '../augment/gpu/view.ts';
import { identityViews } from '../augment/weak.ts';
import { pack } from '../data/batch.ts';
import type { Sample } from '../data/types.ts';
import { EVAL, type Network } from '../nn/module.ts';

/** Recorded shapes that are kept: images of many sizes would otherwise fill the memory with plans. */
const MOST_PLANS = 6;
/** Images that wait for others of their size. */
const MOST_WAITING = 48;

/** Counts a network's predictions against the truth. Batch norm: eval. Every image is seen at its own size, without padding. */
export class Evaluator {
  private readonly device: Device;
  private readonly network: Network;
  private readonly batch: number;
  private readonly counts: Tensor;
  /** By shape, the least recently used first. */
  private readonly plans = new Map<string, Plan<Record<string, Tensor>>>();

  /** @param batch images of one size that go through the network together */
  constructor(device: Device, network: Network, batch: number) {
    this.device = device;
    this.network = network;
    this.batch = batch;
    this.counts = device.keep(confusionCounts(device, network.numClasses));
  }

  private plan(n: number, height: number, width: number): Plan<Record<string, Tensor>> {
    const key = `${n}x${height}x${width}`;
    let plan = this.plans.get(key);
    if (plan) this.plans.delete(key);
    else {
      const [oldest] = this.plans.keys();
      if (this.plans.size === MOST_PLANS) {
        this.plans.get(oldest)!.dispose();
        this.plans.delete(oldest);
      }
      plan = new Plan<Record<string, Tensor>>(
        this.device,
        { texels: { shape: [n, height, width], dtype: 'u32' }, sizes: { shape: [n, 2], dtype: 'i32' }, table: { shape: [n, 8] } },
        ({ texels, sizes, table }) => {
          const whole = view(texels, sizes, table, [height, width]);
          const { label } = pseudoLabel(this.network.forward(normalise(whole.image), EVAL));
          addConfusion(this.counts, whole.labels, label);
          return { label };
        },
      );
    }
    this.plans.set(key, plan);
    return plan;
  }

  private add(samples: readonly Sample[]): void {
    const { n, height, width, texels, sizes } = pack(samples);
    this.plan(n, height, width).run({ texels, sizes, table: identityViews(n) });
  }

  /**
   * The confusion matrix of the given images, [classes * classes], rows are the truth.
   * @param load gives an image with its labels
   */
  async confusion(ids: readonly string[], load: (id: string) => Promise<Sample>): Promise<number[]> {
    this.device.clear(this.counts);
    const waiting = new Map<string, Sample[]>();
    let total = 0;
    const send = (key: string): void => {
      const samples = waiting.get(key)!;
      waiting.delete(key);
      total -= samples.length;
      this.add(samples);
    };
    // The next images are decoded while the GPU works on these.
    const ahead = 2 * this.batch;
    const loading: Promise<Sample>[] = [];
    for (let i = 0; i < ids.length; i++) {
      for (let j = loading.length; j < Math.min(ids.length, i + ahead); j++) {
        loading.push(load(ids[j]));
        loading[j].catch(() => undefined); // reported where it is awaited
      }
      const sample = await loading[i];
      delete loading[i];
      const key = `${sample.height}x${sample.width}`;
      const bucket = waiting.get(key);
      if (bucket) bucket.push(sample);
      else waiting.set(key, [sample]);
      total++;
      if (waiting.get(key)!.length === this.batch) send(key);
      else if (total > MOST_WAITING) send([...waiting].sort(([, a], [, b]) => b.length - a.length)[0][0]);
    }
    for (const key of [...waiting.keys()]) send(key);
    return [...(await this.counts.read())];
  }

  dispose(): void {
    for (const plan of this.plans.values()) plan.dispose();
    this.plans.clear();
    this.counts.dispose();
  }
}
