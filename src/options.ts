// Settings, declared once: what each may be, its default, and what it does. Checks, defaults, types and help are made
// of the declarations. For the options of schemes, augmentations and networks, and for whole runs.

/* eslint-disable @typescript-eslint/no-explicit-any -- a record of settings of all types is read by its own types */

import { UsageError } from '../runtime/errors.ts';

/**
 * What a setting may be. `T` is the value that is used, `G` what may be given: an object may leave out what has a
 * default.
 */
export interface Kind<T = unknown, G = T> {
  /** What fits, in words. */
  readonly fits: string;
  /** The values of a choice, in words, for the help. */
  readonly words?: string;
  /** How a form asks for it; values that a form cannot ask for have none. */
  readonly input?: Input;
  /**
   * @param name of the setting, for the error
   * @throws UsageError where the value does not fit
   */
  check(value: unknown, name: string): void;
  /** What is given, with the defaults of what it leaves out. */
  fill?(value: G): T;
}

/** A field of a form. */
export type Input =
  | { readonly type: 'number'; readonly min?: number; readonly max?: number; readonly whole: boolean }
  | { readonly type: 'flag' }
  | { readonly type: 'choice'; readonly values: readonly (string | number)[] };

/** A setting with its default. */
export interface Option<T = unknown, G = T> {
  readonly kind: Kind<T, G>;
  /** The default. */
  readonly usual: G;
  /** What it does, in a few words. */
  readonly about: string;
}

/** Settings by name. */
export type Options = Readonly<Record<string, Option<any, any>>>;
/** The values of settings, all of them there. */
export type Values<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T, any> ? T : never };
/** What may be given for settings. */
export type Given<O extends Options> = { readonly [K in keyof O]?: O[K] extends Option<any, infer G> ? G : never };

/**
 * Declares a setting.
 * @param usual the default, as it might be given
 * @example const tau = option(number({ from: 0 }), 0.95, 'confidence threshold, compared with >=');
 */
export function option<T, G>(kind: Kind<T, G>, usual: NoInfer<G>, about: string): Option<T, G> {
  return { kind, usual, about };
}

/** The values of settings: what is given, and defaults for the rest. It is not checked: see {@link checkOptions}. */
export function fill<O extends Options>(options: O, values: Given<O>): Values<O> {
  const filled = Object.entries(options).map(([name, { kind, usual }]) => {
    const value: unknown = values[name] === undefined ? usual : values[name];
    return [name, kind.fill ? kind.fill(value) : value];
  });
  return Object.fromEntries(filled) as Values<O>;
}

/** The kinds of settings. */
export const kindsOf = (options: Options): Fields =>
  Object.fromEntries(Object.entries(options).map(([name, { kind }]) => [name, kind]));

/** What is given of options, to be spread over defaults: without what is undefined. */
export const given = <T extends object>(options: T | null | undefined): T =>
  Object.fromEntries(Object.entries(options ?? {}).filter(([, v]) => v !== undefined)) as T;

/** A kind for each field. */
export type Fields = Readonly<Record<string, Kind<any, any>>>;

/** Is it an object of fields? */
export const isObject = (v: unknown): v is Record<string, unknown> =>
  typeof v === 'object' && v !== null && !Array.isArray(v);

/** @throws UsageError */
export function refuse(value: unknown, name: string, fits: string): never {
  throw new UsageError(`${name} is ${typeof value === 'number' ? value : JSON.stringify(value)}`, `give ${fits}`);
}

function kind<T>(fits: string, ok: (value: unknown) => boolean, more: Pick<Kind<T>, 'words' | 'input'> = {}): Kind<T> {
  return {
    fits,
    ...more,
    check(value, name) {
      if (!ok(value)) refuse(value, name, fits);
    },
  };
}

interface Limits {
  /** Least and largest value, themselves allowed. */
  from?: number;
  to?: number;
  /** Limits that are not allowed themselves. */
  above?: number;
  below?: number;
  whole?: boolean;
}

function limitsInWords({ from, to, above, below }: Limits): string {
  if (above !== undefined && below !== undefined) return ` between ${above} and ${below}`;
  if (from !== undefined && to !== undefined) return ` from ${from} to ${to}`;
  if (from !== undefined && below !== undefined) return ` from ${from} to below ${below}`;
  const least = above !== undefined ? ` above ${above}` : from !== undefined ? ` of at least ${from}` : '';
  return to !== undefined ? `${least}${least ? ',' : ''} at most ${to}` : least;
}

function within(
  v: unknown,
  { from = -Infinity, to = Infinity, above = -Infinity, below = Infinity, whole }: Limits,
): v is number {
  return (
    typeof v === 'number' &&
    Number.isFinite(v) &&
    v >= from &&
    v <= to &&
    v > above &&
    v < below &&
    (!whole || Number.isInteger(v))
  );
}

const whole = ({ whole: on }: Limits): string => (on ? 'whole ' : '');

export const number = (limits: Limits = {}): Kind<number> =>
  kind(`a ${whole(limits)}number${limitsInWords(limits)}`, (v) => within(v, limits), {
    input: {
      type: 'number',
      min: limits.from ?? limits.above,
      max: limits.to ?? limits.below,
      whole: limits.whole ?? false,
    },
  });

