// Wraps a command's function for commander: options joined with the global ones, errors printed as one line, the exit
// code set.

import type { Command } from 'commander';
import { Output } from './output.ts';
import type { GlobalFlags } from './common.ts';

/** @param run takes the command's arguments, its options, and the output; returns the exit code */
export function action<F extends object, A extends unknown[]>(
  run: (flags: F & GlobalFlags, out: Output, ...args: A) => Promise<number>,
) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    const flags = command.optsWithGlobals<F & GlobalFlags>();
    const options = [...command.options, ...(command.parent?.options ?? [])];
    const out = new Output(flags, new Map(options.map((o) => [o.attributeName(), o.long ?? o.flags])));
    // Node ends a process whose only pending work is the GPU's or an idle thread's, neither of which it counts.
    const alive = setInterval(() => undefined, 2 ** 30);
    try {
      process.exitCode = await run(flags, out, ...(given.slice(0, -2) as A));
    } catch (error) {
      process.exitCode = out.fail(error);
    } finally {
      clearInterval(alive);
    }
  };
}
