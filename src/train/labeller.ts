// Predicts the unlabelled images with test-time augmentation: the labeller of self-training.

import { Plan } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { UsageError } from '../../runtime/errors.ts';
import { softmax, zeros } from '../../runtime/ops/index.ts';
import { pseudoLabel } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { addResized } from '../augment/gpu/tta.ts';
import { view } from '../augment/gpu/view.ts';
import { identityViews } from '../augment/weak.ts';
import { pack } from '../data/batch.ts';
import type { Sample } from '../data/types.ts';
import { EVAL, type Network } from '../nn/module.ts';
import { resizeTo } from '../nn/resize.ts';
import type { LabelMap, PredictOptions } from '../schemes/scheme.ts';
import { batchesBySize, fitted, PlanCache } from './sizes.ts';

/** Plans that are held at once: one per image shape; the least recently used are dropped. */
const MOST_PLANS = 3;

/** p, the probabilities of all classes, where they are asked for. */
type LabelPlan = Plan<{ label: Tensor; confidence: Tensor; p?: Tensor }>;

/** Views of whole images, mirrored ones where asked. */
function viewTable(n: number, mirrored: boolean): Float32Array {
  const table = identityViews(n);
  if (mirrored) for (let k = 0; k < n; k++) table[8 * k + 4] = 1;
  return table;
}

/**
 * Records the prediction of n images of one size: the mean over scales, mirrored or not, of the softmax at that scale,
 * resized to the images' size. Scaling is bilinear with aligned corners, sizes are floor(scale * size). Batch norm:
 * eval.
 */
export function labelPlan(
  device: Device,
  network: Network,
  shape: readonly [number, number, number],
  options: PredictOptions,
  budget?: number,
): LabelPlan {
  const [n, height, width] = shape;
  const passes = options.scales.flatMap((scale) =>
    options.flip
      ? [
          { scale, mirrored: false },
          { scale, mirrored: true },
        ]
      : [{ scale, mirrored: false }],
  );
  return new Plan(
    device,
    {
      texels: { shape: [n, height, width], dtype: 'u32' },
      sizes: { shape: [n, 2], dtype: 'i32' },
      straight: { shape: [n, 8] },
      mirror: { shape: [n, 8] },
    },
    ({ texels, sizes, straight, mirror }) => {
      const sum = zeros(device, [n, height, width, network.numClasses]);
      for (const { scale, mirrored } of passes) {
        const x = standardize(view(texels, sizes, mirrored ? mirror : straight, [height, width]).image);
        const size = [Math.max(1, Math.floor(height * scale)), Math.max(1, Math.floor(width * scale))] as const;
        addResized(sum, softmax(network.forward(resizeTo(x, size), EVAL)), { mirrored, weight: 1 / passes.length });
      }
      return { ...pseudoLabel(sum, { probabilities: true }), ...(options.probabilities && { p: sum }) };
    },
    { budget },
  );
}

/**
 * Predicts images of any sizes, those of one size in batches.
 * @example
 * const labeller = new Labeller(device, network);
 * await labeller.run(ids, (id) => cache.get(id, false), { scales: [0.5, 1, 2], flip: true }, (id, map) => maps.set(id,
 * map)); labeller.dispose();
 */
export class Labeller {
  private readonly device: Device;
  private readonly network: Network;
  private readonly budget: number | undefined;
  private readonly plans = new PlanCache<{ label: Tensor; confidence: Tensor; p?: Tensor }>(MOST_PLANS);

  /** @param options.budget bytes that may be in use at once (default: the device's) */
  constructor(device: Device, network: Network, options: { budget?: number } = {}) {
    this.device = device;
    this.network = network;
    this.budget = options.budget;
  }

  /** How many recorded plans are held. */
  get held(): number {
    return this.plans.size;
  }

  /**
   * @param ids the images; `options.ids` chooses among them
   * @param visit gets each image's labels, the averaged probability of each label, and p [h, w, classes] where
   *   probabilities are asked for, all at the image's size;
   *   full batches come first
   * @throws UsageError without scales; OutOfMemoryError for images that are too large
   */
  async run(
    ids: readonly string[],
    load: (id: string) => Promise<Sample>,
    options: PredictOptions,
    visit: (id: string, map: LabelMap, confidence: Float32Array, p?: Float32Array) => void,
  ): Promise<void> {
    if (options.scales.length === 0 || options.scales.some((s) => !(s > 0)))
      throw new UsageError(
        `scales ${options.scales} for test-time augmentation`,
        'give positive factors, such as 0.75, 1, 1.5',
      );
    const wanted = ids.filter((id) => options.ids?.has(id) ?? true);
    for await (const batch of batchesBySize(wanted, load)) await this.predict(batch, options, visit);
  }

  /**
   * Records the plan for a batch, see `largestBatch`.
   * @throws OutOfMemoryError when it does not fit beside what is in use
   */
  reserve(shape: readonly [n: number, height: number, width: number], options: PredictOptions): void {
    this.planOf(shape, options);
  }

  private async predict(
    samples: readonly Sample[],
    options: PredictOptions,
    visit: (id: string, map: LabelMap, confidence: Float32Array, p?: Float32Array) => void,
  ): Promise<void> {
    const { height, width } = samples[0];
    const n = samples.length;
    const { texels, sizes } = pack(samples);
    const { label, confidence, p } = this.planOf([n, height, width], options).run({
      texels,
      sizes,
      straight: viewTable(n, false),
      mirror: viewTable(n, true),
    });
    const [labels, confidences, all] = await this.device.read(p ? [label, confidence, p] : [label, confidence]);
    const pixels = height * width;
    const values = pixels * this.network.numClasses;
    samples.forEach(({ id }, k) => {
      const map = { height, width, labels: Uint8Array.from(labels.subarray(k * pixels, (k + 1) * pixels)) };
      visit(
        id,
        map,
        confidences.slice(k * pixels, (k + 1) * pixels) as Float32Array,
        all?.slice(k * values, (k + 1) * values) as Float32Array | undefined,
      );
    });
  }

  private planOf(shape: readonly [number, number, number], options: PredictOptions): LabelPlan {
    const key = `${shape.join('x')} at ${options.scales.join()}${options.flip ? ' mirrored' : ''}${options.probabilities ? ' all' : ''}`;
    return fitted('labelling', shape, () =>
      this.plans.get(key, () => labelPlan(this.device, this.network, shape, options, this.budget)),
    );
  }

  /** Frees the plans' memory. */
  dispose(): void {
    this.plans.dispose();
  }
}
