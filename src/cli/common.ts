// What commands that use a GPU share: the device, a run's folder, Ctrl-C.

import { join } from 'node:path';
import { statSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { openNode } from '../../runtime/node.ts';
import type { Device } from '../../runtime/device/device.ts';
import { mib } from '../../runtime/device/pool.ts';
import { CheckpointError, DataError, errorText } from '../../runtime/errors.ts';
import { openDataset, type DatasetSpec, type OpenDataset } from '../data/open.node.ts';
import { Ensemble } from '../nn/ensemble.ts';
import { createNetwork } from '../nn/networks.ts';
import type { Network } from '../nn/module.ts';
import { parseSeenSize } from './options.ts';
import type { Output } from './output.ts';
import { loadModel, type Model } from './store.ts';

export interface GlobalFlags {
  adapter?: string;
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
}

/** Opens the device and says which it is. */
export async function openDevice(flags: GlobalFlags & { memory?: number }, out: Output): Promise<Device> {
  const device = await openNode({ adapter: flags.adapter, verbose: flags.verbose, budget: flags.memory });
  out.say(`adapter: ${device.info.description} (${device.info.how}), memory budget ${mib(device.pool.budget)}`);
  return device;
}

/** Aborts at the first Ctrl-C (or SIGTERM), so that the run saves and ends; the second ends the process. */
export function interruptible(out: Output): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    out.say('stopping after this step and saving; press Ctrl-C again to stop at once');
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

/** The weights that a run leaves. */
export const WEIGHTS = ['best', 'last', 'ema'] as const;
type Weights = (typeof WEIGHTS)[number];

/** A file of weights: the path itself, or, in the folder of a run, its best weights, else its last. */
function modelFile(path: string, weights: Weights): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat)
    throw new CheckpointError(
      `there is no ${path}`,
      'give the folder of a run, or a .safetensors file that "fewmask train" has written',
    );
  if (!stat.isDirectory()) return path;
  for (const name of weights === 'best' ? ['best', 'last'] : [weights]) {
    const file = join(path, `${name}.safetensors`);
    if (statSync(file, { throwIfNoEntry: false })) return file;
  }
  if (weights === 'ema' && statSync(join(path, 'last.safetensors'), { throwIfNoEntry: false }))
    throw new CheckpointError(
      `${path} has no moving average of its weights`,
      'train with --ema 0.99, or use --weights last',
    );
  throw new CheckpointError(
    `${path} contains no trained network`,
    'the run has not finished, or this is not the folder of a run; "fewmask train --resume" finishes it',
  );
}

/** A trained network from disk. @throws CheckpointError */
export async function readModel({ model: path, weights }: ModelFlags): Promise<{ model: Model; file: string }> {
  const file = modelFile(path, weights);
  return { model: await loadModel(file), file };
}

/** A trained network on the GPU. */
export function buildNetwork(device: Device, model: Model): Network {
  const make = (): Network => createNetwork(device, model.network, model.classNames.length, 0);
  const { ensemble } = model;
  const network = ensemble ? new Ensemble(Array.from({ length: ensemble.members }, make), ensemble.voting) : make();
  network.loadStateDict(model.state);
  return network;
}

/** Options of the commands that use a trained network. */
export function addModelOptions(command: Command): Command {
  return command
    .requiredOption('--model <path>', 'folder of a run, or a .safetensors file of it')
    .addOption(
      new Option('--weights <which>', 'weights of the run: best (on val), last, or ema (their moving average)')
        .choices(WEIGHTS)
        .default('best'),
    );
}

export interface ModelFlags {
  model: string;
  weights: Weights;
}

/** The option of the commands that take images of any size. */
export function addSizeOption(command: Command): Command {
  return command.option(
    '--size <HxW>',
    'size at which the network sees the images (default: as in its training); "own": as they are',
    parseSeenSize,
  );
}

export interface SizeFlags {
  size?: readonly [number, number] | null;
}

/** The size to which images are resized for the network; null for their own. */
export function sizeFor({ size }: SizeFlags, model: Model): readonly [number, number] | null {
  return size === undefined ? (model.size ?? null) : size;
}

/** Words as a shell takes them. */
export function shellWords(words: readonly string[]): string {
  return words.map((s) => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", "'\\''")}'`)).join(' ');
}

/**
 * Opens a data set and says what it is.
 * @param strict refuse a set with images that cannot be read: training needs each of them
 */
export async function openData(spec: DatasetSpec, out: Output, { strict = false } = {}): Promise<OpenDataset> {
  const dataset = await openDataset(spec, { warn: (message) => out.warn(message) });
  const count = (split: 'labelled' | 'unlabelled' | 'val' | 'test'): string => `${dataset.ids(split).length} ${split}`;
  out.say(
    `data: ${dataset.name}: ${count('labelled')}, ${count('unlabelled')}, ${count('val')}, ` +
      `${count('test')} images, ${dataset.numClasses} classes`,
  );
  for (const note of dataset.notes) out.say(`data: ${note}`);
  const { unreadable } = dataset;
  if (unreadable.length > 0) {
    const what = `${unreadable.length} images cannot be read, the first: ${unreadable[0].message}`;
    const error =
      unreadable.length === 1
        ? unreadable[0]
        : new DataError(what, 'remove or replace them; fewmask inspect lists them all');
    if (!strict) out.warn(errorText(error));
    else {
      await dataset.close();
      throw error;
    }
  }
  return dataset;
}
