// Mean intersection over union from one confusion matrix over a whole split, in both treatments of absent classes.

import { ShapeError } from '../../runtime/errors.ts';

export interface Scores {
  /** TP / (TP + FP + FN) of each class; null where the class is neither in the truth nor in the prediction. */
  iou: (number | null)[];
  /** Mean over the classes that have an IoU (nan-mean); 0 where none has. */
  miou: number;
  /** Mean over all classes, an absent class counting as zero. */
  miouAbsentZero: number;
  /** Share of the judged pixels that are right; 0 where none is judged. */
  pixelAccuracy: number;
  /** classes*classes counts, rows = truth. */
  confusion: number[];
}

/**
 * Counts pairs of truth and prediction on the host. Pixels whose truth is `ignoreIndex` or no class are dropped, as are
 * those without a predicted class.
 * @returns classes*classes counts, rows = truth
 * @throws ShapeError when the lengths differ, or are more than a count holds: 2^32 - 1
 */
export function countConfusion(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  classes: number,
  ignoreIndex = 255,
): Uint32Array {
  if (truth.length !== prediction.length)
    throw new ShapeError('countConfusion', `${truth.length} true labels, ${prediction.length} predicted ones`);
  if (truth.length >= 2 ** 32) {
    throw new ShapeError('countConfusion', `${truth.length} labels are more than 32-bit counts hold`, 'sum parts');
  }
  const counts = new Uint32Array(classes * classes);
  for (let i = 0; i < truth.length; i++) {
    const t = truth[i];
    const p = prediction[i];
    if (t !== ignoreIndex && t >= 0 && t < classes && p >= 0 && p < classes) counts[t * classes + p]++;
  }
  return counts;
}

/**
 * Scores of a confusion matrix.
 * @param confusion classes*classes counts, rows = truth
 * @example scores(countConfusion([0, 0, 1], [0, 1, 1], 2), 2).miou; // (1/2 + 1/2) / 2
 */
export function scores(confusion: ArrayLike<number>, classes: number): Scores {
  if (confusion.length !== classes * classes)
    throw new ShapeError(
      'scores',
      `${confusion.length} counts for ${classes} classes`,
      'give a square matrix, rows = truth',
    );
  const iou: (number | null)[] = [];
  let right = 0;
  let judged = 0;
  let sum = 0;
  let present = 0;
  for (let c = 0; c < classes; c++) {
    let row = 0;
    let column = 0;
    for (let k = 0; k < classes; k++) {
      row += confusion[c * classes + k];
      column += confusion[k * classes + c];
    }
    const hit = confusion[c * classes + c];
    const union = row + column - hit;
    right += hit;
    judged += row;
    iou.push(union ? hit / union : null);
    if (union) {
      sum += hit / union;
      present++;
    }
  }
  return {
    iou,
    miou: present ? sum / present : 0,
    miouAbsentZero: sum / classes,
    pixelAccuracy: judged ? right / judged : 0,
    confusion: Array.from(confusion),
  };
}

/**
 * A warning where the truth shows fewer than two classes: a network that always predicts one class may
 * then reach 100 %.
 * @param confusion classes*classes counts, rows = truth
 * @returns a line to print with the score; null where two or more classes occur
 */
export function oneClassLine(confusion: ArrayLike<number>, classNames: readonly string[]): string | null {
  const n = classNames.length;
  const occurs = (c: number): boolean => Array.from({ length: n }, (_, k) => confusion[c * n + k]).some((v) => v > 0);
  const shown = classNames.filter((_, c) => occurs(c));
  if (n < 2 || shown.length > 1) return null;
  if (shown.length === 0) return 'no pixel of the masks has a class: there is nothing to score';
  return `only "${shown[0]}" occurs in the masks: the score says nothing about the other classes`;
}
