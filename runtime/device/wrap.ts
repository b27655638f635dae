// What a GPUBuffer of the caller's must be, to be seen as a tensor.

import { args } from '../args.ts';
import { ShapeError, UsageError } from '../errors.ts';
import type { DType, Shape } from '../tensor.ts';

const USAGES = { COPY_SRC: 4, COPY_DST: 8, STORAGE: 128 } as const;

/**
 * @throws UsageError when a usage is missing or the buffer is mapped, ShapeError when it does not hold `bytes`, rounded
 *   up to 16
 */
export function checkWrapped(buffer: GPUBuffer, bytes: number, shape: Shape, dtype: DType): void {
  args('device.wrap buffer:o', arguments);
  const missing = Object.entries(USAGES)
    .filter(([, bit]) => (buffer.usage & bit) === 0)
    .map(([name]) => name);
  if (missing.length > 0)
    throw new UsageError(
      `wrap: the buffer${buffer.label && ` "${buffer.label}"`} was created without ${missing.join(' and ')}`,
      `its usage needs ${Object.keys(USAGES).join(' | ')}`,
    );
  if (buffer.mapState !== 'unmapped')
    throw new UsageError(`wrap: the buffer${buffer.label && ` "${buffer.label}"`} is mapped`, 'unmap() it first');
  const needed = Math.max(16, Math.ceil(bytes / 16) * 16);
  if (buffer.size < needed)
    throw new ShapeError(
      'wrap',
      `the buffer has ${buffer.size} bytes, [${shape}] ${dtype} needs ${needed}`,
      'its bytes, rounded up to 16',
    );
}
