// Confusion counts.

import { args } from '../../runtime/args.ts';
import { ShapeError } from '../../runtime/errors.ts';
import type { Device } from '../../runtime/device/device.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import { checkWhole } from '../../runtime/kernel/geometry.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { chunks } from '../../runtime/ops/lossReduce.ts';

/** More would be counts of over 256 MiB. */
const MOST_CLASSES = 2 ** 13;

/**
 * A zeroed confusion matrix [C, C] u32; it outlives scopes and plans.
 * @throws ShapeError for no whole number, or more classes than fit
 */
export function confusionCounts(device: Device, classes: number): Tensor {
  args('confusionCounts device:D classes:n', arguments);
  checkWhole('confusionCounts', 'classes', [classes], 0);
  if (classes > MOST_CLASSES)
    throw new ShapeError('confusionCounts', `${classes} classes`, `give at most ${MOST_CLASSES}`);
  return device.keep(device.tensor(new Uint32Array(classes * classes), [classes, classes]));
}

/**
 * Adds a batch to the confusion counts, in place. Rows are the truth. Pixels whose truth is `ignoreIndex` or no class
 * are dropped, and so are those without a predicted class. Counts saturate at 2^32 - 1 instead of wrapping. For more
 * pixels, read and clear the counts in between, and sum them on the host.
 * @param counts [C, C] u32, from {@link confusionCounts}
 * @param truth i32
 * @param prediction i32, same shape
 */
export function addConfusion(counts: Tensor, truth: Tensor, prediction: Tensor, ignoreIndex = 255): void {
  args('addConfusion counts truth prediction ignoreIndex?:n', arguments);
  const c = counts.shape[0];
  if (counts.rank !== 2 || counts.shape[1] !== c || counts.dtype !== 'u32')
    throw new ShapeError('addConfusion', `counts ${counts} are not [C, C] u32`);
  if (truth.dtype !== 'i32' || prediction.dtype !== 'i32' || truth.size !== prediction.size) {
    throw new ShapeError(
      'addConfusion',
      `truth ${truth}, prediction ${prediction}`,
      'give two i32 tensors of one shape',
    );
  }
  const { groups, items } = chunks(truth.size);
  counts.device.run({
    shaders: SEGMENTATION,
    shader: 'confusion',
    entry: 'forward',
    bindings: { truth, prediction, counts },
    params: { n: truth.size, c, ignore: ignoreIndex, items },
    groups: [groups, 1, 1],
  });
}
