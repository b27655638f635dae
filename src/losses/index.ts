// The losses of the methods.

export * from './consistency.ts';
export * from './crossEntropy.ts';
export * from './infoNce.ts';
export * from './pseudo.ts';
export * from './pseudoseg.ts';
export * from './u2pl.ts';
