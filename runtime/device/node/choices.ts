// Where Node keeps what was tuned: one file in the user's cache folder, by adapter.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Choices } from '../../kernel/tune.ts';
import { cacheFolder } from './cache.ts';

/** The file. */
export const tuningFile = (): string => join(cacheFolder(), 'tuning.json');

function all(): Record<string, Choices> {
  try {
    return JSON.parse(readFileSync(tuningFile(), 'utf8')) as Record<string, Choices>;
  } catch {
    return {}; // never tuned, or not readable: the heuristics decide
  }
}

/** What is known of an adapter. */
export const readChoices = (adapter: string): Choices => all()[adapter] ?? {};

export function writeChoices(adapter: string, choices: Choices): void {
  mkdirSync(dirname(tuningFile()), { recursive: true });
  writeFileSync(tuningFile(), `${JSON.stringify({ ...all(), [adapter]: choices }, null, 1)}\n`);
}
