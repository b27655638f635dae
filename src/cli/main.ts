// The command line: `fewmask COMMAND …`. Exit codes: 0 done, 1 failure, 2 wrong usage, 130 after Ctrl-C.

import { Command, CommanderError } from 'commander';
import { camCommand } from './cam.ts';
import { compareCommand } from './compare.ts';
import { doctorCommand } from './doctor.ts';
import { evalCommand } from './eval.ts';
import { inspectCommand } from './inspect.ts';
import { predictCommand } from './predict.ts';
import { sweepCommand } from './sweep.ts';
import { trainCommand } from './train.ts';
import { tuneCommand } from './tune.ts';
import pkg from '../../package.json' with { type: 'json' };

const program = new Command('fewmask')
  .description('Semantic segmentation from a few labelled images and many unlabelled ones, on any GPU.')
  .version(pkg.version)
  .option('--adapter <name>', 'hardware, lavapipe, swiftshader, or part of a name (or FEWMASK_ADAPTER)')
  .option('--json', 'results as JSON on stdout')
  .option('--quiet', 'no progress and no messages but warnings')
  .option('--verbose', 'more messages; a stack trace with an error');

for (const add of [
  trainCommand,
  evalCommand,
  predictCommand,
  camCommand,
  compareCommand,
  sweepCommand,
  inspectCommand,
  doctorCommand,
  tuneCommand,
])
  add(program);
for (const command of [program, ...program.commands])
  command
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, helpWidth: 110 })
    .showHelpAfterError(`("fewmask ${command === program ? 'COMMAND' : command.name()} --help" shows the options)`);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
