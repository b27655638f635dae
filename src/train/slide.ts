// Large images by a sliding window: the class probabilities of overlapping windows are averaged.

import { Plan } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { UsageError } from '../../runtime/errors.ts';
import { softmax } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { view } from '../augment/gpu/view.ts';
import { identityViews } from '../augment/weak.ts';
import { pack } from '../data/batch.ts';
import type { Sample } from '../data/types.ts';
import { EVAL, type Network } from '../nn/module.ts';
import { PlanCache } from './sizes.ts';

/** Where windows begin along a side: `stride` apart, the last one moved back to end with the image. */
export function windowStarts(side: number, window: number, stride: number): number[] {
  if (side <= window) return [0];
  const n = Math.ceil((side - window) / stride);
  return Array.from({ length: n + 1 }, (_, i) => Math.min(i * stride, side - window));
}

/** The part of an image from (y, x) on. */
function cut(sample: Sample, y: number, x: number, height: number, width: number): Sample {
  const rgb = new Uint8Array(3 * height * width);
  for (let i = 0; i < height; i++)
    rgb.set(
      sample.rgb.subarray(3 * ((y + i) * sample.width + x), 3 * ((y + i) * sample.width + x + width)),
      3 * i * width,
    );
  return { id: sample.id, width, height, rgb, labels: null };
}

/** Predicts images of any size through windows of one size. Batch norm: eval. */
export class SlidingWindow {
  private readonly device: Device;
  private readonly network: Network;
  private readonly window: number;
  private readonly stride: number;
  private readonly plans = new PlanCache<{ p: Tensor }>(4);

  /**
   * @param window side of the windows in pixels
   * @param overlap share of a window that the next one repeats (default 1/3)
   */
  constructor(device: Device, network: Network, window: number, overlap = 1 / 3) {
    if (!Number.isInteger(window) || window < 16)
      throw new UsageError(`a window of ${window} pixels`, 'give at least 16');
    if (!(overlap >= 0 && overlap < 1))
      throw new UsageError(`an overlap of ${overlap}`, 'give a share from 0 to below 1');
    this.device = device;
    this.network = network;
    this.window = window;
    this.stride = Math.max(1, Math.ceil(window * (1 - overlap)));
  }

  private plan(height: number, width: number): Plan<{ p: Tensor }> {
    return this.plans.get(
      `${height}x${width}`,
      () =>
        new Plan(
          this.device,
          {
            texels: { shape: [1, height, width], dtype: 'u32' },
            sizes: { shape: [1, 2], dtype: 'i32' },
            table: { shape: [1, 8] },
          },
          ({ texels, sizes, table }) => ({
            p: softmax(this.network.forward(standardize(view(texels, sizes, table, [height, width]).image), EVAL)),
          }),
        ),
    );
  }

  /**
   * Most likely class and its averaged probability. Holds the probabilities of one row of windows at a time.
   * @param options.probabilities also return them, p [h, w, classes]
   * @returns labels and confidence [h, w] at the image's size
   * @throws OutOfMemoryError when a window does not fit
   */
  async predict(
    sample: Sample,
    options: { probabilities?: boolean } = {},
  ): Promise<{ labels: Uint8Array; confidence: Float32Array; p?: Float32Array }> {
    const { height, width } = sample;
    const c = this.network.numClasses;
    const h = Math.min(this.window, height);
    const w = Math.min(this.window, width);
    const rows = windowStarts(height, h, this.stride);
    const columns = windowStarts(width, w, this.stride);
    const labels = new Uint8Array(height * width);
    const confidence = new Float32Array(height * width);
    const all = options.probabilities ? new Float32Array(height * width * c) : undefined;
    // Sums of the rows from `top` on; those above the next row of windows are final.
    let sum = new Float32Array(h * width * c);
    let count = new Uint16Array(h * width);
    let top = 0;
    for (const [i, y] of rows.entries()) {
      for (const x of columns) {
        const { texels, sizes } = pack([cut(sample, y, x, h, w)]);
        const p = await this.plan(h, w)
          .run({ texels, sizes, table: identityViews(1) })
          .p.read();
        for (let r = 0; r < h; r++) {
          const to = (y - top + r) * width + x;
          for (let k = 0; k < w * c; k++) sum[to * c + k] += p[r * w * c + k];
          for (let k = 0; k < w; k++) count[to + k]++;
        }
      }
      const next = rows[i + 1] ?? height;
      for (let at = 0; at < (next - top) * width; at++) {
        let best = 0;
        // The first NaN, where there is one: its confidence says that the prediction is not to be trusted.
        for (let k = 1; k < c && !Number.isNaN(sum[at * c + best]); k++) {
          if (!(sum[at * c + k] <= sum[at * c + best])) best = k;
        }
        labels[top * width + at] = best;
        confidence[top * width + at] = sum[at * c + best] / count[at];
        if (all) for (let k = 0; k < c; k++) all[(top * width + at) * c + k] = sum[at * c + k] / count[at];
      }
      const done = (next - top) * width;
      const moved = new Float32Array(h * width * c);
      const counted = new Uint16Array(h * width);
      moved.set(sum.subarray(done * c));
      counted.set(count.subarray(done));
      sum = moved;
      count = counted;
      top = next;
    }
    return { labels, confidence, ...(all && { p: all }) };
  }

  dispose(): void {
    this.plans.dispose();
  }
}
