// Data sets opened for a test, and closed after it.

import * as assert from 'uvu/assert';
import { Loader, SampleCache } from '../../src/data/batch.ts';
import { openDataset, type DatasetSpec } from '../../src/data/open.node.ts';

export async function using<T>(
  spec: DatasetSpec,
  body: (set: Awaited<ReturnType<typeof openDataset>>) => Promise<T>,
): Promise<T> {
  const set = await openDataset(spec, { threads: 0 });
  try {
    return await body(set);
  } finally {
    await set.close();
  }
}

/** Loads every image of every stream, as training and evaluation do. */
export async function loadAll(set: Awaited<ReturnType<typeof openDataset>>): Promise<void> {
  const cache = new SampleCache(set);
  for (const [split, labels] of [
    ['labelled', true],
    ['unlabelled', false],
    ['train', false],
    ['val', true],
    ['test', true],
  ] as const) {
    const ids = set.ids(split);
    if (ids.length === 0) continue;
    const size = await set.maxSize(ids);
    const loader = new Loader(cache, { ids, n: 2, seed: 1, stream: 1, labels, size });
    for (let s = 0; 2 * s < ids.length + 1; s++) {
      const batch = await loader.batch(s);
      if (!labels) assert.ok(batch.texels.every((t) => t >>> 24 === 255));
    }
  }
}
