// What an inspection of a data set says, and its text.

import type { PictureRule } from './pictureRule.ts';
import type { DatasetSplit } from './types.ts';

export interface Problem {
  /** Errors stop training, or make its figures worthless; warnings do not. */
  level: 'error' | 'warning';
  /** Stable name of the kind of problem. */
  code: string;
  message: string;
  /** What to do about it, where it is known. */
  hint?: string;
  /** The files or ids concerned, all of them. */
  items: string[];
}

export interface ClassCounts {
  /** Pixels by class. */
  pixels: number[];
  /** Images that show the class. */
  images: number[];
  /** Pixels of 255. */
  ignored: number;
}

/** One value of the masks of labelled, val and test images. */
export interface ValueCount {
  value: number;
  pixels: number;
  /** Masks that hold it. */
  masks: number;
  /** The class as which it is read; 255: ignored; null where the values cannot be read as classes. */
  label: number | null;
}

export interface Range {
  min: number;
  median: number;
  max: number;
}

export interface Inspection {
  name: string;
  numClasses: number;
  classNames: string[];
  /** Images of each split, and how many of them have a mask file (of unlabelled images, only that it is there). */
  splits: Record<DatasetSplit, { images: number; masks: number }>;
  /** How the images are read; null where there are none. */
  pictures: PictureRule | null;
  /** Images in no split. */
  unused: number;
  /** Of all readable images of the splits; null where there are none. */
  sizes: { height: Range; width: Range; distinct: number } | null;
  /** Number of masks by what their files are: "palette, 8 bits". */
  maskForms: Record<string, number>;
  /** The values in masks, as they are stored. */
  maskValues: ValueCount[];
  classes: Record<'labelled' | 'val' | 'test', ClassCounts>;
  imagesWithoutMask: number;
  masksWithoutImage: number;
  /** What was decided without being asked for. */
  notes: string[];
  problems: Problem[];
}

/** 0 without errors, else 1. */
export function exitCode(inspection: Inspection): 0 | 1 {
  return inspection.problems.some((p) => p.level === 'error') ? 1 : 0;
}

/** Columns side by side; the first to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((r) => r[c].length)));
  return rows.map((r) =>
    `  ${r.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c]))).join('  ')}`.trimEnd(),
  );
}

const share = (part: number, whole: number): string =>
  whole === 0 ? '-' : `${((100 * part) / whole).toFixed(part / whole < 0.01 ? 2 : 1)} %`;
/** Values that the text names; the most frequent ones. */
const MOST_VALUES = 16;

/** "mask values: 0 (96.1 %, 5 masks) is class 0; …". Nothing where values are the class ids that the table shows. */
function valueLines(values: readonly ValueCount[]): string[] {
  if (values.every((v) => v.label === v.value)) return [];
  const total = values.reduce((sum, v) => sum + v.pixels, 0);
  const byCount = [...values].sort((a, b) => b.pixels - a.pixels);
  const frequent = byCount.slice(0, MOST_VALUES).sort((a, b) => a.value - b.value);
  const parts = frequent.map(({ value, pixels, masks, label }) => {
    const read = label === null ? '' : label === 255 ? ' is ignored' : ` is class ${label}`;
    return `${value} (${share(pixels, total)}, ${masks} mask${masks === 1 ? '' : 's'})${read}`;
  });
  const more = values.length - parts.length;
  return [`mask values: ${parts.join('; ')}${more > 0 ? `; and ${more} more` : ''}`];
}

const range = (r: Range): string => (r.min === r.max ? `${r.min}` : `${r.min} to ${r.max}, median ${r.median}`);

/** A problem on one line: its message and its hint. */
export function problemText({ message, hint }: Problem): string {
  return hint === undefined ? message : `${message} — ${hint}`;
}

/** The inspection as text: counts, sizes, classes, problems. */
export function formatInspection(o: Inspection): string {
  const lines = [`${o.name}: ${o.numClasses > 0 ? `${o.numClasses} classes` : 'classes unknown'}`, ''];
  const splits = (['labelled', 'unlabelled', 'val', 'test'] as const).map((s) => [
    s,
    String(o.splits[s].images),
    String(o.splits[s].masks),
  ]);
  lines.push(...table([['split', 'images', 'mask files'], ...splits]));
  if (o.unused > 0) lines.push(`  (${o.unused} images are in no split)`);
  if (o.imagesWithoutMask > 0 || o.masksWithoutImage > 0)
    lines.push(`  images without a mask: ${o.imagesWithoutMask}; masks without an image: ${o.masksWithoutImage}`);
  if (o.sizes)
    lines.push(
      '',
      `image height ${range(o.sizes.height)}; width ${range(o.sizes.width)}; ${o.sizes.distinct} different ` +
        `size${o.sizes.distinct > 1 ? 's' : ''}`,
    );
  const forms = Object.entries(o.maskForms);
  if (forms.length) lines.push(`masks: ${forms.map(([form, n]) => `${n} ${form}`).join('; ')}`);
  lines.push(...valueLines(o.maskValues));
  const parts = (['labelled', 'val', 'test'] as const).filter((s) => o.classes[s].pixels.some((v) => v > 0));
  if (parts.length) {
    const totals = parts.map((s) => o.classes[s].pixels.reduce((a, b) => a + b, 0));
    const rows = o.classNames.map((name, c) => [
      `${c} ${name}`,
      ...parts.flatMap((s, i) => [share(o.classes[s].pixels[c], totals[i]), String(o.classes[s].images[c])]),
    ]);
    const mapped = o.maskValues.some((v) => v.label !== v.value);
    const shares = parts.flatMap((s, i) => [share(o.classes[s].ignored, totals[i] + o.classes[s].ignored), '']);
    const ignored = [mapped ? 'ignored' : '255 ignored', ...shares];
    lines.push('', ...table([['class', ...parts.flatMap((s) => [`${s}: pixels`, 'images'])], ...rows, ignored]));
  }
  if (o.notes.length) lines.push('', ...o.notes.map((n) => `note: ${n}`));
  const errors = o.problems.filter((p) => p.level === 'error').length;
  lines.push(
    '',
    o.problems.length === 0
      ? 'no problems'
      : `${errors} error${errors === 1 ? '' : 's'}, ${o.problems.length - errors} warning${o.problems.length - errors === 1 ? '' : 's'}`,
  );
  for (const p of [...o.problems].sort((a, b) => a.level.localeCompare(b.level))) {
    lines.push(`${p.level}: ${problemText(p)}`);
    if (p.items.length > 1)
      lines.push(
        ...p.items.slice(0, 8).map((f) => `    ${f}`),
        ...(p.items.length > 8 ? [`    and ${p.items.length - 8} more`] : []),
      );
  }
  return lines.join('\n');
}
