// How a piece of memory is bound to a kernel.

import type { Storage } from '../tensor.ts';

/** A bind group entry over the used part of a storage. */
export function bindingEntry(binding: number, storage: Storage): GPUBindGroupEntry {
  const size = Math.max(4, Math.ceil(storage.bytes / 4) * 4);
  return { binding, resource: { buffer: storage.buffer!, offset: 0, size: Math.min(storage.buffer!.size, Math.ceil(size / 16) * 16) } };
}
