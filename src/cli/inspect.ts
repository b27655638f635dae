// `fewmask inspect`: checks a data set before training.

import type { Command } from 'commander';
import { UsageError } from '../../runtime/errors.ts';
import { contactSheet } from '../data/contactSheet.node.ts';
import { inspect } from '../data/inspect.node.ts';
import { exitCode, formatInspection } from '../data/inspection.ts';
import { action } from './action.ts';
import type { GlobalFlags } from './common.ts';
import { addDataOptions, dataSpec, numbers, type DataFlags } from './options.ts';
import type { Output } from './output.ts';

type Flags = GlobalFlags & DataFlags & { sheet?: string; sheetImages: number };

export function inspectCommand(program: Command): void {
  addDataOptions(
    program
      .command('inspect')
      .summary('check a data set before training')
      .description(
        'Checks a data set before training: counts, sizes, class histogram, ids outside the range, pairs ' +
          'that do not match, unreadable files, lists that overlap. Exit code 1 when something would stop ' +
          'training.',
      ),
  )
    .option('--sheet <file.png>', 'also draw a contact sheet of images and masks')
    .option('--sheet-images <n>', 'images on the contact sheet', numbers.count, 12)
    .addHelpText(
      'after',
      '\nExamples:\n  fewmask inspect photos/ --labels 1/8\n  fewmask inspect --images photos/ --masks ' +
        'masks/ --classes 5 --sheet sheet.png\n  fewmask inspect photos/ --json',
    )
    .action(action(runInspect));
}

async function runInspect(f: Flags, out: Output, path: string): Promise<number> {
  if (f.sheet !== undefined && !/\.png$/i.test(f.sheet))
    throw new UsageError(`--sheet ${f.sheet}`, 'give a file that ends in .png');
  const spec = dataSpec(path, f);
  const inspection = await inspect(spec);
  out.result(f.json ? JSON.stringify(inspection, null, 2) : formatInspection(inspection));
  if (f.sheet) {
    await contactSheet(spec, f.sheet, { n: f.sheetImages });
    out.say(`contact sheet: ${f.sheet}`);
  }
  return exitCode(inspection);
}
