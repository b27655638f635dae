// What the values of the masks of a data set mean: one rule for the whole set, by the values of all its masks together.

import { DataError } from '../../runtime/errors.ts';
import {
  blackAndWhite,
  isInverted,
  listValues,
  looksLikeInstances,
  nearestLevel,
  paletteClash,
  smoothedLevels,
  valueFacts,
  type MaskHistogram,
  type PaletteClash,
  type ValueFacts,
} from './maskStats.ts';
import {
  AS_IDS,
  IGNORED,
  mapInOrder,
  outsideMessage,
  parseMaskValues,
  unnamedMessage,
  type ValueMap,
} from './maskValues.ts';

export interface RuleInput {
  /** Values of the masks of labelled, val and test images, or of as many as decide. */
  masks: readonly MaskHistogram[];
  /** Number of classes, where it is given. */
  declared?: number;
  /** The setting `maskValues`. */
  asked?: string;
  /** How the masks were read that a network was trained on: this counts where all values are among its own. */
  trained?: string;
}

/** How masks are read. */
export interface MaskRule {
  numClasses: number;
  /** Null: values are class ids, 255 ignored. */
  map: ValueMap | null;
  /** The setting that gives this rule again; undefined where values are ids and nothing was asked for. */
  setting?: string;
  /** Lines to be printed. */
  notes: string[];
}

/** Why masks cannot be read. */
export interface MaskProblem {
  /** Stable name of the kind of problem. */
  code: string;
  error: DataError;
}

/** The input with what is derived from it. */
interface Found extends RuleInput {
  facts: readonly ValueFacts[];
  /** Values that occur, 255 left out, from the smallest. */
  ids: readonly number[];
  /** The largest of them; -1 for none. */
  top: number;
  /** Does 255 occur? */
  white: boolean;
  /** "the 3 masks hold 0 (9 pixels, 1 mask), …". */
  text: string;
}

/** A single value from here on is a grey of a black-and-white mask, not the number of a class. */
const GREY = 127;
/** A mask of more values is a picture. */
const MOST_IDS = 100;
/** Values that are named one by one. */
const MOST_NAMED = 8;

const theMasks = (n: number): string => (n === 1 ? 'the mask' : `the ${n} masks`);
const hold = (n: number): string => `${theMasks(n)} hold${n === 1 ? 's' : ''}`;
const option = (values: readonly number[]): string => `\`maskValues ${values.join(',')}\``;
const problem = (code: string, message: string, hint: string): MaskProblem => ({
  code,
  error: new DataError(message, hint),
});

/**
 * Decides how masks are read.
 *
 * Values below the declared number of classes are class ids and 255 is ignored, except in masks that hold 0 and 255
 * alone: there 255 is the object. Two classes may also have other values, such as 0 and 128, or 1 and 2. What can be
 * read in two ways is refused, with the choices.
 * @throws UsageError for a map that cannot be read
 */
export function decideMaskRule(input: RuleInput): MaskRule | MaskProblem {
  const { masks, declared, trained } = input;
  const asked = input.asked ?? (trained === AS_IDS ? AS_IDS : undefined);
  const facts = valueFacts(masks);
  const values = facts.map((f) => f.value);
  const ids = values.filter((v) => v !== IGNORED);
  const text = facts.length > 0 ? `${hold(masks.length)} ${listValues(facts)}` : '';
  const found: Found = { ...input, asked, facts, ids, top: ids.at(-1) ?? -1, white: ids.length < values.length, text };
  if (asked !== undefined && asked !== AS_IDS) return byMap(parseMaskValues(asked)!, found);
  if (facts.length === 0) {
    return declared === undefined ? tooFew(0, -1) : { numClasses: declared, map: null, setting: asked, notes: [] };
  }
  const clash = asked === undefined ? paletteClash(masks) : null;
  if (clash) return palettesDiffer(clash);
  const before = asked === undefined && trained !== undefined ? parseMaskValues(trained) : null;
  if (before && fits(before, facts)) return byMap(before, found);
  if (ids.length === 0) {
    const hint = `nothing can be learned or scored; if 255 is the object, give ${option([0, IGNORED])}`;
    return problem('all-ignored', `every pixel of ${theMasks(masks.length)} is 255, which means ignored`, hint);
  }
  return asked === AS_IDS ? asIds(found) : automatic(found);
}

/** Does the map of a training explain these values? Not where it would ignore one of two. */
function fits({ table }: ValueMap, facts: readonly ValueFacts[]): boolean {
  const labels = facts.map((f) => table[f.value]);
  const several = labels.filter((c) => c !== IGNORED).length > 1;
  return labels.every((c) => c >= 0) && (several || !labels.includes(IGNORED));
}

