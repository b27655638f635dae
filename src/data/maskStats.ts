// Which values the masks of a data set hold, in words, and what they look like: greys of a smoothed picture, instances.

/** Pixels of each value in one mask. */
export interface MaskHistogram {
  file: string;
  /** [256] pixels of each value. */
  counts: Uint32Array;
  /** RGB of the file's palette, where it has one. */
  palette?: Uint8Array | null;
}

/** One value over all masks. */
export interface ValueFacts {
  value: number;
  pixels: number;
  masks: number;
  /** The file of a mask that holds it. */
  example: string;
}

/** The values that occur, from the smallest. */
export function valueFacts(masks: readonly MaskHistogram[]): ValueFacts[] {
  const facts: (ValueFacts | undefined)[] = [];
  for (const { file, counts } of masks) {
    counts.forEach((pixels, value) => {
      if (pixels === 0) return;
      const known = (facts[value] ??= { value, pixels: 0, masks: 0, example: file });
      known.pixels += pixels;
      known.masks++;
    });
  }
  return facts.filter((f) => f !== undefined);
}

/** Values that are named one by one. */
const MOST_LISTED = 12;

/**
 * Values with their pixels and masks, and a file that holds the rarest: "0 (90 pixels, 2 masks), 254 (6 pixels, 1 mask:
 * a.png)". Of many values the most frequent ones.
 */
export function listValues(facts: readonly ValueFacts[]): string {
  const byCount = [...facts].sort((a, b) => b.pixels - a.pixels);
  const frequent = byCount.slice(0, MOST_LISTED).sort((a, b) => a.value - b.value);
  const rarest = [...frequent].sort((a, b) => a.masks - b.masks || a.pixels - b.pixels || b.value - a.value)[0];
  const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  const parts = frequent.map((f) => {
    const example = f === rarest ? `: ${f.example}` : '';
    return `${f.value} (${counted(f.pixels, 'pixel')}, ${counted(f.masks, 'mask')}${example})`;
  });
  const more = facts.length - parts.length;
  return `${parts.join(', ')}${more > 0 ? ` and ${counted(more, 'other value')}` : ''}`;
}

/** Greys this far from a level belong to it. */
const NEAR = 24;

/**
 * The levels of masks whose values were smoothed by JPEG, or by resizing with interpolation: few levels hold most
 * pixels, and around or between them lie many rare greys.
 * @returns the levels from the smallest, two to five; null where the values do not look so
 */
export function smoothedLevels(facts: readonly ValueFacts[]): number[] | null {
  if (facts.length < 4) return null;
  const byCount = [...facts].sort((a, b) => b.pixels - a.pixels);
  const total = byCount.reduce((sum, f) => sum + f.pixels, 0);
  const median = byCount[byCount.length >> 1].pixels;
  return (
    scattered(byCount, levelsOf(byCount, Math.max(8 * median, 0.0005 * total)), total) ??
    ringed(byCount, levelsOf(byCount, 0.0005 * total))
  );
}

/** Values that stand out, far from each other. @param least pixels */
function levelsOf(byCount: readonly ValueFacts[], least: number): ValueFacts[] {
  const levels: ValueFacts[] = [];
  for (const f of byCount) {
    // Two levels make a mask; further ones must stand out beside them.
    if (f.pixels < least || f.pixels < 0.1 * (levels[1]?.pixels ?? 0)) break;
    if (levels.every((l) => Math.abs(l.value - f.value) > NEAR)) levels.push(f);
  }
  return levels;
}

/** Levels in their order, where they can be those of a mask. */
function orderOf(levels: readonly ValueFacts[]): number[] | null {
  const values = levels.map((l) => l.value).sort((a, b) => a - b);
  return values.length >= 2 && values.length <= 5 && values.at(-1)! - values[0] >= 64 ? values : null;
}

/** Many rare greys lie around all levels, or between them. */
function scattered(byCount: readonly ValueFacts[], found: readonly ValueFacts[], total: number): number[] | null {
  const levels = orderOf(found);
  if (!levels) return null;
  const near = byCount.filter((f) => levels.some((l) => Math.abs(l - f.value) <= NEAR));
  if (near.reduce((sum, f) => sum + f.pixels, 0) < 0.75 * total) return null;
  const between = near.length < byCount.length;
  const around = levels.every((l) => near.some((f) => f.value !== l && Math.abs(f.value - l) <= NEAR));
  return byCount.length - levels.length >= 3 && (between || around) ? levels : null;
}

