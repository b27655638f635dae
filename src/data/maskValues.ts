// What the values of masks mean: class ids as they stand, or by a map such as "0:0,255:1".

import { DataError, UsageError } from '../../runtime/errors.ts';

/** The label of pixels that count nowhere. */
export const IGNORED = 255;
/** In a table: a value that masks must not hold. */
const REFUSED = -1;

/** The setting for values that are class ids as they stand, 255 ignored. */
export const AS_IDS = 'ids';

/** A map of values to classes. */
export interface ValueMap {
  /** The map in its canonical form: "0:0,255:1", "0-127:0,128-255:1", "0:ignore,1-3:0-2". */
  text: string;
  /** [256] class of each value; 255 for ignored ones, -1 for values that masks must not hold. */
  table: Int16Array;
  /** Number of classes: the largest one plus one. */
  classes: number;
}

const GRAMMAR =
  'list the value of each class in order, as in "0,255"; or give classes, as in "0:0,128:ignore,255:1" ' +
  'or "0-127:0,128-255:1"; "ids": values are class ids, 255 ignored (`maskValues`)';

function wrong(text: string, what: string): UsageError {
  return new UsageError(`mask values "${text}": ${what}`, GRAMMAR);
}

/** "7" or "7-9". */
function span(part: string, top: number, text: string): [first: number, last: number] {
  const m = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part);
  if (!m) throw wrong(text, `"${part}" is not a number or a range`);
  const first = Number(m[1]);
  const last = Number(m[2] ?? m[1]);
  if (last > top || first > last) throw wrong(text, `${part} is not within 0 to ${top}`);
  return [first, last];
}

/**
 * Reads a map of mask values. Its items are separated by commas: values alone, the first of class 0, the next of class
 * 1 and so on; or `VALUE:CLASS`, where the value may be a range, and the class a range as long, a number from 0 to 254,
 * or `ignore`.
 * 255 is ignored where it is not named.
 * @returns null for "ids": values are class ids
 * @throws UsageError
 * @example parseMaskValues('0,255')!.text // "0:0,255:1"
 */
export function parseMaskValues(text: string): ValueMap | null {
  if (text.trim() === AS_IDS) return null;
  const items = text.split(',').map((item) => item.replace(/\s+/g, ''));
  const listed = items.every((item) => !item.includes(':'));
  const table = new Int16Array(256).fill(REFUSED);
  for (const [position, item] of items.entries()) {
    const [value, target, ...rest] = item.split(':');
    if (!listed && (!target || rest.length > 0)) throw wrong(text, `"${item}" is not of the form VALUE:CLASS`);
    const [first, last] = span(value, 255, text);
    if (listed && first !== last) throw wrong(text, `the range ${value} has no class`);
    const ignored = target === 'ignore' || target === String(IGNORED);
    const [from, to] = listed ? [position, position] : ignored ? [IGNORED, IGNORED] : span(target, 254, text);
    if (from !== to && to - from !== last - first) {
      throw wrong(text, `${value} and ${target} are ranges of different lengths`);
    }
    for (let v = first; v <= last; v++) {
      if (table[v] !== REFUSED) throw wrong(text, `the value ${v} is named twice`);
      table[v] = from === to ? from : from + v - first;
    }
  }
  const map = valueMap(table);
  if (map.classes === 0) throw wrong(text, 'no value is a class');
  return map;
}

/** The map of a table. */
function valueMap(table: Int16Array): ValueMap {
  if (table[IGNORED] === REFUSED) table[IGNORED] = IGNORED;
  const text = formatTable(table);
  const classes = table.reduce((most, c) => (c === IGNORED ? most : Math.max(most, c + 1)), 0);
  return { text, table, classes };
}

/** A map of these values to the classes 0, 1, … */
export function mapInOrder(values: readonly number[]): ValueMap {
  const table = new Int16Array(256).fill(REFUSED);
  values.forEach((v, c) => (table[v] = c));
  return valueMap(table);
}