/** [lo, hi], both within the limits. */
export const pair = (limits: Limits = {}): Kind<readonly [number, number]> =>
  kind(
    `[least, most], each a ${whole(limits)}number${limitsInWords(limits)}`,
    (v) => Array.isArray(v) && v.length === 2 && v.every((x) => within(x, limits)) && v[0] <= v[1],
  );

/** At least one number, or as many as `length` says. */
export const numbers = (limits: Limits = {}, length?: number): Kind<readonly number[]> =>
  kind(
    `a list of ${length ?? 'one or more'} ${whole(limits)}numbers${limitsInWords(limits) && `, each${limitsInWords(limits)}`}`,
    (v) =>
      Array.isArray(v) &&
      (length === undefined ? v.length > 0 : v.length === length) &&
      v.every((x) => within(x, limits)),
  );

export const flag: Kind<boolean> = kind('true or false', (v) => typeof v === 'boolean', { input: { type: 'flag' } });

export const text: Kind<string> = kind('text', (v) => typeof v === 'string');

/** An object of whatever fields. */
export const object: Kind<Record<string, unknown>> = kind('an object', isObject);

/** Words in a row: a, b or c. */
function or(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** One of some values. */
export function choice<const T extends string | number>(...values: readonly T[]): Kind<T> {
  const shown = values.map((v) => JSON.stringify(v));
  return kind(`one of ${shown.join(', ')}`, (v) => values.includes(v as T), {
    words: or(shown),
    input: { type: 'choice', values },
  });
}

/** The kind, in other words. */
export const inWords = <T>(fits: string, of: Kind<T>): Kind<T> => kind(fits, (v) => passes(of, v), { input: of.input });

/** The kind, or null. */
export function nullable<T, G>(of: Kind<T, G>): Kind<T | null, G | null> {
  const fits = `${of.fits}, or null`;
  return {
    fits,
    input: of.input,
    check(value, name) {
      if (value === null) return;
      // Inside an object the error names the field, not the whole.
      if (isObject(value)) of.check(value, name);
      else if (!passes(of, value)) refuse(value, name, fits);
    },
    fill: (value) => (value === null || !of.fill ? (value as T | null) : of.fill(value)),
  };
}

/** One of two kinds. */
export const either = <A, B>(a: Kind<A>, b: Kind<B>): Kind<A | B> =>
  kind(`${a.fits}, or ${b.fits}`, (v) => passes(a, v) || passes(b, v));

function passes(of: Kind<any, any>, value: unknown): boolean {
  try {
    of.check(value, '');
    return true;
  } catch {
    return false;
  }
}

/** An object of these fields; all of them must be there, or any may be missing. */
export function fields<T extends object = Record<string, unknown>>(of: Fields, { all = false } = {}): Kind<T> {
  const fits = `an object of ${Object.keys(of).join(', ')}`;
  return {
    fits,
    check(value, name) {
      if (!isObject(value) || (all && Object.keys(of).some((key) => value[key] === undefined)))
        refuse(value, name, fits);
      checkFields(of, value, name, `${name}.`);
    },
  };
}

/** An object of these fields; a missing one has the value given here. */
export function over<T extends object>(usual: T, of: Fields): Kind<T, Partial<T>> {
  return { ...(fields(of) as Kind<any>), fill: (value) => ({ ...usual, ...given(value) }) };
}

/** An object whose values are of one kind, by any names. */
export function byName<T>(of: Kind<T>): Kind<Readonly<Record<string, T>>> {
  const fits = `an object of values that are ${of.fits}`;
  return {
    fits,
    check(value, name) {
      if (!isObject(value)) refuse(value, name, fits);
      for (const [key, v] of Object.entries(value)) of.check(v, `${name}.${key}`);
    },
  };
}

/**
 * Checks what is given; what is undefined counts as not given.
 * @param owner what the fields belong to, for the error
 * @param prefix of the fields' names
 * @param renamed fields of earlier versions, and what takes their place
 * @throws UsageError naming the field that is unknown, or whose value does not fit
 */
export function checkFields(
  of: Fields,
  values: object,
  owner: string,
  prefix = '',
  renamed: Readonly<Record<string, string>> = {},
): void {
  for (const [key, value] of Object.entries(values)) {
    if (!Object.hasOwn(of, key)) {
      const hint = Object.hasOwn(renamed, key)
        ? `use ${renamed[key]}`
        : `its options are ${Object.keys(of).join(', ')}`;
      throw new UsageError(`${owner} has no option "${key}"${Object.hasOwn(renamed, key) ? ' any more' : ''}`, hint);
    }
    if (value !== undefined) of[key].check(value, `${prefix}${key}`);
  }
}

/** A line of help for each setting: what it does, its choices, and its default in brackets. */
export function helpOf(options: Options): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(options).map(
      ([
        name,
        {
          kind: { words },
          usual,
          about,
        },
      ]) => [name, `${about}${words ? `: ${words}` : ''} (${JSON.stringify(usual)})`],
    ),
  );
}
