// A run that stopped at a step with a non-finite value: the message to the user, and the note in the folder.

import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NonFiniteError } from '../../runtime/errors.ts';
import { DEFAULTS, type RunConfig } from '../train/config.ts';
import { shellWords } from './common.ts';
import { writeWhole } from './store.ts';

/** Name of the note in a run's folder. While it exists, the run may continue with changed settings of the update. */
const STOPPED = 'stopped.json';

/** Whether the run of a folder stopped at a non-finite step and has not saved a checkpoint since. */
export function hasStopped(folder: string): boolean {
  return existsSync(join(folder, STOPPED));
}

/** Removes the note. */
export async function forgetStop(folder: string): Promise<void> {
  await rm(join(folder, STOPPED), { force: true });
}

/** A learning rate to try next. */
const lower = (lr: number): number => Number(Math.min(lr / 10, DEFAULTS.optimizer.lr).toPrecision(2));

/** What to try, as flags of the command line. */
function remedies({ optimizer: { lr, clip }, warmup, precision }: RunConfig, resumed: boolean): string {
  const all = [
    `lower the learning rate (--lr ${lower(lr)})`,
    `clip the gradients (--clip ${clip === null ? 1 : Number((clip / 10).toPrecision(2))})`,
    ...(precision === 'mixed' ? ['train in full precision (--precision full)'] : []),
    // Warm-up does not help a run that continues: its first steps are behind it.
    ...(resumed ? [] : [`warm the learning rate up (--warmup ${Math.max(100, 2 * warmup)})`]),
  ];
  return `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}

/**
 * Notes in the folder that the run stopped, and words the error for the command line.
 * @param at.kept step of the last checkpoint in the folder; null without one
 * @param at.canChange the command can continue from the checkpoint with changed settings
 */
export async function stopRun(
  error: NonFiniteError,
  at: { folder: string; config: RunConfig; kept: number | null; canChange: boolean },
): Promise<NonFiniteError> {
  const { folder, config, kept, canChange } = at;
  await writeWhole(join(folder, STOPPED), `${JSON.stringify({ message: error.message }, null, 2)}\n`);
  const state = kept === null ? 'no checkpoint had been saved yet' : `the checkpoint after step ${kept} is kept`;
  const lr = String(lower(config.optimizer.lr));
  const resume = shellWords(['fewmask', 'train', '--out', folder, '--resume', '--lr', lr]);
  const resumed = kept !== null && canChange;
  const next = resumed ? `${resume} continues from it` : `then start the ${canChange ? 'run' : 'comparison'} again`;
  return new NonFiniteError(
    `${error.message}; ${state}`,
    `${remedies(config, resumed)}; ${next}; "fewmask inspect" checks the images and masks`,
  );
}
