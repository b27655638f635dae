// Which ids the masks of a data set hold. For opening and inspecting a set; training does not use it.

import { DataError } from '../../runtime/errors.ts';
import type { MaskCounts } from './decodeJobs.node.ts';
import type { DecodePool } from './decodePool.node.ts';
import type { Layout } from './layout.node.ts';

/** What is wrong with masks by which the classes cannot be counted. @param most the largest id in them, -1 for none */
export function tooFewClasses(masks: number, most: number): DataError {
  return new DataError(`the masks (${masks}) show ${most < 0 ? 'no class' : 'class 0 alone'}`, '255 means ignored: a mask of black and white must hold 0 and 1; or give --classes');
}

/** Reads masks once for counting. */
export class MaskReader {
  private readonly pool: DecodePool;
  private readonly layout: Layout;
  private readonly known = new Map<string, Promise<MaskCounts>>();

  constructor(pool: DecodePool, layout: Layout) {
    this.pool = pool;
    this.layout = layout;
  }

  counts(id: string): Promise<MaskCounts> {
    let found = this.known.get(id);
    if (!found) this.known.set(id, (found = this.pool.run({ kind: 'mask', mask: this.layout.masks.get(id)! })));
    return found;
  }

  /** Ids in a mask, 255 left out. */
  async classes(id: string): Promise<number[]> {
    const { counts } = await this.counts(id);
    return Array.from(counts.keys()).filter((c) => c !== 255 && counts[c] > 0);
  }
}
