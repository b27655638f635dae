// Which variant of a kernel runs: what was timed on this adapter (tune.ts), else what the heuristic says, so that
// results never depend on a race.

import type { Device } from '../device/device.ts';

/** A kernel at a shape, of which there are variants. */
export interface Choice {
  /** The kernel and the shape. */
  at: string;
  /** The variants. */
  among: readonly string[];
  /** The one that runs. */
  taken: string;
}

/** @param usual what the heuristic says, one of them */
export function choose(device: Device, at: string, among: readonly string[], usual: string): Choice {
  const known = device.choices[at];
  return { at, among, taken: among.includes(known) ? known : usual };
}
