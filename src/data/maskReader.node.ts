// Which values the masks of a data set hold, and how they are therefore read. For opening and inspecting a set.

import { DataError } from '../../runtime/errors.ts';
import type { MaskCounts } from './decodeJobs.node.ts';
import type { DecodePool } from './decodePool.node.ts';
import type { Layout } from './layout.node.ts';
import { decideMaskRule, oneClassNotes, type MaskProblem, type MaskRule } from './maskRule.ts';
import { valueFacts, type MaskHistogram } from './maskStats.ts';
import { checkMaskValues, IGNORED, labelCounts, parseMaskValues } from './maskValues.ts';
import type { DatasetSplit } from './types.ts';

/** The part of a DatasetSpec that decides how masks are read; see there. */
export interface MaskSpec {
  maskValues?: string;
  trainedValues?: string;
  scored?: readonly string[];
  tolerant?: boolean;
}

type SplitIds = Readonly<Record<DatasetSplit, readonly string[]>>;

/** Splits whose masks are opened. */
const WITH_MASKS = ['labelled', 'val', 'test'] as const;
/** Where the number of classes is known, so many masks decide; the others are checked as they are loaded. */
const ENOUGH = 256;

/** Reads masks once for counting. */
export class MaskReader {
  private readonly pool: DecodePool;
  private readonly layout: Layout;
  private readonly known = new Map<string, Promise<MaskCounts>>();

  constructor(pool: DecodePool, layout: Layout) {
    this.pool = pool;
    this.layout = layout;
  }

  /** Pixels of each value of a mask. @throws DataError */
  counts(id: string): Promise<MaskCounts> {
    let found = this.known.get(id);
    if (!found) this.known.set(id, (found = this.pool.run({ kind: 'mask', mask: this.layout.masks.get(id)! })));
    return found;
  }

  /** What a mask shows: classes by the setting `maskValues`, else its values. @throws DataError, UsageError */
  async shown(id: string, maskValues: string | undefined): Promise<number[]> {
    const table = maskValues === undefined ? null : (parseMaskValues(maskValues)?.table ?? null);
    const counts = labelCounts((await this.counts(id)).counts, table);
    // A map says what 255 is. Without one, the draw decides by all masks.
    return Array.from(counts.keys()).filter((v) => counts[v] > 0 && (maskValues === undefined || v !== IGNORED));
  }

  /** The histogram of a mask; null where it cannot be read and `tolerant` says to leave that to whoever loads it. */
  private async histogram(id: string, tolerant: boolean): Promise<MaskHistogram | null> {
    try {
      const { counts, palette } = await this.counts(id);
      return { file: this.layout.masks.get(id)!, counts, palette };
    } catch (error) {
      if (!tolerant || !(error instanceof DataError)) throw error;
      return null;
    }
  }

  /** Histograms of these masks by id; no more than decide, where the number of classes is declared. */
  async histograms(ids: readonly string[], declared: boolean, tolerant: boolean): Promise<Map<string, MaskHistogram>> {
    const found = new Map<string, MaskHistogram>();
    for (const portion of portions(ids, declared ? ENOUGH : ids.length)) {
      const read = await Promise.all(portion.map(async (id) => [id, await this.histogram(id, tolerant)] as const));
      for (const [id, histogram] of read) if (histogram) found.set(id, histogram);
      // 0 and 255 alone say little: an object may be rare.
      if ([...found.values()].some(({ counts }) => counts.subarray(1, IGNORED).some((n) => n > 0))) break;
    }
    return found;
  }
}

/** A list in portions, the first of which is spread over all of it. */
function portions(ids: readonly string[], size: number): string[][] {
  const stride = Math.ceil(ids.length / Math.max(1, size));
  const spread = Array.from({ length: stride }, (_, from) => ids.filter((_id, i) => i % stride === from)).flat();
  return Array.from({ length: stride }, (_, k) => spread.slice(k * size, (k + 1) * size));
}

/**
 * Decides how the masks of a set are read, by those of labelled, val and test images.
 * @param declared number of classes, where it is given
 * @throws UsageError for a setting that makes no sense, DataError for masks that cannot be read
 */
export async function readMaskRule(
  reader: MaskReader,
  ids: SplitIds,
  spec: MaskSpec,
  declared: number | undefined,
): Promise<MaskRule | MaskProblem> {
  const scored = spec.scored !== undefined;
  const tolerant = spec.tolerant ?? scored;
  const wanted = [...new Set(WITH_MASKS.flatMap((split) => ids[split]))];
  // What is scored is one of the splits: its masks are checked as they are loaded.
  const settled = scored && spec.maskValues !== undefined;
  const read = await reader.histograms(settled ? [] : wanted, declared !== undefined, tolerant);
  return ruleFor(read, ids, spec, declared);
}

/**
 * The same by masks that have been read.
 * @param read histograms by id
 * @throws UsageError
 */
export function ruleFor(
  read: ReadonlyMap<string, MaskHistogram>,
  ids: SplitIds,
  spec: MaskSpec,
  declared: number | undefined,
): MaskRule | MaskProblem {
  const { maskValues, trainedValues } = spec;
  if (maskValues !== undefined) checkMaskValues(maskValues, declared);
  const rule = decideMaskRule({ masks: [...read.values()], declared, asked: maskValues, trained: trainedValues });
  if ('error' in rule) return rule;
  for (const split of WITH_MASKS) {
    const masks = ids[split].flatMap((id) => read.get(id) ?? []);
    if (masks.length === read.size || masks.length < ids[split].length) continue;
    rule.notes.push(...oneClassNotes(classesOf(masks, rule), `the ${masks.length} ${split} masks`));
  }
  return rule;
}

/** Classes that occur. */
function classesOf(masks: readonly MaskHistogram[], { map }: MaskRule): number[] {
  const labels = valueFacts(masks).map((f) => (map ? map.table[f.value] : f.value));
  return [...new Set(labels)].filter((c) => c !== IGNORED);
}