function formatTable(table: Int16Array): string {
  const parts: string[] = [];
  const range = (a: number, b: number): string => (a === b ? `${a}` : `${a}-${b}`);
  for (let v = 0; v < 256;) {
    const label = table[v];
    let end = v + 1;
    if (label === REFUSED) {
      v = end;
      continue;
    }
    // Values of one class in a row, else values whose classes rise with them; two neighbours alone stay apart.
    while (end < 256 && table[end] === label) end++;
    let target = label === IGNORED ? 'ignore' : `${label}`;
    if (end === v + 1 && label !== IGNORED) {
      const rises = (e: number): boolean => table[e] === label + e - v && table[e] !== IGNORED;
      while (end < 256 && rises(end) && table[end] !== table[end + 1]) end++;
      if (end === v + 2) end = v + 1;
      target = range(label, label + end - v - 1);
    }
    // That 255 is ignored needs no saying.
    if (!(v === IGNORED && label === IGNORED)) parts.push(`${range(v, end - 1)}:${target}`);
    v = end;
  }
  return parts.join(',');
}

/** The setting in its canonical form, so that two that mean the same are equal. @throws UsageError */
export function canonicalMaskValues(text: string): string {
  return parseMaskValues(text)?.text ?? AS_IDS;
}

/**
 * The setting as a check of a data set's settings: can the map be, with these classes?
 * @param declared number of classes, where it is given
 * @throws UsageError
 */
export function checkMaskValues(text: string, declared: number | undefined): void {
  const map = parseMaskValues(text);
  if (!map) return;
  const { classes, table } = map;
  if (declared !== undefined) {
    if (classes > declared) throw wrong(text, `they give ${classes} classes, but there are ${declared}`);
    return;
  }
  const missing = Array.from({ length: classes }, (_, c) => c).find((c) => !table.includes(c));
  const hint = 'if that is meant, give the number of classes (`classes`)';
  if (missing !== undefined) throw wrong(text, `no value is of class ${missing}; ${hint}`);
  if (classes < 2) throw wrong(text, 'there is one class only');
}

/**
 * Labels of mask values.
 * @param table of a {@link ValueMap}; null: values are class ids
 * @param file for errors
 * @throws DataError for a value that is not a class
 */
export function labelsOf(values: Uint8Array, table: Int16Array | null, numClasses: number, file: string): Uint8Array {
  if (table === null) {
    const outside = values.find((v) => v >= numClasses && v !== IGNORED);
    if (outside === undefined) return values;
    const hint = 'raise `classes`, say what the values mean (`maskValues`), or mend the mask';
    throw new DataError(outsideMessage(file, outside, numClasses), hint);
  }
  const labels = new Uint8Array(values.length);
  for (let p = 0; p < labels.length; p++) {
    const label = table[values[p]];
    if (label === REFUSED) throw new DataError(...unnamedMessage(file, values[p], formatTable(table)));
    labels[p] = label;
  }
  return labels;
}

/** That a value is not a class id. */
export function outsideMessage(file: string, value: number, numClasses: number): string {
  return `${file} has class id ${value}, but there are ${numClasses} classes (0 to ${numClasses - 1}; 255 is ignored)`;
}

/** That a map does not name a value, and what to do. */
export function unnamedMessage(file: string, value: number, map: string): [message: string, hint: string] {
  return [
    `${file} holds the value ${value}, which is not among the mask values ${map}`,
    `give it a class, or ignore it (\`maskValues ${map},${value}:ignore\`), or mend the mask`,
  ];
}

/** Counts of labels from counts of values; values that are not in the table are left out. */
export function labelCounts(counts: Uint32Array, table: Int16Array | null): Uint32Array {
  if (table === null) return counts;
  const out = new Uint32Array(256);
  counts.forEach((n, v) => {
    if (table[v] !== REFUSED) out[table[v]] += n;
  });
  return out;
}
