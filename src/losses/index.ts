// The losses of the methods.

export * from './crossEntropy.ts';
export * from './pseudo.ts';
