// The part of an inspection that decodes images, and says how they are read.

import type { ImageFacts } from './decodeJobs.node.ts';
import type { DecodePool } from './decodePool.node.ts';
import type { Problems } from './inspect.node.ts';
import type { Layout } from './layout.node.ts';
import { clippedLine, MOST_BITS, sizeOf } from './pictureRule.ts';
import type { Pictures } from './pictures.node.ts';
import { errorText } from '../../runtime/errors.ts';

/** An image as it is read: its height and width are those after its orientation has been applied or not. */
export interface Picture extends ImageFacts {
  height: number;
  width: number;
  upright: boolean;
}

const imageCount = (n: number): string => `${n} image${n === 1 ? '' : 's'}`;

/** Decodes images; what cannot be decoded becomes a problem. */
export async function readImages(
  layout: Layout,
  ids: readonly string[],
  pictures: Pictures,
  pool: DecodePool,
  problems: Problems,
): Promise<Map<string, Picture>> {
  const facts = new Map<string, Picture>();
  const bad: string[] = [];
  const bits = pictures.rule.bits ?? MOST_BITS;
  const found = await Promise.all(
    ids.map(async (id) => {
      const image = layout.images.get(id)!;
      return pool.run({ kind: 'check', image, bits }).catch((e: unknown) => e as Error);
    }),
  );
  found.forEach((f, i) => {
    if (f instanceof Error) return bad.push(errorText(f));
    const upright = pictures.isUpright(layout.images.get(ids[i])!);
    const [height, width] = sizeOf(f, upright);
    return facts.set(ids[i], { ...f, height, width, upright });
  });
  problems.group('error', 'image-unreadable', bad, (n) => `${imageCount(n)} cannot be read`);
  return facts;
}

/**
 * What reading the images leaves open: orientations that no mask decides, values that are
 * clipped.
 */
export function checkReading(
  layout: Layout,
  facts: ReadonlyMap<string, Picture>,
  { undecided, rule }: Pictures,
  problems: Problems,
): void {
  const turned = new Set(undecided);
  const open = [...facts.keys()].filter((id) => turned.has(layout.images.get(id)!));
  const done = rule.orientation === 'apply' ? 'applied' : 'ignored';
  problems.group(
    'warning',
    'orientation',
    open,
    (n) =>
      `${imageCount(n)} with an EXIF orientation, which is ${done}; no mask tells by its size whether masks are drawn on` +
      ' the rotated image (`orientation`)',
  );
  const clipped = [...facts].filter(([, f]) => f.clipped > 0);
  problems.group(
    'warning',
    'clipped',
    clipped.map(([id, f]) => clippedLine(id, f.clipped, rule.bits!)),
    (n) => `${imageCount(n)} with values beyond those of the training images`,
  );
}
