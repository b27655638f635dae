// How reliable the pseudo-labels of an image are (ST++, Yang et al. 2022): whether earlier states of the labeller agree
// with its last one.

import { countConfusion, scores } from '../metrics/miou.ts';
import type { Network } from '../nn/module.ts';
import type { LabelMap, PredictOptions, StageServices } from './scheme.ts';

/** Without test-time augmentation. */
export const PLAIN: PredictOptions = { scales: [1], flip: false };

/** mIoU of two label maps of one image; classes that neither has are left out. */
export function imageMiou(a: ArrayLike<number>, b: ArrayLike<number>, classes: number): number {
  return scores(countConfusion(a, b, classes), classes).miou;
}

/** The most reliable share of images, ties in the order given. */
export function mostReliable(scored: readonly { id: string; score: number }[], share: number): string[] {
  const ranked = scored.map((s, i) => ({ ...s, i })).sort((a, b) => b.score - a.score || a.i - b.i);
  return ranked.slice(0, Math.max(1, Math.floor(ranked.length * share))).map((s) => s.id);
}

/** Steps after which the teacher's earlier states are kept: one and two thirds. */
export function snapshotStep(i: number, steps: number): number {
  return Math.max(1, Math.floor(((i + 1) * steps) / 3));
}

/**
 * Reliability of each unlabelled image: the mean over the earlier states of the mIoU of their prediction with the last
 * one's. No test-time augmentation.
 */
export async function reliabilities(
  services: StageServices,
  last: Network,
  earlier: readonly Network[],
  classes: number,
): Promise<{ id: string; score: number }[]> {
  const final = new Map<string, { map: LabelMap; score: number }>();
  await services.predictUnlabelled(last, PLAIN, (id, map) => final.set(id, { map, score: 0 }));
  for (const net of earlier) {
    await services.predictUnlabelled(net, PLAIN, (id, { labels }) => {
      const known = final.get(id)!;
      known.score += imageMiou(labels, known.map.labels, classes) / earlier.length;
    });
  }
  return [...final].map(([id, { score }]) => ({ id, score }));
}
