// Labels as vectors.

import { args } from '../args.ts';
import { ShapeError } from '../errors.ts';
import { isReal, type Tensor } from '../tensor.ts';
import { inF32 } from './cast.ts';

/**
 * 1 at each pixel's class, 0 elsewhere; all 0 where the label is not a class. Without gradient.
 * @param labels i32 [...]
 * @param options.weight f32 or f16 [...]: takes the place of the 1
 * @param options.only a class: the pixels of the others become 0
 * @returns [..., classes] in the dtype of the weight, f32 without one
 * @throws ShapeError when a shape or dtype does not fit
 * @example const target = oneHot(labels, 10); // [n] -> [n, 10]
 */
export function oneHot(labels: Tensor, classes: number, options: { weight?: Tensor; only?: number } = {}): Tensor {
  args('oneHot labels classes:n {weight only:n}', arguments);
  const { weight, only } = options;
  if (labels.dtype !== 'i32') throw new ShapeError('oneHot', `labels are ${labels.dtype}`, 'give i32');
  if (weight && (weight.size !== labels.size || !isReal(weight)))
    throw new ShapeError(
      'oneHot',
      `weights ${weight} for labels [${labels.shape}]`,
      'give f32 or f16 of the same shape',
    );
  if (only !== undefined && !(Number.isInteger(only) && only >= 0 && only < classes))
    throw new ShapeError('oneHot', `there is no class ${only}`, `give 0 to ${classes - 1}`);
  return inF32('oneHot', [weight], (factor) => {
    const y = labels.device.empty([...labels.shape, classes], 'f32', 'oneHot');
    labels.device.run({
      shader: 'oneHot',
      entry: 'forward',
      constants: { WEIGHT: !!factor },
      bindings: { labels, weight: factor ?? labels, y },
      params: { n: y.size, c: classes, only: only ?? -1 },
      threads: y.size,
    });
    return y;
  });
}

/**
 * The classes that occur in each image: image-level labels. Without gradient.
 * @param labels i32 [n, ...]; labels that are not a class do not count
 * @returns f32 [n, classes], 0 or 1
 * @throws ShapeError when a shape or dtype does not fit
 * @example const targets = presentClasses(labels, 21);
 */
export function presentClasses(labels: Tensor, classes: number): Tensor {
  args('presentClasses labels classes:n', arguments);
  if (labels.dtype !== 'i32' || labels.rank < 1)
    throw new ShapeError('presentClasses', `labels ${labels} are not i32 [n, ...]`);
  if (!(classes >= 1 && classes <= 256)) throw new ShapeError('presentClasses', `${classes} classes`, 'at most 256');
  const n = labels.shape[0];
  const y = labels.device.empty([n, classes], 'f32', 'presentClasses');
  labels.device.run({
    shader: 'oneHot',
    entry: 'present',
    bindings: { labels, y },
    params: { n: labels.size / n, c: classes, only: -1 },
    groups: [n, 1, 1],
  });
  return y;
}
