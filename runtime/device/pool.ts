// Buffers by size class. Freed buffers are handed out again, since V8 does not see GPU memory and would never collect them.

import { OutOfMemoryError } from '../errors.ts';

const STORAGE = 128 | 4 | 8; // GPUBufferUsage.STORAGE | COPY_SRC | COPY_DST

/** Rounds up to the next of eight steps per power of two, so that at most an eighth is wasted; 256 bytes at least. */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = Math.max(256, 2 ** (Math.floor(Math.log2(bytes)) - 3));
  return Math.ceil(bytes / step) * step;
}

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

export class BufferPool {
  private readonly gpu: GPUDevice;
  private readonly free = new Map<number, GPUBuffer[]>();
  /** All that exist, in use or free. */
  private readonly mine = new Set<GPUBuffer>();
  readonly stats: PoolStats = { allocated: 0, inUse: 0, peak: 0, buffers: 0, created: 0 };
  /** Most bytes that may exist at once; software adapters report no out-of-memory of their own. */
  budget: number;
  private readonly largest: number;
  private readonly flush: () => void;

  /** @param flush submits the commands that have been encoded but not sent: they may use buffers that are free by now */
  constructor(gpu: GPUDevice, budget: number, flush: () => void) {
    this.gpu = gpu;
    this.flush = flush;
    this.budget = budget;
    this.largest = gpu.limits.maxBufferSize;
  }

  acquire(bytes: number): GPUBuffer {
    // What fits by itself is not refused for the sake of its class.
    const size = bytes <= this.largest ? Math.min(sizeClass(bytes), this.largest) : sizeClass(bytes);
    const found = this.free.get(size)?.pop();
    this.stats.inUse += size;
    if (found) return found;
    if (size > this.largest || this.stats.allocated + size > this.budget) {
      this.trim();
      if (size > this.largest || this.stats.allocated + size > this.budget) {
        this.stats.inUse -= size;
        throw new OutOfMemoryError(
          `a buffer of ${mib(size)} does not fit: ${mib(this.stats.allocated)} of ${mib(this.budget)} are in use, and one buffer holds at most ${mib(this.largest)}`,
          'use a smaller batch, crop or width, or raise the memory budget',
        );
      }
    }
    const buffer = this.gpu.createBuffer({ size, usage: STORAGE });
    this.mine.add(buffer);
    this.stats.allocated += size;
    this.stats.buffers++;
    this.stats.created++;
    this.stats.peak = Math.max(this.stats.peak, this.stats.allocated);
    return buffer;
  }

  /** Takes a buffer back. One that is not the pool's is left alone: it is the caller's. */
  release(buffer: GPUBuffer): void {
    if (!this.mine.has(buffer)) return;
    this.stats.inUse -= buffer.size;
    const list = this.free.get(buffer.size);
    if (list) list.push(buffer);
    else this.free.set(buffer.size, [buffer]);
  }

  /** Destroys every free buffer. */
  trim(): void {
    if (this.free.size === 0) return;
    this.flush();
    for (const list of this.free.values()) {
      for (const b of list) {
        this.stats.allocated -= b.size;
        this.stats.buffers--;
        this.mine.delete(b);
        b.destroy();
      }
    }
    this.free.clear();
  }

  /** Destroys every buffer, also those in use. */
  destroy(): void {
    for (const b of this.mine) b.destroy();
    this.mine.clear();
    this.free.clear();
    Object.assign(this.stats, { allocated: 0, inUse: 0, buffers: 0 });
  }
}

export function mib(bytes: number): string {
  return `${(bytes / 1048576).toFixed(bytes < 10485760 ? 1 : 0)} MiB`;
}
