// Data sets of two plain folders, `in` and `out`.

import { join } from 'node:path';
import { openDataset, type DatasetSpec, type OpenDataset } from '../../src/data/open.node.ts';

/** Opens a set of two plain folders, `in` and `out`; warnings are added to `warnings`. */
export async function using(
  root: string,
  more: DatasetSpec,
  body: (set: OpenDataset) => Promise<void> | void,
  warnings: string[] = [],
): Promise<void> {
  const spec = { images: join(root, 'in'), masks: join(root, 'out'), classes: 2, ...more };
  const set = await openDataset(spec, { threads: 0, warn: (m) => warnings.push(m) });
  try {
    await body(set);
  } finally {
    await set.close();
  }
}

export const notes = (set: OpenDataset): string => set.notes.join('\n');

/** Width and height of an image as it is loaded. */
export async function shape(set: OpenDataset, id: string): Promise<string> {
  const s = await set.load(id, { labels: set.ids('labelled').includes(id) });
  return `${s.width}x${s.height}`;
}
