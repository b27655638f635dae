// Batches: samples packed as the GPU takes them, and loaders that give the same batch for the same step.

import { DataError } from '../../runtime/errors.ts';
import { Rng } from '../../runtime/random.ts';
import { texelsOf } from './texels.ts';
import type { Dataset, Sample, SourceBatch } from './types.ts';

/**
 * Packs samples into one texel a pixel, padded right and below to `size` (default: the largest height and width).
 * @throws DataError when an image is larger than `size`
 */
export function pack(samples: readonly Sample[], size?: readonly [number, number]): SourceBatch {
  const height = size?.[0] ?? Math.max(...samples.map((s) => s.height)), width = size?.[1] ?? Math.max(...samples.map((s) => s.width));
  const n = samples.length;
  const texels = new Uint32Array(n * height * width).fill(0xff000000);
  const sizes = new Int32Array(2 * n);
  samples.forEach((s, k) => {
    if (s.height > height || s.width > width) {
      throw new DataError(`the image "${s.id}" is ${s.width}x${s.height}, larger than the ${width}x${height} of its batch`, 'pad batches to the largest image (Dataset.maxSize), or resize as images are read (--size)');
    }
    sizes.set([s.height, s.width], 2 * k);
    const source = texelsOf(s);
    for (let y = 0; y < s.height; y++) texels.set(source.subarray(y * s.width, (y + 1) * s.width), (k * height + y) * width);
  });
  return { n, height, width, texels, sizes, ids: samples.map((s) => s.id) };
}

/** Decoded samples, up to a budget of bytes; the least recently used go first. */
export class SampleCache {
  private readonly held = new Map<string, { sample: Promise<Sample>; bytes: number }>();
  private bytes = 0;
  private readonly dataset: Dataset;
  private readonly budget: number;

  constructor(dataset: Dataset, budget = 512 * 2 ** 20) {
    this.dataset = dataset;
    this.budget = budget;
  }

  get(id: string, labels: boolean): Promise<Sample> {
    const key = `${labels ? 'l' : 'u'}:${id}`;
    const found = this.held.get(key);
    if (found) {
      this.held.delete(key);
      this.held.set(key, found);
      return found.sample;
    }
    const entry = { sample: this.dataset.load(id, { labels }), bytes: 0 };
    this.held.set(key, entry);
    void entry.sample.then(
      (s) => {
        entry.bytes = 4 * s.width * s.height;
        this.bytes += entry.bytes;
        for (const [k, e] of this.held) {
          if (this.bytes <= this.budget) break;
          if (e === entry || e.bytes === 0) continue;
          this.held.delete(k);
          this.bytes -= e.bytes;
        }
      },
      () => this.held.delete(key),
    );
    return entry.sample;
  }
}

export interface LoaderOptions {
  ids: readonly string[];
  /** Images of a batch. */
  n: number;
  seed: number;
  /** A number for this stream, so that two streams over the same images differ. */
  stream: number;
  /** Load masks (of which images)? Without, no mask is opened. */
  labels: boolean | ((id: string) => boolean);
  /** Height and width of every batch. */
  size?: readonly [number, number];
  /** Replaces the labels of a sample (pseudo-labels kept on the host). */
  relabel?(sample: Sample): Sample;
}

/** Shuffled passes over the ids; the batch of a step depends on the seed, the stream and the step alone. */
export class Loader {
  private readonly cache: SampleCache;
  private readonly o: LoaderOptions;
  private order: { epoch: number; ids: string[] } = { epoch: -1, ids: [] };

  constructor(cache: SampleCache, options: LoaderOptions) {
    this.cache = cache;
    this.o = options;
  }

  /** The id at a position of the endless sequence of shuffled passes. */
  private at(position: number): string {
    const { ids, seed, stream } = this.o;
    const epoch = Math.floor(position / ids.length);
    if (this.order.epoch !== epoch) this.order = { epoch, ids: new Rng(seed, stream, epoch).shuffle(ids) };
    return this.order.ids[position % ids.length];
  }

  async batch(step: number): Promise<SourceBatch> {
    const { n, labels, size, relabel } = this.o;
    const ids = Array.from({ length: n }, (_, i) => this.at(step * n + i));
    const samples = await Promise.all(ids.map((id) => this.cache.get(id, typeof labels === 'boolean' ? labels : labels(id))));
    return pack(relabel ? samples.map(relabel) : samples, size);
  }
}
