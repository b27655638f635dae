// The schemes by name, with what each does in a line.

import { UsageError } from '../../runtime/errors.ts';
import { cps } from './cps.ts';
import { fixmatch } from './fixmatch.ts';
import { pseudoseg } from './pseudoseg.ts';
import type { Scheme, SchemeContext } from './scheme.ts';
import { selfTraining } from './selfTraining.ts';
import { supervised } from './supervised.ts';

interface Entry {
  about: string;
  make(c: SchemeContext, options: Record<string, unknown>): Scheme;
}

export const SCHEMES: Readonly<Record<string, Entry>> = {
  supervised: { about: 'the labelled images alone: the yardstick', make: supervised },
  'self-training': { about: 'a teacher labels the unlabelled images, a student learns from all', make: selfTraining },
  fixmatch: { about: 'confident predictions on a weak view label a strong view', make: fixmatch },
  pseudoseg: { about: 'decoder and refined activation maps are fused into soft labels of a strong view', make: pseudoseg },
  cps: { about: 'two networks label mixed images for each other', make: cps },
};

/** Builds a scheme. @throws UsageError when there is none of that name */
export function createScheme(name: string, c: SchemeContext, options: Record<string, unknown>): Scheme {
  const entry = Object.hasOwn(SCHEMES, name) ? SCHEMES[name] : undefined;
  if (!entry) throw new UsageError(`there is no scheme "${name}"`, `choose one of ${Object.keys(SCHEMES).join(', ')}`);
  return entry.make(c, options);
}
