// Buffers by size class, and textures that kernels read through. Freed buffers are handed out again, since V8 does not
// see GPU memory and would never collect them.

import { OutOfMemoryError } from '../errors.ts';
import { createTexels, texelBytes, texelRows, type TexelFormat } from './texels.ts';

const STORAGE = 128 | 4 | 8; // GPUBufferUsage.STORAGE | COPY_SRC | COPY_DST

/** Rounds up to the next of eight steps per power of two, so that at most an eighth is wasted; 256 bytes at least. */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = Math.max(256, 2 ** (Math.floor(Math.log2(bytes)) - 3));
  return Math.ceil(bytes / step) * step;
}

/** Bytes of a texture that holds `bytes`. */
export const texelSize = (bytes: number, format: TexelFormat): number =>
  texelBytes(texelRows(sizeClass(bytes), format), format);

/** Counts of the pool, in bytes and buffers. */
export interface PoolStats {
  /** Bytes in buffers that exist, in use or free. */
  allocated: number;
  /** Bytes in use. */
  inUse: number;
  /** The most bytes that ever existed at once. */
  peak: number;
  /** Buffers that exist. */
  buffers: number;
  /** Buffers ever created. */
  created: number;
}

type Memory = GPUBuffer | GPUTexture;

/** What the pool needs of its device. */
export interface PoolNeeds {
  /** Submits the commands that have been encoded but not sent: they may use buffers that are free by now. */
  flush: () => void;
  /** What is alive, for the error when memory runs out. */
  alive: () => { message: string; hint: string };
  /** Makes memory, and sees to it that the GPU's refusal is noticed. */
  guard: <T>(make: () => T) => T;
}

export class BufferPool {
  readonly #gpu: GPUDevice;
  /** By size, and textures by their format as well. */
  readonly #free = new Map<number | string, Memory[]>();
  /** All that exist, in use or free, with their place in `free` and their bytes. */
  readonly #mine = new Map<Memory, readonly [number | string, number]>();
  readonly stats: PoolStats = { allocated: 0, inUse: 0, peak: 0, buffers: 0, created: 0 };
  /** Most bytes that may exist at once; software adapters report no out-of-memory of their own. */
  budget: number;
  readonly #largest: number;
  readonly #needs: PoolNeeds;

  constructor(gpu: GPUDevice, budget: number, needs: PoolNeeds) {
    this.#gpu = gpu;
    this.#needs = needs;
    this.budget = budget;
    this.#largest = gpu.limits.maxBufferSize;
  }

  acquire(bytes: number): GPUBuffer {
    // What fits by itself is not refused for the sake of its class.
    const size = bytes <= this.#largest ? Math.min(sizeClass(bytes), this.#largest) : sizeClass(bytes);
    return this.#take(size, size, () => this.#gpu.createBuffer({ size, usage: STORAGE }));
  }

  /** @internal A texture for copyTexels of so many bytes. It is given back as buffers are. */
  texels(bytes: number, format: TexelFormat): GPUTexture {
    const size = texelSize(bytes, format);
    return this.#take(format + size, size, () => createTexels(this.#gpu, texelRows(sizeClass(bytes), format), format));
  }

  #take<T extends Memory>(place: number | string, size: number, make: () => T): T {
    const found = this.#free.get(place)?.pop();
    this.stats.inUse += size;
    if (found) return found as T;
    if (size > this.#largest || this.stats.allocated + size > this.budget) {
      this.trim();
      if (size > this.#largest || this.stats.allocated + size > this.budget) {
        this.stats.inUse -= size;
        const { message, hint } = this.#needs.alive();
        const { allocated } = this.stats;
        const most = mib(this.#largest);
        const use = `${mib(allocated)} of ${mib(this.budget)} are in use, and one buffer holds at most ${most}`;
        throw new OutOfMemoryError(`a buffer of ${mib(size)} does not fit: ${use}${message}`, hint);
      }
    }
    const made = this.#needs.guard(make);
    this.#mine.set(made, [place, size]);
    this.stats.allocated += size;
    this.stats.buffers++;
    this.stats.created++;
    this.stats.peak = Math.max(this.stats.peak, this.stats.allocated);
    return made;
  }

  /** Takes a buffer back. One that is not the pool's is left alone: it is the caller's. */
  release(memory: Memory): void {
    const known = this.#mine.get(memory);
    if (!known) return;
    const [place, size] = known;
    const list = this.#free.get(place);
    this.stats.inUse -= size;
    if (list) list.push(memory);
    else this.#free.set(place, [memory]);
  }

  /** Destroys all that is free. */
  trim(): void {
    if (this.#free.size === 0) return;
    this.#needs.flush();
    for (const list of this.#free.values()) {
      for (const b of list) {
        this.stats.allocated -= this.#mine.get(b)![1];
        this.stats.buffers--;
        this.#mine.delete(b);
        b.destroy();
      }
    }
    this.#free.clear();
  }

  /** Destroys every buffer, also those in use. */
  destroy(): void {
    for (const b of this.#mine.keys()) b.destroy();
    this.#mine.clear();
    this.#free.clear();
    Object.assign(this.stats, { allocated: 0, inUse: 0, buffers: 0 });
  }
}

export function mib(bytes: number): string {
  return `${(bytes / 1048576).toFixed(bytes < 10485760 ? 1 : 0)} MiB`;
}
