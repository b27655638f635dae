// `fewmask train`: one scheme on one data set.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CheckpointError, UsageError } from '../../runtime/errors.ts';
import { SCHEMES } from '../schemes/index.ts';
import type { DatasetSpec } from '../data/open.node.ts';
import { action } from './action.ts';
import { interruptible, openData, openDevice, type GlobalFlags } from './common.ts';
import type { PartialConfig } from '../train/config.ts';
import { addDataOptions, addTrainOptions, dataSpec, numbers, schemeHelp, trainConfig, type DataFlags, type TrainFlags } from './options.ts';
import type { Output } from './output.ts';
import { runInFolder } from './runner.ts';
import { scoreLines } from './scores.ts';

type Flags = GlobalFlags & DataFlags & TrainFlags & { scheme?: string; out?: string; resume?: boolean };

export function trainCommand(program: Command): void {
  const command = program.command('train').summary('train one scheme').description(`Trains a network with one scheme:\n${Object.entries(SCHEMES).map(([name, { about }]) => `  ${name.padEnd(14)} ${about}`).join('\n')}`);
  addTrainOptions(addDataOptions(command))
    .option('--scheme <name>', 'the scheme (default: fixmatch)')
    .option('--seed <n>', 'seed of the weights, the batches and the augmentations', numbers.whole)
    .option('--out <dir>', 'folder of the run (default: runs/SCHEME-SEED)')
    .option('--resume', 'go on from the last checkpoint of the folder')
    .addHelpText('after', `${schemeHelp()}
Examples:
  fewmask train                                              FixMatch on the built-in set
  fewmask train photos/ --labels 1/8 --scheme cps --steps 5000
  fewmask train --images photos/ --masks masks/ --scheme self-training
  fewmask train photos/ --labels my-list.txt --network deeplabv3plus --depth 34 --crop 256
  fewmask train photos/ --set tau=0.9 --out runs/tau90 --resume`)
    .action(action(runTrain));
}

async function runTrain(f: Flags, out: Output, path: string): Promise<number> {
  // What a resumed run was started with stands beside it, so that "--resume" alone is enough.
  const folder = f.out ?? join('runs', `${f.scheme ?? 'fixmatch'}-${f.seed ?? 0}`);
  const known = f.resume ? startedWith(folder) : null;
  const base: PartialConfig = known?.config ?? {};
  const config = trainConfig(f, f.scheme ?? base.scheme ?? 'fixmatch', base);
  const spec = known?.data ?? dataSpec(path, f);
  const dataset = await openData(spec, out);
  const interrupt = interruptible(out);
  const device = await openDevice({ ...f, memory: config.memory ?? undefined }, out);
  try {
    const { record, interrupted } = await runInFolder({ device, dataset, spec, config, folder, out, resume: f.resume ?? false, signal: interrupt.signal, saveEveryMinutes: f.saveEvery, cacheBytes: f.cache, judge: spec.judge ?? spec.builtin !== undefined });
    if (interrupted) {
      out.say(`stopped after step ${record.steps.at(-1)?.step ?? 0}; go on with: fewmask train --out ${folder} --resume`);
      return 130;
    }
    if (f.json) out.result(JSON.stringify(record));
    else out.result([...scoreLines(record), `weights: ${join(folder, 'last.safetensors')}, ${join(folder, 'best.safetensors')}`].join('\n'));
    return 0;
  } finally {
    interrupt.release();
    await dataset.close();
    device.close();
  }
}

/** The settings and the data set of the run in a folder. @throws UsageError where there is none */
function startedWith(folder: string): { config: PartialConfig; data: DatasetSpec } {
  const file = join(folder, 'run.json');
  if (!existsSync(file)) throw new UsageError(`${folder} holds no run to go on with`, 'give the folder of a run (--out), or leave --resume away to start one');
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new CheckpointError(`${file} is no JSON`, 'it is damaged; its settings stand in the checkpoint too: give them as flags to another folder');
  }
}
