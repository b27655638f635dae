// A run that stopped at a step that was not sound: what the user is told, and what the folder keeps of it.

import { rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NonFiniteError } from '../../runtime/errors.ts';
import { DEFAULTS, type RunConfig } from '../train/config.ts';
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

/** A learning rate to try next. */
const lower = (lr: number): number => Number(Math.min(lr / 10, DEFAULTS.optimizer.lr).toPrecision(2));

/** What may help, in the flags of the command line. */
function remedies({ optimizer: { lr, clip }, warmup, precision }: RunConfig, resumed: boolean): string {
  const all = [
    `lower the learning rate (--lr ${lower(lr)})`,
    `clip the gradients (--clip ${clip === null ? 1 : Number((clip / 10).toPrecision(2))})`,
    ...(precision === 'mixed' ? ['train in full precision (--precision full)'] : []),
    // Where the run goes on, its first steps are behind it.
    ...(resumed ? [] : [`warm the learning rate up (--warmup ${Math.max(100, 2 * warmup)})`]),
  ];
  return `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}

/**
 * Notes in the folder that the run stopped, and words the error for the command line.
 * @param at.kept steps at the last checkpoint of the folder; null without one
 * @param at.canChange the command can go on from the checkpoint with other settings
 */
export async function stopRun(
  error: NonFiniteError, at: { folder: string; config: RunConfig; kept: number | null; canChange: boolean },
): Promise<NonFiniteError> {
  const { folder, config, kept, canChange } = at;
  const what = error.hint ? error.message.slice(0, -` — ${error.hint}`.length) : error.message;
  await writeWhole(join(folder, STOPPED), `${JSON.stringify({ message: what }, null, 2)}\n`);
  const state = kept === null ? 'no checkpoint had been saved yet' : `the checkpoint after step ${kept} is kept`;
  const lr = String(lower(config.optimizer.lr));
  const resume = shellWords(['fewmask', 'train', '--out', folder, '--resume', '--lr', lr]);
  const resumed = kept !== null && canChange;
  const next = resumed ? `${resume} goes on from it` : `then start the ${canChange ? 'run' : 'comparison'} again`;
  return new NonFiniteError(
    `${what}; ${state}`, `${remedies(config, resumed)}; ${next}; "fewmask inspect" checks the images and masks`,
  );
}
