// How images pass through a trained network: whole, at several sizes and mirrored, or through a sliding window.

import type { Command } from 'commander';
import type { Device } from '../../runtime/device/device.ts';
import { UsageError } from '../../runtime/errors.ts';
import type { Sample } from '../data/types.ts';
import type { Network } from '../nn/module.ts';
import { Labeller } from '../train/labeller.ts';
import { SlidingWindow } from '../train/slide.ts';
import { numbers } from './options.ts';

/** Side of the sliding window where nothing is said. */
export const WINDOW = 384;

export interface InferenceFlags {
  window?: number;
  scales?: string;
  flip?: boolean;
}

/** The options of the commands that predict images. @param usual what is done without `--window`, in words */
export function addInferenceOptions(command: Command, usual: string): Command {
  return command
    .option(
      '--window <pixels>',
      `side of the sliding window (default: ${usual}); 0 predicts every image whole`,
      numbers.whole,
    )
    .option('--scales <list>', 'test-time augmentation: factors for the size, as in 0.75,1,1.25 (whole images only)')
    .option('--flip', 'test-time augmentation: also the mirrored image (whole images only)');
}

/** What a network says of an image. */
export interface Prediction {
  /** The most likely classes, [h, w], and their probability. */
  labels: Uint8Array;
  confidence: Float32Array;
  /** [h, w, classes] */
  p?: Float32Array;
}

/** Predicts images as the flags say. */
export class Inference {
  /** More than one look at each image is asked for. */
  readonly augmented: boolean;
  private readonly scales: readonly number[];
  private readonly flip: boolean;
  private readonly window: number | undefined;
  private readonly most: number;
  private readonly labeller: Labeller;
  private readonly device: Device;
  private readonly network: Network;
  private sliding: SlidingWindow | null = null;

  /**
   * @param most pixels of an image that is predicted whole where there is no `--window`
   * @throws UsageError for scales that are not positive
   */
  constructor(device: Device, network: Network, flags: InferenceFlags, most: number) {
    this.scales = scalesOf(flags);
    this.flip = flags.flip ?? false;
    this.augmented = this.scales.length > 1 || this.scales[0] !== 1 || this.flip;
    this.window = flags.window;
    this.most = most;
    this.device = device;
    this.network = network;
    this.labeller = new Labeller(device, network);
  }

  /** Is an image of this size predicted whole? */
  whole({ height, width }: { height: number; width: number }): boolean {
    if (this.window === 0) return true;
    return this.window ? Math.max(width, height) <= this.window : width * height <= this.most;
  }

  /** @throws OutOfMemoryError when an image, or a window, does not fit */
  async predict(sample: Sample, { probabilities = false } = {}): Promise<Prediction> {
    if (!this.whole(sample)) {
      this.sliding ??= new SlidingWindow(this.device, this.network, this.window || WINDOW);
      return this.sliding.predict(sample, { probabilities });
    }
    let made!: Prediction;
    await this.labeller.run(
      [sample.id],
      async () => sample,
      { scales: this.scales, flip: this.flip, probabilities },
      (_, { labels }, confidence, p) => (made = { labels, confidence, p }),
    );
    return made;
  }
}

/** The factors for the size of an image. @throws UsageError */
export function scalesOf({ scales: text = '1' }: InferenceFlags): number[] {
  const scales = text.split(',').map(Number);
  if (scales.some((s) => !(s > 0)))
    throw new UsageError(`--scales ${text}`, 'give positive factors, as in 0.75,1,1.25');
  return scales;
}
