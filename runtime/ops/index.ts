// Every operation, one export line each.

export * from './binary.ts';
export * from './fill.ts';
export * from './unary.ts';
