// Names of files. The same name can be stored composed (NFC: é is one character) or decomposed (NFD: e and an accent),
// by the file system or by the program that wrote it. They look the same and mean the same, so that names are compared
// in composed form.

import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A name in the form in which names are compared. */
export const composed = (name: string): string => name.normalize('NFC');

/** The names in folders by their composed form, as far as they have been looked up. */
export type Listings = Map<string, ReadonlyMap<string, string>>;

function listing(folder: string, known: Listings): ReadonlyMap<string, string> {
  let names = known.get(folder);
  if (!names) {
    try {
      names = new Map(readdirSync(folder).map((name) => [composed(name), name]));
    } catch {
      names = new Map();
    }
    known.set(folder, names);
  }
  return names;
}

/**
 * The path of an existing file or folder that is called so, in whatever Unicode form each of its parts is stored.
 * @param known folders that have been listed: give the same map for many paths
 * @returns the path as the file system has it; null where there is none
 */
export function findPath(path: string, known: Listings = new Map()): string | null {
  if (existsSync(path)) return path;
  // A name in ASCII has one form only.
  const isAscii = [...path].every((c) => c <= '\x7f');
  if (isAscii || dirname(path) === path) return null;
  const folder = findPath(dirname(path), known);
  const found = folder === null ? undefined : listing(folder, known).get(composed(basename(path)));
  return found === undefined ? null : join(folder!, found);
}
