// Which of its inputs and parameters the adapter of a conformance case reads: what it ignores could change the result,
// so such a case is not run as if it were another one.

import { Unsupported } from './unsupported.ts';

/**
 * An object that notes which of its properties are read.
 * @param options.byName true: copying all of them (a rest, a spread, Object.entries) is an error, since it would count
 *   as reading each
 */
export function noted<T extends object>(of: T, options: { byName?: boolean } = {}): { of: T; unread(): string[] } {
  const left = new Set(Object.keys(of));
  const proxy = new Proxy(of, {
    get(target, key) {
      left.delete(key as string);
      return Reflect.get(target, key);
    },
    ownKeys(target) {
      if (options.byName) throw new Error('an adapter must read each parameter by its name');
      return Reflect.ownKeys(target);
    },
  });
  return { of: proxy, unread: () => [...left] };
}

/**
 * Refuses a case of which something was not read.
 * @throws Unsupported naming it
 */
export function allRead(op: string, ...parts: readonly { unread(): string[] }[]): void {
  const unread = parts.flatMap((p) => p.unread());
  if (unread.length > 0) throw new Unsupported(`${op} with ${unread.join(', ')}`);
}

/** The value that stands for a word. @throws Unsupported for another word */
export function oneOf<T>(what: string, word: unknown, table: Readonly<Record<string, T>>): T {
  if (typeof word !== 'string' || !Object.hasOwn(table, word)) throw new Unsupported(`${what} ${JSON.stringify(word)}`);
  return table[word];
}

/** Numbers that JSON cannot hold stand as words in it: "NaN", "inf", "-Infinity". */
export function numbersOf(v: unknown): unknown {
  if (Array.isArray(v)) return v.map(numbersOf);
  if (typeof v === 'string' && /^(nan|-?inf(inity)?)$/i.test(v))
    return /nan/i.test(v) ? NaN : v.startsWith('-') ? -Infinity : Infinity;
  return v;
}
