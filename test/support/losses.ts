// Whole methods from logits to their loss, composed as the schemes compose them.

import { fuse, gate, pseudoLabel, type FuseOptions } from '../../src/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { ceAccepted, cps, softCeValid } from '../../src/losses/index.ts';

/** FixMatch: the confident labels of a weak view, learnt by a strong one. */
export function fixmatchLoss(
  weak: Tensor,
  strong: Tensor,
  tau: number,
  { valid, denominator }: { valid?: Tensor; denominator?: 'all' | 'valid' | 'kept' } = {},
): { loss: Tensor; confidence: Tensor; accepted: Tensor } {
  const { label, confidence } = pseudoLabel(weak, { valid });
  const accepted = gate(confidence, tau, valid);
  return { loss: ceAccepted(strong, label, accepted, denominator), confidence, accepted };
}

/** CPS: padding is left out where `valid` is given. */
export function cpsLoss(z1: Tensor, z2: Tensor, { valid }: { valid?: Tensor } = {}): Tensor {
  const labels = [pseudoLabel(z1, { valid }).label, pseudoLabel(z2, { valid }).label] as const;
  return cps([z1, z2], labels, { denominator: valid ? 'valid' : 'all' });
}

/** PseudoSeg: the fused prediction, learnt by a strong view. */
export function pseudosegLoss(
  strong: Tensor,
  decoder: Tensor,
  attention: Tensor,
  { valid, ...fusion }: FuseOptions & { valid?: Tensor } = {},
): { loss: Tensor; q: Tensor } {
  const q = fuse(decoder, attention, fusion);
  return { loss: softCeValid(strong, q, valid), q };
}
