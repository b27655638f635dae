// Results must not fall on the files that they are made from, nor on each other.

import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../../runtime/errors.ts';

/** A file as the disk knows it, whatever links lead to it; null where there is none. */
function identity(file: string): string | null {
  try {
    const { dev, ino } = statSync(file, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    // What prevents writing shows when the file is written.
    return null;
  }
}

/** The place where a file would be written: links in its folder are followed as far as the folder exists. */
function place(file: string): string {
  const folder = dirname(resolve(file));
  try {
    return join(realpathSync(folder), basename(file));
  } catch {
    return join(folder, basename(file));
  }
}

/**
 * To be called before anything is written.
 * @param inputs files that must stay as they are
 * @param targets files that will be written
 * @throws UsageError when a target is one of the inputs, or when two targets are the same file
 */
export function refuseOverwriting(inputs: Iterable<string>, targets: Iterable<string>): void {
  const kept = new Set<string>();
  for (const file of inputs) {
    const id = identity(file);
    if (id) kept.add(id);
  }
  const places = new Set<string>();
  for (const target of targets) {
    const id = identity(target);
    const at = place(target);
    if (id && kept.has(id))
      throw new UsageError(`the result ${target} would overwrite an input`, 'give another place for the results');
    if (places.has(at))
      throw new UsageError(
        `two results would be written to ${target}`,
        'give the images one after the other, with different folders (`out`)',
      );
    places.add(at);
  }
}
