// The factors of the classes in a run's labelled loss.

import { UsageError } from '../../runtime/errors.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { Dataset, Sample } from '../data/types.ts';
import { medianFrequencyWeights } from '../losses/index.ts';
import type { RunConfig } from './config.ts';

/**
 * Fills in the weights of the classes.
 * @param tensor f32 [classes]
 * @param wanted a number for each class, or by their frequency in the labelled images
 * @param load gives an image with its labels
 * @throws UsageError for a list of another length
 */
export async function weighClasses(
  tensor: Tensor,
  wanted: NonNullable<RunConfig['classWeights']>,
  dataset: Dataset,
  load: (id: string) => Promise<Sample>,
): Promise<void> {
  const { numClasses } = dataset;
  if (wanted === 'median') {
    const maps: Uint8Array[] = [];
    for (const id of dataset.ids('labelled')) maps.push((await load(id)).labels!);
    tensor.device.write(tensor, medianFrequencyWeights(maps, numClasses));
    return;
  }
  if (wanted.length !== numClasses)
    throw new UsageError(
      `there are ${wanted.length} class weights for ${numClasses} classes`,
      `give one for each of ${dataset.classNames.join(', ')} (\`classWeights\`)`,
    );
  tensor.device.write(tensor, Float32Array.from(wanted));
}
