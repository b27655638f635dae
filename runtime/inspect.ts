// What console.log shows of the engine's objects: one line, where Node would print all that they hold.

/** The method that Node's console.log and util.inspect ask for; nothing of Node is imported for it. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never;

/** `12 parameters`, `1 parameter`. */
export const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
