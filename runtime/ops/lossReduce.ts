// What the losses share: their denominators, the grid of the first pass, and the last pass.

import { ShapeError } from '../errors.ts';
import { CROSS_ENTROPY_COUNT as COUNT } from '../kernel/generated.ts';
import type { Tensor } from '../tensor.ts';

/**
 * What a summed loss is divided by.
 * - `valid`: the number of valid pixels (label not ignored, or weight of the soft target not 0)
 * - `all`: the number of pixels, ignored ones included
 * - `weight`: the sum of the class weights of the valid pixels (PyTorch's mean)
 * - `kept`: the sum of the pixel weights of the valid pixels
 * - `none-sum`: 1
 * - a number
 *
 * Where nothing is counted the loss is 0 and so is its gradient (PyTorch: NaN; cross-entropy takes that as an option).
 */
export type Denominator = 'valid' | 'all' | 'weight' | 'kept' | 'none-sum' | number;

/** The option, for the check of arguments. */
export const DENOMINATOR = 'denominator:valid|all|weight|kept|none-sum|#';

const NONE = COUNT.none;

/** What {@link counting} says of a map: each loss is divided by 1. */
export const UNCOUNTED = { count: NONE, fixed: 1 };

/** How a first pass counts, by the codes of the kernels, and the denominator that is known beforehand (0: none). */
export function counting(op: string, denominator: Denominator, pixels: number): { count: number; fixed: number } {
  if (typeof denominator === 'number') {
    if (!(denominator > 0 && Number.isFinite(denominator)))
      throw new ShapeError(op, `the denominator is ${denominator}`, 'give a positive number');
    return { count: NONE, fixed: denominator };
  }
  if (denominator === 'all') return { count: NONE, fixed: Math.max(1, pixels) };
  if (denominator === 'none-sum') return { count: NONE, fixed: 1 };
  const count = { valid: COUNT.valid, weight: COUNT.classWeight, kept: COUNT.pixelWeight }[denominator];
  if (!count) throw new ShapeError(op, `there is no denominator ${String(denominator)}`, 'see Denominator');
  return { count, fixed: 0 };
}

const LANES = 64;
const MOST_GROUPS = 1024;

/**
 * Workgroups of a first pass over n elements, and elements for each of their threads. Depends on n alone, so that sums
 * repeat bit by bit.
 */
export function chunks(n: number): { groups: number; items: number } {
  const items = Math.max(1, Math.ceil(n / (LANES * MOST_GROUPS)));
  return { groups: Math.max(1, Math.ceil(n / (LANES * items))), items };
}

/**
 * Adds up the partial sums of a first pass.
 * @param partials f32 [groups, 2]: sums of losses, shares of the denominator
 * @param fixed the denominator, or 0 to take the added-up shares
 * @param options.empty the loss where nothing is counted (default 0)
 * @param options.scalar f32, one element: a factor of the loss
 * @returns `y` [] the loss, and `inverse` [] one over the denominator, for the backward pass
 */
export function lossReduce(
  partials: Tensor,
  fixed: number,
  { empty = 0, scalar }: { empty?: number; scalar?: Tensor } = {},
): { y: Tensor; inverse: Tensor } {
  if (partials.rank !== 2 || partials.shape[1] !== 2)
    throw new ShapeError('lossReduce', `partial sums have shape [groups, 2], not [${partials.shape}]`);
  const y = partials.device.empty([], 'f32', 'loss');
  const inverse = partials.device.empty([], 'f32', 'inverse denominator');
  partials.device.run({
    shader: 'lossReduce',
    entry: 'forward',
    constants: { SCALAR: !!scalar },
    bindings: { partials, scalar: scalar ?? partials, y, inverse },
    params: { n: partials.shape[0], fixed, empty: new Uint32Array(Float32Array.of(empty).buffer)[0] },
    groups: [1, 1, 1],
  });
  return { y, inverse };
}
