// The batches of a step's streams: labelled, unlabelled and mixed images of a data set.

import { DataError, FewmaskError } from '../../runtime/errors.ts';
import { Loader, type SampleCache } from '../data/batch.ts';
import { withLabels } from '../data/texels.ts';
import type { Dataset, Sample } from '../data/types.ts';
import { streamOf } from '../nn/module.ts';
import type { LabelMap, Scheme } from '../schemes/scheme.ts';
import type { StreamSpec } from '../schemes/step.ts';
import type { BatchSource } from './trainer.ts';

export interface StreamOptions {
  dataset: Dataset;
  cache: SampleCache;
  /** Its stages say how far to decode ahead. */
  scheme: Pick<Scheme, 'pseudoLabels'> & Partial<Pick<Scheme, 'stages'>>;
  seed: number;
  /** Height and width to which images are padded. */
  size: readonly [number, number];
  /**
   * Let the labels of unlabelled images travel along, for judging pseudo-labels only. Otherwise no mask of theirs is
   * opened (default false).
   */
  judge?: boolean;
}

/** The unlabelled images of a data set that are not labelled ones as well: those that need a pseudo-label. */
export function withoutLabels(dataset: Dataset): string[] {
  const labelled = new Set(dataset.ids('labelled'));
  return dataset.ids('unlabelled').filter((id) => !labelled.has(id));
}

/**
 * Labelled ids, repeated until there are at least as many as pseudo-labelled ones, then those: what the student of
 * self-training learns from.
 * @throws DataError where no image has a pseudo-label
 */
export function mixedIds(
  labelled: readonly string[],
  unlabelled: readonly string[],
  pseudoLabels: ReadonlyMap<string, LabelMap>,
): string[] {
  const known = unlabelled.filter((id) => pseudoLabels.has(id));
  if (known.length === 0)
    throw new DataError(
      'no unlabelled image has a pseudo-label',
      'the unlabelled list is empty, or the labeller has not run',
    );
  const times = Math.ceil(known.length / labelled.length);
  return [...Array.from({ length: times }, () => labelled).flat(), ...known];
}

/** Replaces a sample's labels by a label map. @throws FewmaskError where the sizes differ */
export function relabelled(sample: Sample, map: LabelMap): Sample {
  if (map.height !== sample.height || map.width !== sample.width) {
    throw new FewmaskError(
      'data',
      `the pseudo-label of ${sample.id} is ${map.width}x${map.height}, the image ${sample.width}x${sample.height}`,
      'the images have changed since the pseudo-labels were made',
    );
  }
  return withLabels(sample, map.labels);
}

/**
 * Opens streams for the trainer.
 * @example train(device, scheme, { open: openStreams({ dataset, cache, scheme, seed, size }), … })
 */
export function openStreams({
  dataset,
  cache,
  scheme,
  seed,
  size,
  judge = false,
}: StreamOptions): (stream: StreamSpec, stage: number) => BatchSource {
  return ({ name, kind, n }, stage) => {
    const common = {
      n,
      seed: seed + 1000003 * stage,
      stream: streamOf(name),
      size,
      steps: scheme.stages?.[stage].steps,
    };
    if (kind === 'labelled') return new Loader(cache, { ...common, ids: dataset.ids('labelled'), labels: true });
    if (kind === 'unlabelled') return new Loader(cache, { ...common, ids: dataset.ids('unlabelled'), labels: judge });
    const pseudo = scheme.pseudoLabels ?? new Map<string, LabelMap>();
    return new Loader(cache, {
      ...common,
      ids: mixedIds(dataset.ids('labelled'), withoutLabels(dataset), pseudo),
      labels: (id) => !pseudo.has(id),
      relabel: (sample) => {
        const map = pseudo.get(sample.id);
        return map ? relabelled(sample, map) : sample;
      },
    });
  };
}
