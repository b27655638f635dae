// What settings may be, said once beside their declaration and checked before anything is built: views, schemes, whole runs.

import { UsageError } from '../../runtime/errors.ts';

/** What a setting may be. */
export interface Kind {
  /** What fits, in words. */
  readonly fits: string;
  /** @param name of the setting, for the error @throws UsageError where the value does not fit */
  check(value: unknown, name: string): void;
}

/** What is given of options, to be spread over defaults: without what is undefined. */
export const given = <T extends object>(options: T | null | undefined): T => Object.fromEntries(Object.entries(options ?? {}).filter(([, v]) => v !== undefined)) as T;

/** A kind for each field. */
export type Fields = Readonly<Record<string, Kind>>;

/** Is it an object of fields? */
export const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);

/** @throws UsageError */
export function refuse(value: unknown, name: string, fits: string): never {
  throw new UsageError(`${name} is ${typeof value === 'number' ? value : JSON.stringify(value)}`, `give ${fits}`);
}

function kind(fits: string, ok: (value: unknown) => boolean): Kind {
  return {
    fits,
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

function within(v: unknown, { from = -Infinity, to = Infinity, above = -Infinity, below = Infinity, whole }: Limits): v is number {
  return typeof v === 'number' && Number.isFinite(v) && v >= from && v <= to && v > above && v < below && (!whole || Number.isInteger(v));
}

export const number = (limits: Limits = {}): Kind => kind(`a ${limits.whole ? 'whole ' : ''}number${limitsInWords(limits)}`, (v) => within(v, limits));

/** [lo, hi], both within the limits. */
export const pair = (limits: Limits = {}): Kind =>
  kind(`[least, most], each a ${limits.whole ? 'whole ' : ''}number${limitsInWords(limits)}`, (v) => Array.isArray(v) && v.length === 2 && v.every((x) => within(x, limits)) && v[0] <= v[1]);

/** At least one number, or as many as `length` says. */
export const numbers = (limits: Limits = {}, length?: number): Kind =>
  kind(`a list of ${length ?? 'one or more'} ${limits.whole ? 'whole ' : ''}numbers${limitsInWords(limits) && `, each${limitsInWords(limits)}`}`, (v) => Array.isArray(v) && (length === undefined ? v.length > 0 : v.length === length) && v.every((x) => within(x, limits)));

export const flag: Kind = kind('true or false', (v) => typeof v === 'boolean');

export const text: Kind = kind('text', (v) => typeof v === 'string');

/** An object of whatever fields. */
export const object: Kind = kind('an object', isObject);

/** One of some values. */
export const choice = (...values: readonly (string | number)[]): Kind => kind(`one of ${values.map((v) => JSON.stringify(v)).join(', ')}`, (v) => values.includes(v as string | number));

/** The kind, in other words. */
export const inWords = (fits: string, of: Kind): Kind => kind(fits, (v) => passes(of, v));

/** The kind, or null. */
export function nullable(of: Kind): Kind {
  const fits = `${of.fits}, or null`;
  return {
    fits,
    check(value, name) {
      if (value === null) return;
      // Inside an object the error names the field, not the whole.
      if (isObject(value)) of.check(value, name);
      else if (!passes(of, value)) refuse(value, name, fits);
    },
  };
}

function passes(of: Kind, value: unknown): boolean {
  try {
    of.check(value, '');
    return true;
  } catch {
    return false;
  }
}

/** An object of these fields; all of them must be there, or any may be missing. */
export function fields(of: Fields, { all = false } = {}): Kind {
  const fits = `an object of ${Object.keys(of).join(', ')}`;
  return {
    fits,
    check(value, name) {
      if (!isObject(value) || (all && Object.keys(of).some((key) => value[key] === undefined))) refuse(value, name, fits);
      checkFields(of, value, name, `${name}.`);
    },
  };
}

/** An object whose values are of one kind, by any names. */
export function byName(of: Kind): Kind {
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
 * @throws UsageError naming the field that is unknown, or whose value does not fit
 */
export function checkFields(of: Fields, given: object, owner: string, prefix = ''): void {
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(of, key)) throw new UsageError(`${owner} has no option "${key}"`, `its options are ${Object.keys(of).join(', ')}`);
    if (value !== undefined) of[key].check(value, `${prefix}${key}`);
  }
}
