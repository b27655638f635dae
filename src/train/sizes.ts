// Whole images of many sizes: those of one size go through a network together, and a recorded plan serves every batch
// of its shape.

import type { Plan, PlanOutputs } from '../../runtime/autograd/plan.ts';
import { OutOfMemoryError } from '../../runtime/errors.ts';
import type { Dataset, Sample } from '../data/types.ts';

/** Images of a batch by default, and the pixels that they may have together; an image that has more goes alone. */
const MOST_IMAGES = 8;
const MOST_PIXELS = 2 ** 18;
/** Images that wait for others of their size. */
const MOST_WAITING = 48;

/** Images of one size that go through a network together. @param most at most so many */
export function batchSize(height: number, width: number, most = MOST_IMAGES): number {
  return Math.max(1, Math.min(most, Math.floor(MOST_PIXELS / (height * width))));
}

/**
 * Batches of images of one size, full ones first; the next images are decoded meanwhile. Holds a few dozen images,
 * however many sizes there are.
 */
export async function* batchesBySize(
  ids: readonly string[],
  load: (id: string) => Promise<Sample>,
  most = MOST_IMAGES,
): AsyncGenerator<Sample[]> {
  const waiting = new Map<string, Sample[]>();
  const ahead: Promise<Sample>[] = [];
  let total = 0;
  const taken = (key: string): Sample[] => {
    const batch = waiting.get(key)!;
    waiting.delete(key);
    total -= batch.length;
    return batch;
  };
  for (let next = 0, done = 0; done < ids.length; done++) {
    for (; next < Math.min(ids.length, done + 2 * most); next++) {
      const sample = load(ids[next]);
      sample.catch(() => undefined); // reported where it is awaited
      ahead.push(sample);
    }
    const sample = await ahead.shift()!;
    const key = `${sample.height}x${sample.width}`;
    const bucket = waiting.get(key) ?? [];
    bucket.push(sample);
    waiting.set(key, bucket);
    total++;
    if (bucket.length === batchSize(sample.height, sample.width, most)) yield taken(key);
    else if (total > MOST_WAITING) yield taken([...waiting].sort(([, a], [, b]) => b.length - a.length)[0][0]);
  }
  for (const key of [...waiting.keys()]) yield taken(key);
}

/** The batch that takes most memory: images and their size. Null without images. Reads the files' headers alone. */
export async function largestBatch(
  dataset: Dataset,
  ids: readonly string[],
  most = MOST_IMAGES,
): Promise<[n: number, height: number, width: number] | null> {
  let largest: [number, number, number] | null = null;
  const pixels = ([n, height, width]: readonly [number, number, number]): number => n * height * width;
  for (let i = 0; i < ids.length; i += 32) {
    for (const [height, width] of await Promise.all(ids.slice(i, i + 32).map((id) => dataset.maxSize([id])))) {
      const shape: [number, number, number] = [batchSize(height, width, Math.min(most, ids.length)), height, width];
      if (!largest || pixels(shape) > pixels(largest)) largest = shape;
    }
  }
  return largest;
}

/**
 * Recorded plans by key. The least recently used are dropped when there are too many, and all when memory does not
 * suffice for another.
 */
export class PlanCache<O extends PlanOutputs> {
  private readonly plans = new Map<string, Plan<O>>();
  private readonly most: number;

  constructor(most: number) {
    this.most = most;
  }

  /** How many plans are held. */
  get size(): number {
    return this.plans.size;
  }

  /**
   * The plan of a key; recorded where it is not held.
   * @throws OutOfMemoryError when it does not fit beside what else is in use
   */
  get(key: string, record: () => Plan<O>): Plan<O> {
    let plan = this.plans.get(key);
    this.plans.delete(key);
    if (!plan) {
      if (this.plans.size === this.most) this.drop(this.plans.keys().next().value!);
      try {
        plan = record();
      } catch (error) {
        if (!(error instanceof OutOfMemoryError) || this.plans.size === 0) throw error;
        this.dispose();
        plan = record();
      }
    }
    this.plans.set(key, plan);
    return plan;
  }

  private drop(key: string): void {
    this.plans.get(key)!.dispose();
    this.plans.delete(key);
  }

  /** Frees the plans' memory. */
  dispose(): void {
    for (const key of [...this.plans.keys()]) this.drop(key);
  }
}

/**
 * Records; where that does not fit into the memory, the error names the images and what helps.
 * @throws OutOfMemoryError
 */
export function fitted<T>(doing: string, [n, height, width]: readonly [number, number, number], record: () => T): T {
  try {
    return record();
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    const what = `${n === 1 ? 'an image' : `${n} images`} of ${width}x${height} pixels`;
    throw new OutOfMemoryError(
      `${doing} ${what}: ${error.message}`,
      'read images smaller (`size`), use a smaller `width`, or raise `memory`',
    );
  }
}
