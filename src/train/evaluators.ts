// The evaluations of a run: of a stage's network, and of its moving average where there is one.

import type { Device } from '../../runtime/device/device.ts';
import type { SampleCache } from '../data/batch.ts';
import type { Dataset } from '../data/types.ts';
import { scores } from '../metrics/miou.ts';
import type { Network } from '../nn/module.ts';
import { Evaluator } from './evaluate.ts';
import type { EvalPoint } from './records.ts';

/** Evaluators by network; those of one stage are held at a time. */
export class Evaluators {
  private readonly open = new Map<Network, Evaluator>();
  private readonly device: Device;
  private readonly dataset: Dataset;
  private readonly cache: SampleCache;
  private readonly averages: ReadonlyMap<Network, Network>;
  private readonly options: { batch: number; budget: number };

  /**
   * @param averages moving averages, which are evaluated beside their networks
   * @param options.batch images that pass at once
   * @param options.budget bytes of GPU memory that may be in use at once
   */
  constructor(
    device: Device,
    dataset: Dataset,
    cache: SampleCache,
    averages: ReadonlyMap<Network, Network>,
    options: { batch: number; budget: number },
  ) {
    this.device = device;
    this.dataset = dataset;
    this.cache = cache;
    this.averages = averages;
    this.options = options;
  }

  private of(network: Network): Evaluator {
    const known = this.open.get(network);
    if (known) return known;
    const { batch, budget } = this.options;
    const evaluator = new Evaluator(this.device, network, batch, { budget });
    this.open.set(network, evaluator);
    return evaluator;
  }

  /**
   * Makes room for evaluating a stage's network and its average, in the place of those of other stages.
   * @param shape of the largest batch
   * @throws OutOfMemoryError when it does not fit beside what is in use
   */
  reserve(network: Network, shape: readonly [n: number, height: number, width: number]): void {
    if (!this.open.has(network)) this.close();
    this.of(network).reserve(shape);
    const average = this.averages.get(network);
    if (average) this.of(average).reserve(shape);
  }

  /** The scores of a network on a split, and those of its average. @param step steps of training before it */
  async evaluate(split: 'val' | 'test', network: Network, step: number): Promise<EvalPoint> {
    const { dataset } = this;
    const measure = async (of: Network): Promise<EvalPoint> => {
      const confusion = await this.of(of).confusion(dataset.ids(split), (id) => this.cache.get(id, true));
      return { step, split, ...scores(confusion, dataset.numClasses) };
    };
    const point = await measure(network);
    const average = this.averages.get(network);
    return average ? { ...point, ema: await measure(average) } : point;
  }

  /** Frees the memory of all evaluators. */
  close(): void {
    for (const evaluator of this.open.values()) evaluator.dispose();
    this.open.clear();
  }
}
