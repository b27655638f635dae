// What the schemes of a comparison are called in print, and their colours. Records of schemes that are not known here
// keep their names.

import { schemeNames, schemes } from '../schemes/index.ts';

/** What a scheme is called in print. */
export function schemeName(scheme: string): string {
  return schemes().find((s) => s.name === scheme)?.title ?? scheme;
}

/** Colours of schemes that are not known; those of all schemes are `--s0`, `--s1`, … of client/tokens.css. */
export const SPARE = 4;

/** Position of a scheme among the report's colours: the known ones keep theirs in every report. */
export function colourSlot(scheme: string, shown: readonly string[]): number {
  const known = schemeNames();
  const at = known.indexOf(scheme);
  return at >= 0 ? at : known.length + (shown.filter((s) => !known.includes(s)).indexOf(scheme) % SPARE);
}
