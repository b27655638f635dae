// The table: every operation of runtime/ops.

import type { Entry } from '../call.ts';
import { ELEMENTWISE } from './elementwise.ts';
import { IMAGES } from './images.ts';
import { INDICES } from './indices.ts';
import { LABELLED } from './labels.ts';
import { LOSSES } from './losses.ts';
import { MOVES } from './moves.ts';
import { PAIRS } from './pairs.ts';
import { PRODUCTS } from './products.ts';
import { REDUCTIONS } from './reductions.ts';

export const FAMILIES: Readonly<Record<string, readonly Entry[]>> = {
  elementwise: ELEMENTWISE,
  pairs: PAIRS,
  moves: MOVES,
  indices: INDICES,
  reductions: REDUCTIONS,
  products: PRODUCTS,
  images: IMAGES,
  losses: LOSSES,
  labels: LABELLED,
};
export const OPERATIONS: readonly Entry[] = Object.values(FAMILIES).flat();

/** Exported functions that are not in the table, with the reason. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  addConfusion: 'adds to a tensor in place: test/ops/confusion.test.ts has it exact over several batches',
  confusionCounts: 'makes the zeros that addConfusion adds to',
  countPseudoLabels: 'adds to a tensor in place: test/ops/pseudoLabel.test.ts',
  pseudoLabelCounts: 'makes the zeros that countPseudoLabels adds to',
  pseudoLabelStats: 'runs on the host',
  updateClassConfidence: 'moves a tensor in place: test/ops/classThreshold.test.ts, over three replays',
};
