// Scores from a confusion matrix.

export interface Scores {
  /** Intersection over union of each class; null for a class that neither the truth nor the prediction has. */
  iou: (number | null)[];
  /** Mean over the classes that are there (CPS, ST++, TensorFlow). */
  miou: number;
  /** Mean over all classes, an absent one as 0 (UniMatch, CutMix-Seg). */
  miouAbsentZero: number;
  /** Share of right pixels. */
  pixelAccuracy: number;
}

/**
 * Intersection over union TP / (TP + FP + FN), over the whole split at once.
 * @param confusion counts [classes * classes], rows are the truth; pixels without a truth are not in it
 * @example scores([2, 1, 0, 3], 2).miou
 */
export function scores(confusion: ArrayLike<number>, classes: number): Scores {
  const iou: (number | null)[] = [];
  let right = 0, all = 0;
  for (let c = 0; c < classes; c++) {
    let truth = 0, predicted = 0;
    for (let k = 0; k < classes; k++) {
      truth += confusion[c * classes + k];
      predicted += confusion[k * classes + c];
    }
    const hit = confusion[c * classes + c];
    const union = truth + predicted - hit;
    iou.push(union > 0 ? hit / union : null);
    right += hit;
    all += truth;
  }
  const present = iou.filter((v): v is number => v !== null);
  const sum = present.reduce((a, b) => a + b, 0);
  return { iou, miou: present.length ? sum / present.length : 0, miouAbsentZero: sum / classes, pixelAccuracy: all ? right / all : 0 };
}
