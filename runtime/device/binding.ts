// How a kernel is launched: the grid, and the memory that is bound to it.

import { ShapeError } from '../errors.ts';
import type { Storage } from '../tensor.ts';

/** A bind group entry over the used part of a storage. */
export function bindingEntry(binding: number, storage: Storage): GPUBindGroupEntry {
  const size = Math.max(4, Math.ceil(storage.bytes / 4) * 4);
  return {
    binding,
    resource: { buffer: storage.buffer!, offset: 0, size: Math.min(storage.buffer!.size, Math.ceil(size / 16) * 16) },
  };
}

/**
 * Workgroups of a one-dimensional kernel, folded into two dimensions.
 * @param most that a dimension may have
 * @throws ShapeError when two dimensions are not enough
 */
export function fold(count: number, most: number, key: string): [number, number, number] {
  if (count <= most) return [count, 1, 1];
  const y = Math.ceil(count / most);
  if (y > most) throw new ShapeError(key, `${count} workgroups are too many`);
  return [Math.ceil(count / y), y, 1];
}
