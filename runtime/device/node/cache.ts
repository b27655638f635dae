// The user's cache folder, for what can be made again: the embedded adapter, tuning results.

import { homedir } from 'node:os';
import { join } from 'node:path';

/** FEWMASK_CACHE, else `fewmask` in the platform's cache folder. It need not exist. */
export function cacheFolder(): string {
  const { FEWMASK_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (FEWMASK_CACHE) return FEWMASK_CACHE;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, 'fewmask');
  if (process.platform === 'win32' && LOCALAPPDATA) return join(LOCALAPPDATA, 'fewmask');
  return join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache', 'fewmask');
}
