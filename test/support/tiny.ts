// Runs of a tiny network on a tiny built-in data set: what the tests of schemes have in common.

import { createSynthetic } from '../../src/data/synthetic.ts';
import type { Dataset } from '../../src/data/types.ts';
import type { StepPoint } from '../../src/train/records.ts';
import { createScheme } from '../../src/schemes/index.ts';
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from '../../src/train/checkpoint.ts';
import { resolveConfig, type PartialConfig } from '../../src/train/config.ts';
import { runSession } from '../../src/train/session.ts';
import type { SessionHooks, SessionResult } from '../../src/train/sessionOptions.ts';
import { testDevice } from './device.ts';

export const TINY: PartialConfig = {
  network: { kind: 'unet', width: 4, depth: 2 },
  batch: { labelled: 2, unlabelled: 3 },
  crop: [24, 32],
  steps: 6,
  evalEvery: 3,
  evalBatch: 2,
};

/** The built-in set of 14 images, with a note of every image whose mask was asked for. */
export function tinyData(): { dataset: Dataset; masks: Set<string> } {
  const dataset = createSynthetic({ width: 32, height: 24, train: 12, labelled: 4, val: 2, test: 0 });
  const masks = new Set<string>();
  const load: Dataset['load'] = (id, options) => {
    if (options.labels) masks.add(id);
    return dataset.load(id, options);
  };
  return { dataset: { ...dataset, load }, masks };
}

/** Runs a scheme; with `stopAfter`, stops after so many steps and gives the checkpoint, through its bytes. */
export async function runTiny(
  config: PartialConfig,
  options: {
    dataset?: Dataset;
    stopAfter?: number;
    resume?: Checkpoint;
    judge?: boolean;
    saved?(checkpoint: Checkpoint): void;
    gate?: SessionHooks['gate'];
  } = {},
): Promise<SessionResult & { checkpoint: Checkpoint | null; points: StepPoint[] }> {
  const stop = new AbortController();
  let checkpoint: Checkpoint | null = null;
  const points: StepPoint[] = [];
  const result = await runSession({
    device: await testDevice(),
    dataset: options.dataset ?? tinyData().dataset,
    config: resolveConfig(TINY, config),
    resume: options.resume,
    judge: options.judge,
    readEvery: 1,
    signal: stop.signal,
    makeScheme: (c, given) => createScheme(config.scheme ?? 'fixmatch', c, given),
    hooks: {
      gate: options.gate,
      onSteps(read, { done }) {
        points.push(...read);
        if (options.stopAfter !== undefined && done >= options.stopAfter - 1) stop.abort();
      },
      async save(c) {
        checkpoint = decodeCheckpoint(encodeCheckpoint(c), 'test');
        options.saved?.(checkpoint);
      },
    },
  });
  return { ...result, checkpoint, points };
}
