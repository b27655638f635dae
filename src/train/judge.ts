// The quality of pseudo-labels that a scheme keeps on the host.

import type { PseudoLabelStats } from '../ops/index.ts';
import type { LabelMap } from '../schemes/scheme.ts';

/**
 * Counts label maps against the truth, where it is known. For judging only: nothing is trained on it.
 * @param truth the labels of an image at its own size, or null
 * @returns the share of pixels that have a label, the share of right ones among those whose truth is known, and the
 *   labels of each class
 */
export async function judgeLabelMaps(
  maps: ReadonlyMap<string, LabelMap>,
  classes: number,
  truth: (id: string) => Promise<Uint8Array | null>,
): Promise<PseudoLabelStats> {
  const histogram = Array<number>(classes).fill(0);
  let pixels = 0;
  let accepted = 0;
  let known = 0;
  let right = 0;
  for (const [id, { labels }] of maps) {
    const wanted = await truth(id);
    pixels += labels.length;
    labels.forEach((label, i) => {
      if (label >= classes) return;
      accepted++;
      histogram[label]++;
      if (!wanted || wanted[i] >= classes) return;
      known++;
      if (wanted[i] === label) right++;
    });
  }
  return { accepted: pixels ? accepted / pixels : 0, accuracy: known ? right / known : undefined, histogram };
}
