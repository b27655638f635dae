// The error that ends a run at a step with a non-finite value.

import { NonFiniteError } from '../../runtime/errors.ts';
import type { Bad } from './watch.ts';

/** The bad step, as the trainer knows it. */
export interface BadStep extends Bad {
  /** Its learning rate. */
  lr: number;
  /** Names and values of its losses, the one that is minimised first. */
  losses: readonly { name: string; value: number }[];
  /** Is the run one in mixed precision? */
  mixed: boolean;
}

function happened({ kind, name, loss, losses }: BadStep): string {
  if (kind === 'weight') return `${name} became NaN or infinite`;
  if (kind === 'gradient') return `the gradient norm became NaN or infinite${name ? ` (first for ${name})` : ''}`;
  if (kind === 'scale') return 'the gradients still overflow f16 at a loss scale of 1, and every step is skipped';
  const bad = losses[loss!];
  return `the loss ${loss === 0 ? '' : `"${bad.name}" `}became ${bad.value}`;
}

/**
 * The error that ends a run at a step with a loss, a gradient norm or a weight that is not finite. The hint names
 * settings of a run; a command line or a page words it for its users.
 * @param step counted from 1 over all stages
 */
export function failureAt(bad: BadStep, step: number): NonFiniteError {
  const { lr, mixed } = bad;
  return new NonFiniteError(
    `${happened(bad)} at step ${step} (learning rate ${Number(lr.toPrecision(3))})`,
    `lower the learning rate (lr), clip the gradients (clip)${mixed ? ', train in full precision' : ''} or warm the ` +
      'learning rate up (warmup); where that does not help, look at the images and masks',
  );
}
