// Which images of a pool count as labelled: by number or fraction, drawn from a seed.

import { createHash } from 'node:crypto';
import { UsageError } from '../../runtime/errors.ts';

const AMOUNT = /^\s*(\d+)\s*$|^\s*(\d+)\s*\/\s*(\d+)\s*$|^\s*(\d+(?:\.\d+)?)\s*%\s*$/;

/** Is the text a number or part of images, not the name of a list? */
export const isAmount = (text: string): boolean => AMOUNT.test(text);

/** Is it empty, or a number that cannot be an amount, such as 0.5 or -3? */
export const looksLikeAmount = (text: string): boolean =>
  !isAmount(text) && /^\s*[-+]?[\d.,]*(e[-+]?\d+)?\s*%?\s*$/i.test(text);

/**
 * The number of images that "46", "1/8" or "12.5%" means, or null where the text is none of these (then it names a
 * list).
 * @param of images of the pool
 * @param setting its name, for errors
 * @throws UsageError for none, or for more than there are
 */
export function amountOf(text: string, of: number, setting: string): number | null {
  const match = AMOUNT.exec(text);
  if (!match) return null;
  const [, count, over, under, percent] = match;
  const share = over !== undefined ? Number(over) / Number(under) : Number(percent) / 100;
  if (count === undefined && !(share <= 1))
    throw new UsageError(
      `\`${setting} ${text}\` is not a fraction of the ${of} images`,
      'give a number of images, or a fraction of at most 1 such as 1/8',
    );
  const n = count !== undefined ? Number(count) : Math.round(of * share);
  if (n === 0)
    throw new UsageError(
      `\`${setting} ${text}\` of ${of} images are none`,
      'give a number of at least 1, or a fraction that leaves at least one image',
    );
  if (n > of)
    throw new UsageError(
      `\`${setting} ${text}\` are more than the ${of} images there are`,
      'give fewer, or a part such as 1/8',
    );
  return n;
}

/** The classes of masks, for a draw: 255 means ignored, unless all masks contain 0 and 255 only. */
function withoutIgnored(shown: ReadonlyMap<string, readonly number[]>): Map<string, readonly number[]> {
  const blackAndWhite = [...shown.values()].every((values) => values.every((v) => v === 0 || v === 255));
  return new Map([...shown].map(([id, values]) => [id, blackAndWhite ? values : values.filter((v) => v !== 255)]));
}

/**
 * Ids in the order of their hashes: an order that a seed decides, and that other ids joining the pool do not disturb.
 */
export function hashOrder(ids: readonly string[], seed: number): string[] {
  const keyed = ids.map((id) => [createHash('sha256').update(`${seed}:${id}`).digest('hex'), id] as const);
  return keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, id]) => id);
}

/**
 * Draws the labelled images. The whole pool is put in one order and its first `count` are taken, so that draws of one
 * seed are nested (1/16 in 1/8 in 1/4). The order is that of the hashes; with `classesOf`, a greedy cover precedes it:
 * again and again the image that adds most classes, until no image adds one.
 *
 * This is the one place that looks into masks of images that may end up unlabelled, and only with `classesOf`: it calls
 * it for every candidate. It runs before training; nothing of the training path calls it.
 * @param candidates images that have masks
 * @param classesOf the values in the mask of an image; 255 is ignored, unless the masks are black and white
 */
export async function drawLabelled(
  candidates: readonly string[],
  count: number,
  seed: number,
  classesOf?: (id: string) => Promise<readonly number[]>,
): Promise<string[]> {
  const order = hashOrder(candidates, seed);
  if (!classesOf) return order.slice(0, count);
  const shown = await Promise.all(order.map(async (id) => [id, await classesOf(id)] as const));
  const classes = withoutIgnored(new Map(shown));
  const seen = new Set<number>();
  const cover: string[] = [];
  for (;;) {
    let best: string | undefined;
    let most = 0;
    for (const id of order) {
      const added = classes.get(id)!.filter((c) => !seen.has(c)).length;
      if (added > most) [best, most] = [id, added];
    }
    if (best === undefined) break;
    cover.push(best);
    classes.get(best)!.forEach((c) => seen.add(c));
  }
  const first = new Set(cover);
  return [...cover, ...order.filter((id) => !first.has(id))].slice(0, count);
}
