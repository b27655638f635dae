// The optimiser of the training cases: the same for every engine.

/** Learning rate and momentum of SGD. */
export const LR = 0.02;
export const MOMENTUM = 0.9;
/** Losses of this many steps are compared. */
export const STEPS_COMPARED = 3;
/**
 * The loss scale at which mixed precision starts: none of the first steps is skipped, so that losses can be compared.
 */
export const LOSS_SCALE = 1024;
