// A run that stopped at a step that was not sound: what the user is told, and what the folder keeps of it.

import { rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NonFiniteError } from '../../runtime/errors.ts';
import type { RunConfig } from '../train/config.ts';
import { shellWords } from './common.ts';
import { writeWhole } from './store.ts';

/** Name of the note in a run's folder. While it is there, the run may go on with other settings of the update. */
const STOPPED = 'stopped.json';

/** Did the run of a folder stop at a step that was not sound, and has not got past it? */
export function hasStopped(folder: string): boolean {
  return existsSync(join(folder, STOPPED));
}

/** Forgets that the run of a folder stopped. */
export async function forgetStop(folder: string): Promise<void> {
  await rm(join(folder, STOPPED), { force: true });
}

/** What the settings of an update would have to be. */
function remedies({ optimizer: { lr, clip }, warmup, precision }: RunConfig, resumed: boolean): string {
  const lower = `lower the learning rate (--lr ${Number((lr / 10).toPrecision(2))})`;
  const clipped = `clip the gradients (--clip ${clip === null ? 1 : Number((clip / 10).toPrecision(2))})`;
  // Where the run goes on, its first steps are behind it.
  const others = [
    ...(precision === 'mixed' ? ['train in full precision (--precision full)'] : []),
    ...(resumed ? [] : [`warm the learning rate up (--warmup ${Math.max(100, 2 * warmup)})`]),
  ];
  return [lower, clipped, ...others].join(', ').replace(/, (?!.*, )/, ' or ');
}

/**
 * Notes in the folder that the run stopped, and words the error for the command line.
 * @param kept steps at the last checkpoint of the folder; null without one
 * @param canChange the command can go on from the checkpoint with other settings
 */
export async function stopRun(
  error: NonFiniteError, { folder, config, kept, canChange }: {
    folder: string; config: RunConfig; kept: number | null; canChange: boolean;
  },
): Promise<NonFiniteError> {
  const what = error.hint ? error.message.slice(0, -` — ${error.hint}`.length) : error.message;
  await writeWhole(join(folder, STOPPED), `${JSON.stringify({ message: what }, null, 2)}\n`);
  const resumed = kept !== null && canChange;
  const state = kept === null ? 'there is no checkpoint yet' : `the checkpoint after step ${kept} is kept`;
  const command = shellWords(['fewmask', 'train', '--out', folder, '--resume']);
  const next = resumed
    ? `added to the command that goes on from the checkpoint, ${command}`
    : `and start the ${canChange ? 'run' : 'comparison'} again`;
  return new NonFiniteError(
    `${what}; ${state}`,
    `${remedies(config, resumed)}, ${next}; "fewmask inspect" shows whether the images and masks are as they should be`,
  );
}
