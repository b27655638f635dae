// Image-level labels: which classes occur in each unlabelled image, where that is known.

import { DataError } from '../../runtime/errors.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { byName, numbers } from '../options.ts';
import type { Step } from './define.ts';
import type { SchemeContext } from './scheme.ts';

/** Classes by the id of an image. */
export type ImageLabels = Readonly<Record<string, readonly number[]>>;

/** What the option may be. */
export const IMAGE_LABELS = byName(numbers({ whole: true, from: 0 }));

const missing = (id: string): DataError =>
  new DataError(`the unlabelled image ${id} has no image-level labels`, 'give them for every image, or leave them out');

/** @throws DataError for a class that is not there, or an image without labels */
export function checkImageLabels(c: SchemeContext, known: ImageLabels): void {
  const beyond = Object.entries(known).find(([, classes]) => classes.some((k) => k >= c.numClasses));
  if (beyond)
    throw new DataError(
      `the image-level labels of ${beyond[0]} are ${beyond[1].join(', ')}`,
      `give classes from 0 to ${c.numClasses - 1}`,
    );
  const without = c.unlabelled?.find((id) => !Object.hasOwn(known, id));
  if (without !== undefined) throw missing(without);
}

/** f32 [m, classes.length]: 1 where a class occurs in an image of the unlabelled batch. */
export function imageLabels({ ctx, c }: Step, known: ImageLabels, classes: readonly number[]): Tensor {
  return ctx.input('image labels', [c.batch.unlabelled, classes.length], 'f32', (_, batches) =>
    Float32Array.from(
      batches.get('unlabelled')!.ids.flatMap((id) => {
        if (!Object.hasOwn(known, id)) throw missing(id);
        return classes.map((k) => (known[id].includes(k) ? 1 : 0));
      }),
    ),
  );
}
