// The optimiser of the training cases: the same for every engine.

/** Learning rate and momentum of SGD. */
export const LR = 0.02;
export const MOMENTUM = 0.9;
/** Losses of this many steps are compared. */
export const STEPS_COMPARED = 3;