function automatic(found: Found): MaskRule | MaskProblem {
  const { masks, declared, ids, top, white } = found;
  if (white && top === 0) {
    return (declared ?? 2) === 2 ? inOrder(found, [0, IGNORED]) : onlyBlackAndWhite(masks.length, declared!);
  }
  if (declared !== undefined && top < declared) return asIds(found);
  const strange = notClasses(found);
  if (strange) return strange;
  const consecutive = top - ids[0] === ids.length - 1;
  const shifted = consecutive && ids[0] === 1 && ids.length > 1;
  if (shifted && declared === undefined) return fromOne(found);
  if (shifted && declared === ids.length) return inOrder(found, ids);
  if (consecutive && ids[0] === 0 && top > 0 && declared === undefined) return asIds(found);
  if (ids.length === 1 && top <= 1 && !white && declared === undefined) return tooFew(masks.length, top);
  const two = ids.length === 2 && !white;
  const black = ids[0] === 0 && top >= GREY;
  if (two && (declared === 2 || (declared === undefined && black))) return inOrder(found, ids);
  const few = ids.length + Number(white) <= 3 && (top >= GREY || (declared === 2 && !ids.includes(1)));
  return declared === undefined || few ? unclear(found) : outside(found, declared);
}

/** Values that are not class ids at all, by their looks. */
function notClasses({ masks, declared, facts, top, text }: Found): MaskProblem | null {
  const meant = declared === undefined ? `; if they are classes, give \`classes ${top + 1}\`` : '';
  if (looksLikeInstances(masks, facts)) {
    const hint = `if all objects are of one class, give \`maskValues 0:0,1-255:1\`; else save class ids${meant}`;
    const looks = 'these look like instances, one number for each object, not classes';
    return problem('instances', `${text}: ${looks}`, hint);
  }
  const levels = smoothedLevels(facts);
  if (levels) {
    const looks = 'these look like masks that were saved as JPEG, or resized with smoothing';
    const nearest = nearestLevel(levels);
    const hint = `save masks as PNG without smoothing, or take the nearest level: \`maskValues ${nearest}\``;
    return problem('smoothed', `${text}: ${looks}: most pixels are near ${levels.join(', ')}`, hint);
  }
  const most = Math.max(...masks.map((m) => m.counts.reduce((n, v) => n + Number(v > 0), 0)));
  if (most <= MOST_IDS) return null;
  const hint = `save class ids, or take greys from 128 on as the object: \`maskValues 0-127:0,128-255:1\`${meant}`;
  const looks = `with up to ${most} values in a mask, these look like grey pictures, not class ids`;
  return problem('greys', `${text}: ${looks}`, hint);
}

function fromOne({ ids, top, text }: Found): MaskProblem {
  const first = ids.length > MOST_NAMED ? `\`maskValues 1-${top}:0-${top - 1}\`` : option(ids);
  const hint = `if 1 is the first class, give ${first}; if class 0 is only absent here, \`classes ${top + 1}\``;
  return problem('ids-from-1', `${text}: ids begin at 1`, hint);
}

/** Ids beyond the declared classes. */
function outside({ masks, ids, top, text }: Found, declared: number): MaskProblem {
  const beyond = (n: number, v: number): boolean => n > 0 && v >= declared && v !== IGNORED;
  const { file, counts } = masks.find((m) => m.counts.some(beyond))!;
  const message = outsideMessage(file, counts.findIndex(beyond), declared);
  if (ids.length === declared + 1 && top === declared) {
    const unlabelled = `if 0 means unlabelled, give \`maskValues 0:ignore,1-${top}:0-${top - 1}\``;
    const count = `count the background too (\`classes ${ids.length}\`)`;
    const many = `${text}, ${ids.length} ids for ${declared} classes`;
    return problem('ids-outside', message, `${many}: ${count}; ${unlabelled}`);
  }
  const hint = `raise \`classes\`, say what the values mean (\`maskValues\`), or mend the masks: ${text}`;
  return problem('ids-outside', message, hint);
}

/** Values that could mean several things. */
function unclear({ ids, top, white, declared, text }: Found): MaskProblem {
  const all = white ? [...ids, IGNORED] : ids;
  const choices: string[] = [];
  if (all.length === 1) choices.push(`if ${all[0]} is the object of two classes, give ${option([0, all[0]])}`);
  else if (all.length <= MOST_NAMED) choices.push(`if they are ${all.length} classes, give ${option(all)}`);
  else choices.push('say which value is which class (`maskValues`)');
  const [first, second, third] = all;
  if (all.length === 3) {
    choices.push(`if ${second} means unknown, \`maskValues ${first}:0,${second}:ignore,${third}:1\``);
    if (white) choices.push(`if 255 does, ${option(ids)}`);
  }
  if (declared === undefined) {
    const rest = `${white ? ', 255 ignored,' : ''} and other classes are only absent here`;
    choices.push(`if they are ids${rest}, \`classes ${Math.max(2, top + 1)}\``);
  }
  const why =
    declared === undefined
      ? 'which are not the ids 0, 1, 2, … without a gap'
      : `but there are ${declared} classes, with the ids 0 to ${declared - 1}`;
  return problem('values-unclear', `${text}, ${why}`, choices.join('; '));
}

