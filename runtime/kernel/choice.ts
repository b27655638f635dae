// Which variant of a kernel runs: what was timed on this adapter (tune.ts), else what the heuristic says, so that
// results never depend on a race.

import type { Device } from '../device/device.ts';
import type { Constants } from './kernel.ts';

/** One of the ways to run a kernel. */
export interface Variant {
  /** What it is called where winners are kept. */
  readonly name: string;
  /** The shader that it runs. */
  readonly shader: string;
  /** What specialises the shader to it. */
  readonly constants: Constants;
}

/** A kernel at a shape, of which there are variants, by their names. */
export interface Choice {
  /** The kernel and the shape. */
  at: string;
  /** The variants. */
  among: readonly string[];
  /** The one that runs. */
  taken: string;
}

/**
 * Takes the variant that won on this adapter. A name that is not among them is ignored, as that of an older version.
 * @param at the kernel and the shape
 * @param usual what the heuristic says, one of them
 * @returns the variant, and what its launch says of the choice
 */
export function choose<V extends Variant>(
  device: Device,
  at: string,
  among: readonly V[],
  usual: V,
): { variant: V; choice: Choice } {
  const known = device.choices[at];
  const variant = among.find((v) => v.name === known) ?? usual;
  return { variant, choice: { at, among: among.map((v) => v.name), taken: variant.name } };
}
