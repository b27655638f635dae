// Which images are labelled, unlabelled, for validation and for the test.

import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { DataError, errorText, UsageError } from '../../runtime/errors.ts';
import { amountOf, drawLabelled, hashOrder, isAmount, looksLikeAmount } from './labels.node.ts';
import type { Fail, Layout } from './layout.node.ts';
import { hasList, readList } from './lists.node.ts';
import type { DatasetSplit } from './types.ts';

/** The part of a DatasetSpec that decides about splits; see there. */
export interface SplitSpec {
  train?: string;
  labels?: string;
  unlabelled?: string;
  val?: string;
  test?: string;
  splitSeed?: number;
  labelsCover?: boolean;
  scored?: readonly string[];
}

export interface Splits {
  ids: Record<DatasetSplit, string[]>;
  /** What was decided without being asked for. */
  notes: string[];
}

/**
 * @param classesOf the classes in the mask of an image: called only to draw labelled images that show every class
 * @throws DataError, UsageError; what can be passed over goes to `fail`
 */
export async function resolveSplits(
  layout: Layout,
  spec: SplitSpec,
  fail: Fail,
  classesOf: (id: string) => Promise<readonly number[]>,
): Promise<Splits> {
  const notes: string[] = [...layout.notes];
  const seed = spec.splitSeed ?? 0;
  const ids: Record<DatasetSplit, string[]> = { labelled: [], unlabelled: [], val: [], test: [], train: [] };
  const all = [...layout.images.keys()];
  /** Images of val and test, and of these the ones that are drawn here: they leave the pool. */
  const taken = new Set<string>();
  const drawn = new Set<string>();
  const withMask = (list: readonly string[]): string[] => list.filter((id) => layout.masks.has(id));
  const first = (files: ReadonlyMap<string, string>): string => basename([...files.values()][0]);
  const unpaired = layout.masks.size > 0 && withMask(all).length === 0;
  if (unpaired)
    fail(
      new DataError(
        `none of the ${layout.masks.size} masks in ${layout.maskFolder} has the name of an image: ` +
          `${first(layout.masks)}, but ${first(layout.images)}`,
        'a mask is named as its image, but for the extension',
      ),
    );
  for (const key of ['labels', 'val', 'test'] as const) {
    const text = spec[key];
    if (text !== undefined && looksLikeAmount(text) && !hasList(layout, text) && !existsSync(text))
      throw new UsageError(
        `\`${key} ${text}\``,
        'give a number of images (46), a part (1/8), percent (12.5%), or a list',
      );
  }

  const listed =
    spec.labels !== undefined && !isAmount(spec.labels) ? readList(layout, spec.labels, 'labelled', fail) : null;
  // What a list calls unlabelled is never drawn: not as labelled, nor for val or test. No draw looks into it.
  const unlabelled = spec.unlabelled === undefined ? null : readList(layout, spec.unlabelled, 'unlabelled', fail);
  const inLabelled = new Set(listed);
  const closed = new Set(unlabelled);
  const trainList = spec.train ?? (hasList(layout, 'train') ? 'train' : undefined);
  const pool = trainList === undefined ? null : readList(layout, trainList, 'train', fail);
  for (const split of ['val', 'test'] as const) {
    const text = spec[split] ?? (hasList(layout, split) ? split : undefined);
    if (text === undefined || (unpaired && isAmount(text))) continue;
    const free = withMask(pool ?? all).filter((id) => !taken.has(id) && !inLabelled.has(id) && !closed.has(id));
    const n = amountOf(text, free.length, split);
    ids[split] = n === null ? readList(layout, text, split, fail) : hashOrder(free, seed).slice(-n);
    ids[split].forEach((id) => taken.add(id));
    if (n === null) continue;
    ids[split].forEach((id) => drawn.add(id));
    notes.push(`${n} of ${free.length} images with masks are held out for ${split} (seed ${seed})`);
  }
  ids.train = pool === null ? all.filter((id) => !taken.has(id)) : pool.filter((id) => !drawn.has(id));

  const candidates = withMask(ids.train).filter((id) => !closed.has(id));
  if (listed) {
    ids.labelled = listed;
  } else if (candidates.length === 0) {
    if (!unpaired && !spec.scored)
      fail(
        new DataError(
          `none of the ${ids.train.length} training images has a mask in ` +
            `${layout.maskFolder}${unlabelled ? ' and is not in the unlabelled list' : ''}: the set has ` +
            'unlabelled images only',
          'training needs at least one labelled image',
        ),
      );
  } else if (spec.labels === undefined) {
    ids.labelled = candidates;
  } else {
    const count = amountOf(spec.labels, ids.train.length, 'labels')!;
    if (count > candidates.length) {
      throw new UsageError(
        `\`labels ${spec.labels}\` asks for ${count} labelled images, but only ${candidates.length} of the ` +
          `${ids.train.length} training images have ` +
          `masks${unlabelled ? ' and are not in the unlabelled list' : ''}`,
        'ask for fewer, or leave `labels` out to use every mask',
      );
    }
    const cover = spec.labelsCover ?? true;
    const unreadable: string[] = [];
    // A mask that cannot be read shows no class. Whether that matters depends on whether its image is drawn.
    const shown = (id: string): Promise<readonly number[]> =>
      classesOf(id).catch((error: unknown) => {
        if (!(error instanceof DataError)) throw error;
        unreadable.push(errorText(error));
        return [];
      });
    ids.labelled = await drawLabelled(candidates, count, seed, cover ? shown : undefined);
    if (unreadable.length)
      notes.push(
        `${unreadable.length} mask${unreadable.length > 1 ? 's' : ''} could not be read for the draw: ${unreadable[0]}`,
      );
    notes.push(
      `${count} of ${ids.train.length} training images are labelled (seed ` +
        `${seed}; ` +
        (cover
          ? `drawn so that classes are present: the masks of all ${candidates.length} candidates were read for the draw, before training)`
          : 'drawn by hash, no mask was read)'),
    );
  }
  const labelled = new Set(ids.labelled);
  ids.unlabelled = unlabelled ?? ids.train.filter((id) => !labelled.has(id));
  ids.train = [...new Set([...ids.labelled, ...ids.unlabelled])];
  for (const split of ['labelled', 'val', 'test'] as const) {
    for (const id of ids[split].filter((i) => !layout.masks.has(i))) {
      fail(
        new DataError(
          `the ${split} image "${id}" has no mask in ${layout.maskFolder}`,
          'remove it from the list, or add the mask',
        ),
        { code: 'mask-missing', what: `${split} images have no mask in ${layout.maskFolder}`, item: id },
      );
    }
  }
  const judged = new Set([...ids.val, ...ids.test]);
  const leaked = ids.labelled.filter((id) => judged.has(id)).length;
  if (leaked > 0) notes.push(`${leaked} labelled images are also in val or test: figures on them say nothing`);
  return { ids, notes };
}
