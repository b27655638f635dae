// `fewmask train`: one scheme on one data set.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../../runtime/errors.ts';
import { schemes } from '../schemes/index.ts';
import { isBuiltin, settledSpec } from '../data/open.node.ts';
import { UNRECORDED } from '../data/pictureRule.ts';
import { action } from './action.ts';
import { interruptible, openData, openDevice, shellWords, type GlobalFlags } from './common.ts';
import { DEFAULTS } from '../train/config.ts';
import { addDataOptions, dataSpec, numbers, type DataFlags } from './options.ts';
import { addTrainOptions, fileConfig, schemeHelp, trainConfig, type TrainFlags, presetLine } from './trainOptions.ts';
import type { Output } from './output.ts';
import { runInFolder } from './runner.ts';
import { scoreLines } from './scores.ts';
import { onTop, readStarted, sameData } from './started.ts';

type Flags = GlobalFlags & DataFlags & TrainFlags & { scheme?: string; out?: string; resume?: boolean };

export function trainCommand(program: Command): void {
  const command = program
    .command('train')
    .summary('train one scheme')
    .description(
      `Trains a network with one scheme:\n${schemes()
        .map(({ name, about }) => `  ${name.padEnd(14)} ${about}`)
        .join('\n')}`,
    );
  addTrainOptions(addDataOptions(command))
    .option('--scheme <name>', 'the scheme (default: fixmatch)')
    .option('--seed <n>', 'seed of the weights, the batches and the augmentations', numbers.whole)
    .option('--out <dir>', 'folder of the run (default: runs/SCHEME-SEED)')
    .option('--resume', 'continue from the last checkpoint of the folder')
    .addHelpText(
      'after',
      `${schemeHelp()}
Examples:
  fewmask train                                              FixMatch on the built-in set
  fewmask train photos/ --labels 1/8 --scheme cps --steps 5000
  fewmask train photos/ --labels 8 --scheme cps --set groups=joint --set ramp=0.5 --set cutmix=null
  fewmask train --images photos/ --masks masks/ --scheme self-training
  fewmask train photos/ --labels my-list.txt --network deeplabv3plus --depth 34 --crop 256
  fewmask train photos/ --set tau=0.9 --out runs/tau90 --resume`,
    )
    .action(action(runTrain));
}

async function runTrain(f: Flags, out: Output, path: string | undefined): Promise<number> {
  const file = fileConfig(f);
  const scheme = f.scheme ?? file.scheme;
  const folder = f.out ?? join('runs', `${scheme ?? DEFAULTS.scheme}-${f.seed ?? file.seed ?? DEFAULTS.seed}`);
  // What a resumed run was started with stands beside it, so that "--resume" alone is enough.
  const known = f.resume ? readStarted(folder) : null;
  if (f.resume && !known)
    throw new UsageError(`${folder} contains no run to resume`, 'pass its folder with --out, or omit --resume');
  const config = trainConfig(f, scheme ?? known?.config.scheme ?? DEFAULTS.scheme, known?.config ?? {}, file);
  const preset = known ? null : presetLine(f, config);
  if (preset) out.say(preset);
  const asked = onTop(known?.data, dataSpec(path, f));
  if (known) sameData(known.data, asked, folder);
  // Images are read as they were before.
  const pictures = known ? (known.pictures ?? UNRECORDED) : undefined;
  const dataset = await openData({ ...asked, pictures }, out, { strict: true });
  const spec = settledSpec(asked, dataset);
  const interrupt = interruptible(out);
  const device = await openDevice({ ...f, memory: config.memory ?? undefined }, out);
  try {
    const { record, interrupted } = await runInFolder({
      device,
      dataset,
      spec,
      config,
      folder,
      out,
      resume: f.resume ?? false,
      canChange: true,
      signal: interrupt.signal,
      saveEveryMinutes: f.saveEvery,
      cacheBytes: f.cache,
      judge: spec.judge ?? isBuiltin(spec),
    });
    if (interrupted) {
      out.say(
        `stopped after step ${record.steps.at(-1)?.step ?? 0}; to continue: ` +
          `${shellWords(['fewmask', 'train', '--out', folder, '--resume'])}`,
      );
      return 130;
    }
    if (f.json) out.result(JSON.stringify(record));
    else
      out.result(
        [
          ...scoreLines(record),
          `weights: ${['last', 'best', 'ema']
            .map((name) => join(folder, `${name}.safetensors`))
            .filter((w) => existsSync(w))
            .join(', ')}`,
        ].join('\n'),
      );
    return 0;
  } finally {
    interrupt.release();
    await dataset.close();
    device.close();
  }
}
