// The losses of the methods.

export * from './consistency.ts';
export * from './cps.ts';
export * from './crossEntropy.ts';
export * from './infoNce.ts';
export * from './labelled.ts';
export * from './u2pl.ts';
