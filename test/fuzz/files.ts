// Mutated files: this part is absent yet.

import type { FuzzOptions, FuzzResult } from './fuzz.ts';

export async function fuzzFiles({ log }: FuzzOptions): Promise<FuzzResult> {
  log('files: this part is absent');
  return { ran: 0, failures: [] };
}
