// Where the conformance cases and the real images lie: a folder `shared` beside the project, or FEWMASK_SHARED. Tests
// that need it say so and skip.

import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The path of a folder or file under `shared`, or null where it is absent. */
export function sharedFolder(path: string): string | null {
  let at = dirname(fileURLToPath(import.meta.url));
  const roots = process.env.FEWMASK_SHARED ? [process.env.FEWMASK_SHARED] : [];
  for (let up = dirname(at); up !== at; at = up, up = dirname(up)) roots.push(join(up, 'shared'));
  const found = roots.map((r) => resolve(r, path)).find((p) => existsSync(p));
  return found ?? null;
}