/** Values are class ids, 255 is ignored. */
function asIds(found: Found): MaskRule | MaskProblem {
  const { masks, declared, asked, ids, top } = found;
  if (declared !== undefined && top >= declared) return outside(found, declared);
  if (declared === undefined && top < 1) return tooFew(masks.length, top);
  if (declared === undefined && ids.length <= top) return unclear(found);
  const monochrome = asked === undefined ? blackAndWhite(masks) : [];
  if (monochrome.length > 0) return mixed(monochrome, masks.length);
  const numClasses = declared ?? top + 1;
  const counted = `${numClasses} classes: the largest id in ${masks.length} masks is ${top}`;
  const notes = [...(declared === undefined ? [counted] : []), ...oneClassNotes(ids, theMasks(masks.length))];
  if (isInverted(masks)) notes.push('palettes show class 0 in white and class 1 in black: indices count, not colours');
  return { numClasses, map: null, setting: asked, notes };
}

/** Masks are read by a map that was given. */
function byMap(map: ValueMap, { masks, declared, asked, facts, text }: Found): MaskRule | MaskProblem {
  const unnamed = facts.find((f) => map.table[f.value] < 0);
  if (unnamed) {
    const [message, hint] = unnamedMessage(unnamed.example, unnamed.value, map.text);
    return problem('values-unnamed', message, `${hint}: ${text}`);
  }
  const classes = [...new Set(facts.map((f) => map.table[f.value]))].filter((c) => c !== IGNORED);
  if (facts.length > 0 && classes.length === 0) {
    const message = `every pixel of ${theMasks(masks.length)} is ignored by the mask values ${map.text}`;
    return problem('all-ignored', message, `nothing can be learned or scored: ${text}`);
  }
  const how = asked === undefined ? `as in the training: ${map.text} (\`maskValues\`)` : `as ${map.text}`;
  const notes = [`mask values are read ${how}`, ...oneClassNotes(classes, theMasks(masks.length))];
  return { numClasses: declared ?? map.classes, map, setting: map.text, notes };
}

/** The values that occur are the classes 0, 1, … in this order. */
function inOrder({ masks, declared, white }: Found, values: readonly number[]): MaskRule {
  const map = mapInOrder(values);
  const n = values.length;
  const several = `${values[0]} to ${values.at(-1)} as the classes 0 to ${n - 1}`;
  const pairs = n > MOST_NAMED ? several : values.map((v, c) => `${v} as class ${c}`).join(', ');
  const rim = white ? '; 255 is ignored' : '';
  const other = values.includes(IGNORED) ? `; if 255 means ignored, give \`maskValues ${AS_IDS}\`` : rim;
  const what = `${hold(masks.length)} the values ${values.join(', ')} only, read as ${n} classes: ${pairs}`;
  return { numClasses: declared ?? n, map, setting: map.text, notes: [`${what} (\`maskValues ${map.text}\`${other})`] };
}

function onlyBlackAndWhite(n: number, declared: number): MaskProblem {
  const hint =
    'if 255 is a class, say which, as in `maskValues 0:0,255:1`; ' +
    `if it means ignored, so that all the rest is class 0, give \`maskValues ${AS_IDS}\``;
  return problem('black-and-white', `${hold(n)} 0 and 255 alone, but there are ${declared} classes`, hint);
}

function mixed(white: readonly string[], n: number): MaskProblem {
  const what = `${white.length} of ${theMasks(n)} are black and white (0 and 255 alone)`;
  const message = `${what}, the others hold ids and no 255: ${white[0]}`;
  const hint =
    'save all in one way; if 255 is a class, say which, as in `maskValues 0:0,1:1,255:1`; ' +
    `if it means ignored, give \`maskValues ${AS_IDS}\``;
  return problem('mixed', message, hint);
}

function palettesDiffer({ index, colours: [[file, colour], [other, different]] }: PaletteClash): MaskProblem {
  const message = `palettes of masks disagree: index ${index} is ${colour} in ${file}, ${different} in ${other}`;
  const hint =
    'colours are numbered differently in each file; save masks as grey PNG, or all with one palette; ' +
    `if the indices are class ids all the same, give \`maskValues ${AS_IDS}\``;
  return problem('palettes-differ', message, hint);
}

/** Masks that show less than two classes, where none are declared. @param most the largest id, -1 for none */
function tooFew(masks: number, most: number): MaskProblem {
  const hint = 'masks hold a class id for each pixel: 0, 1, …; if other classes are only absent here, give `classes`';
  const shown = most < 0 ? 'no class' : `class ${most} alone`;
  return problem('too-few-classes', `the masks (${masks}) show ${shown}`, hint);
}

/** A line where a class occurs alone. @param where "the 3 masks" */
export function oneClassNotes(classes: readonly number[], where: string): string[] {
  if (classes.length !== 1) return [];
  const why = 'nothing can be told apart, and a score says nothing about the other classes';
  return [`only class ${classes[0]} occurs in ${where}: ${why}`];
}
