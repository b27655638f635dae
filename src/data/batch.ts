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
  const height = size?.[0] ?? Math.max(...samples.map((s) => s.height));
  const width = size?.[1] ?? Math.max(...samples.map((s) => s.width));
  const n = samples.length;
  const texels = new Uint32Array(n * height * width).fill(0xff000000);
  const sizes = new Int32Array(2 * n);
  samples.forEach((s, k) => {
    if (s.height > height || s.width > width) {
      throw new DataError(
        `the image "${s.id}" is ${s.width}x${s.height}, larger than the ${width}x${height} of its batch`,
        'pad batches to the largest image (Dataset.maxSize), or resize as images are read (`size`)',
      );
    }
    sizes.set([s.height, s.width], 2 * k);
    const source = texelsOf(s);
    for (let y = 0; y < s.height; y++)
      texels.set(source.subarray(y * s.width, (y + 1) * s.width), (k * height + y) * width);
  });
  return { n, height, width, texels, sizes, ids: samples.map((s) => s.id) };
}

/** Decoded samples, up to a budget of bytes; the least recently used go first. */
export class SampleCache {
  private readonly held = new Map<string, { sample: Promise<Sample>; bytes: number }>();
  /** Bytes held. */
  bytes = 0;
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
  /**
   * Steps whose images are decoded ahead of the one that is asked for (default 2): as many batches are held beside the
   * cache.
   */
  ahead?: number;
  /** Steps of the run, beyond which nothing is decoded ahead. */
  steps?: number;
  /** Replaces the labels of a sample (pseudo-labels kept on the host). */
  relabel?(sample: Sample): Sample;
}

/**
 * Shuffled passes over the ids; the batch of a step depends on the seed, the stream and the step alone. Steps asked for
 * in order find their images decoded.
 * @example const loader = new Loader(new SampleCache(data), {
 *   ids: data.ids('labelled'), n: 8, seed: 0, stream: 1, labels: true, size: await data.maxSize(),
 * });
 */
export class Loader {
  private readonly cache: SampleCache;
  private readonly o: LoaderOptions;
  private order: { epoch: number; ids: string[] } = { epoch: -1, ids: [] };
  /** Images of the coming steps. */
  private readonly coming = new Map<number, Promise<Sample[]>>();

  /** @throws DataError without ids */
  constructor(cache: SampleCache, options: LoaderOptions) {
    if (options.ids.length === 0) throw new DataError('there are no images to make batches of');
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

  private load(id: string): Promise<Sample> {
    const { labels } = this.o;
    return this.cache.get(id, typeof labels === 'boolean' ? labels : labels(id));
  }

  private samples(step: number): Promise<Sample[]> {
    let found = this.coming.get(step);
    if (!found) {
      const { n } = this.o;
      found = Promise.all(Array.from({ length: n }, (_, i) => this.load(this.at(step * n + i))));
      found.catch(() => undefined); // reported where it is awaited
      this.coming.set(step, found);
    }
    return found;
  }

  /** @throws DataError for an image that cannot be read, or that is larger than `size` */
  async batch(step: number): Promise<SourceBatch> {
    const { size, relabel, ahead = 2, steps = Infinity } = this.o;
    const wanted = this.samples(step);
    for (let s = step + 1; s <= step + ahead && s < steps; s++) void this.samples(s);
    // The trainer may ask for a step while it still works on the one before: only what lies outside the window is let
    // go.
    for (const s of this.coming.keys()) if (s <= step || s > step + ahead) this.coming.delete(s);
    const samples = await wanted;
    return pack(relabel ? samples.map(relabel) : samples, size);
  }
}
