// Weights that are NaN or infinite are refused when they are read: a network computes nonsense from them, and its
// output may still look finite.

import { CheckpointError } from '../errors.ts';
import type { FileTensor } from './safetensors.ts';

/** How many of the values are NaN or infinite. */
export function nonFiniteCount(values: Float32Array): number {
  // A sum of f32 magnitudes in double precision cannot overflow: it is finite if and only if every value is.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.abs(values[i]);
  if (Number.isFinite(sum)) return 0;
  return values.reduce((n, v) => n + (Number.isFinite(v) ? 0 : 1), 0);
}

/**
 * Refuses floats that are NaN or infinite; integers are not checked. 64-bit values beyond the range of f32 were read as
 * infinite.
 * @param tensors by name
 * @param where the file, or what else holds the tensors, for the error
 * @param hint what to do
 * @throws CheckpointError naming the first such tensor, how many of its values are NaN or infinite, and how many more
 * tensors there are
 * @example refuseNonFinite(decodeSafetensors(bytes, file).tensors, file);
 */
export function refuseNonFinite(
  tensors: Iterable<readonly [name: string, tensor: Pick<FileTensor, 'data'>]>,
  where: string,
  hint = 'the weights are broken, perhaps by a training that diverged; use others, such as those of an earlier run',
): void {
  const broken = [...tensors].flatMap(([name, { data }]) => {
    const n = data instanceof Float32Array ? nonFiniteCount(data) : 0;
    return n > 0 ? [{ name, n, of: data.length }] : [];
  });
  if (broken.length === 0) return;
  const [{ name, n, of }] = broken;
  const others = broken.length - 1;
  const more = others > 0 ? `, and ${others} more tensor${others > 1 ? 's have' : ' has'} such values` : '';
  throw new CheckpointError(`${where}: ${n} of ${of} values of ${name} are NaN or infinite${more}`, hint);
}