/** A few greys lie right beside the levels, each far rarer than its level. */
function ringed(byCount: readonly ValueFacts[], found: readonly ValueFacts[]): number[] | null {
  const others = byCount.filter((f) => !found.includes(f));
  const levelOf = (f: ValueFacts): ValueFacts | undefined =>
    found.find((l) => Math.abs(l.value - f.value) <= NEAR / 3 && f.pixels <= 0.15 * l.pixels);
  const all = others.length >= 2 && others.every((f) => levelOf(f) !== undefined);
  return all && others.some((f) => levelOf(f)!.value >= 64) ? orderOf(found) : null;
}

/** The map that takes every grey for the nearest level: "0-127:0,128-255:1". */
export function nearestLevel(levels: readonly number[]): string {
  const from = levels.map((l, c) => (c === 0 ? 0 : Math.ceil((levels[c - 1] + l) / 2)));
  return from.map((first, c) => `${first}-${c + 1 < from.length ? from[c + 1] - 1 : 255}:${c}`).join(',');
}

/**
 * Do masks number objects instead of naming classes? Then each mask counts on its own: 1 to 17, 1 to 9, …; or nearly
 * every number occurs in one mask only.
 */
export function looksLikeInstances(masks: readonly MaskHistogram[], facts: readonly ValueFacts[]): boolean {
  const isNumber = (v: number): boolean => v > 0 && v < 255;
  const numbersIn = ({ counts }: MaskHistogram): number[] =>
    Array.from(counts.keys()).filter((v) => isNumber(v) && counts[v] > 0);
  const shown = masks.map(numbersIn).filter((s) => s.length > 0);
  const sizes = shown.map((s) => s.length);
  if (shown.length < 2) return false;
  const counted = shown.every((s) => s.at(-1) === s.length);
  if (counted && Math.max(...sizes) >= 8 && new Set(sizes).size >= Math.min(3, shown.length)) return true;
  const numbers = facts.filter((f) => isNumber(f.value));
  const single = numbers.filter((f) => f.masks === 1).length;
  const middle = [...sizes].sort((a, b) => a - b)[sizes.length >> 1];
  return shown.length >= 3 && numbers.length >= 10 && middle >= 3 && single >= 0.7 * numbers.length;
}

/**
 * Are some masks black and white, and the others ids? So it looks where 255 occurs in masks of 0 and 255 alone, more
 * than once, while other masks hold ids and no 255.
 * @returns the files of the black-and-white ones; none where 255 may well mean ignored
 */
export function blackAndWhite(masks: readonly MaskHistogram[]): string[] {
  const has = (counts: Uint32Array, from: number, to: number): boolean => counts.subarray(from, to).some((n) => n > 0);
  const white = masks.filter(({ counts }) => counts[255] > 0);
  const plain = white.every(({ counts }) => counts[0] > 0 && !has(counts, 1, 255));
  const others = masks.some(({ counts }) => counts[255] === 0 && has(counts, 1, 255));
  return white.length > 1 && plain && others ? white.map((m) => m.file) : [];
}

/** One index with two colours. */
export interface PaletteClash {
  index: number;
  /** Files and the colours that they give it, "#ff0000". */
  colours: readonly [file: string, colour: string][];
}

const colourOf = (palette: Uint8Array, index: number): string =>
  `#${Array.from(palette.subarray(3 * index, 3 * index + 3), (v) => v.toString(16).padStart(2, '0')).join('')}`;

/**
 * An index that two palettes show in different colours. Programs that choose the palette by the picture number its
 * colours differently in each file, so that indices are not class ids.
 * @returns null where the palettes agree on all indices that occur; the colour of 255 does not count
 */
export function paletteClash(masks: readonly MaskHistogram[]): PaletteClash | null {
  const known = new Map<number, [file: string, colour: string]>();
  for (const { file, counts, palette } of masks) {
    if (!palette) continue;
    for (let index = 0; index < Math.min(255, palette.length / 3); index++) {
      if (counts[index] === 0) continue;
      const colour = colourOf(palette, index);
      const before = known.get(index);
      if (before && before[1] !== colour) return { index, colours: [before, [file, colour]] };
      known.set(index, [file, colour]);
    }
  }
  return null;
}

/** Do palettes show 0 in white and 1 in black? Then a mask looks like the opposite of what is read. */
export function isInverted(masks: readonly MaskHistogram[]): boolean {
  const shown = masks.flatMap(({ palette }) => (palette && palette.length >= 6 ? [palette] : []));
  return shown.length > 0 && shown.every((p) => colourOf(p, 0) === '#ffffff' && colourOf(p, 1) === '#000000');
}
