// What a comparison says: per scheme, over seeds, scores (mean and sample standard deviation), cost, and the gain over
// supervised training.

import { DataError } from '../../runtime/errors.ts';
import { BASELINE } from '../schemes/index.ts';
import type { Comparison, EvalPoint, RunRecord } from '../train/records.ts';

/** Mean and sample standard deviation over seeds; `std` is null for a single value. */
export interface Stat {
  mean: number;
  std: number | null;
  /** One value per run that has one. */
  values: number[];
}

export interface ScoreSummary {
  /** nan-mean: over the classes that occur in truth or prediction. 0..1, as are the others. */
  miou: Stat | null;
  /** Over all classes, an absent one counting as zero. */
  miouAbsentZero: Stat | null;
  pixelAccuracy: Stat | null;
  /** Per class; null where no run has the class. */
  iou: (Stat | null)[];
  /** Steps at which the evaluations were made, one per run. */
  steps: number[];
  /** Confusion counts summed over the seeds, rows = truth. */
  confusion: number[];
}

export interface SchemeSummary {
  scheme: string;
  seeds: number[];
  /** At the end of training. */
  last: ScoreSummary;
  /** At the step that was best on val; empty without a val split, where nothing chooses a step. */
  best: ScoreSummary;
  /** mIoU of the moving average of the weights at the end; null where no run has one. */
  ema: Stat | null;
  /**
   * Difference to the supervised runs in points (100 x mIoU, nan-mean), by seed where the seeds agree; null for
   * supervised itself and without it.
   */
  gain: { last: Stat | null; best: Stat | null } | null;
  secondsPerStep: Stat | null;
  imagesPerSecond: Stat | null;
  /** Largest over the seeds. */
  peakGpuBytes: number;
  /** Seconds of a run. */
  seconds: Stat | null;
  /** Share of accepted pseudo-labels and their accuracy at the end of training, null where there are none. */
  accepted: Stat | null;
  pseudoAccuracy: Stat | null;
}

export interface Summary {
  /** The split that the scores are of: test where there is one. */
  split: 'val' | 'test';
  /**
   * The figure to quote: `best` where val chooses and test judges; `last` where one of them is missing: the best on val
   * flatters there, and without val nothing chooses.
   */
  headline: 'last' | 'best';
  /** Is there a val split, by which the best step is chosen? */
  chosen: boolean;
  classNames: string[];
  schemes: SchemeSummary[];
  /** All runs together, in seconds. */
  seconds: number;
}

/** Statistics of the finite values; null where there is none. */
export function stat(values: readonly (number | null | undefined)[]): Stat | null {
  const v = values.filter((x): x is number => typeof x === 'number' && Number.isFinite(x));
  if (!v.length) return null;
  const mean = v.reduce((a, b) => a + b, 0) / v.length;
  const std = v.length > 1 ? Math.sqrt(v.reduce((a, b) => a + (b - mean) ** 2, 0) / (v.length - 1)) : null;
  return { mean, std, values: v };
}

function scoreSummary(evals: readonly (EvalPoint | undefined)[], classes: number): ScoreSummary {
  const known = evals.filter((e) => e !== undefined);
  const confusion = new Array<number>(classes * classes).fill(0);
  for (const e of known) e.confusion.forEach((n, i) => (confusion[i] += n));
  return {
    miou: stat(known.map((e) => e.miou)),
    miouAbsentZero: stat(known.map((e) => e.miouAbsentZero)),
    pixelAccuracy: stat(known.map((e) => e.pixelAccuracy)),
    iou: Array.from({ length: classes }, (_, c) => stat(known.map((e) => e.iou[c]))),
    steps: known.map((e) => e.step),
    confusion,
  };
}

const lastOf = <T>(run: RunRecord, get: (s: RunRecord['steps'][number]) => T | undefined): T | undefined =>
  run.steps
    .map(get)
    .filter((v) => v !== undefined)
    .at(-1);

/**
 * Differences in points: of the seeds that both have, run by run; where they have none in common of the means, which
 * has no spread.
 */
function gainOver(
  runs: readonly RunRecord[],
  base: readonly RunRecord[],
  score: (run: RunRecord) => number | undefined,
): Stat | null {
  const bySeed = new Map(base.map((run) => [run.seed, score(run)]));
  const paired = runs.filter((run) => score(run) !== undefined && bySeed.get(run.seed) !== undefined);
  if (paired.length > 0) return stat(paired.map((run) => 100 * (score(run)! - bySeed.get(run.seed)!)));
  const a = stat(runs.map(score));
  const b = stat(base.map(score));
  return a && b ? { mean: 100 * (a.mean - b.mean), std: null, values: [] } : null;
}

/**
 * Sums up a comparison. Schemes keep the order of their first runs.
 * @throws DataError where there are no runs, or runs of different classes
 * @example summarise(comparison).schemes[0].best.miou?.mean
 */
export function summarise(comparison: Comparison): Summary {
  const { runs } = comparison;
  if (!runs.length) throw new DataError('the comparison contains no runs', 'let at least one run finish');
  const { classNames } = runs[0];
  const classes = classNames.length;
  for (const run of runs) {
    if (run.classNames.join('\n') !== classNames.join('\n'))
      throw new DataError(
        `the runs are of different classes: ${classNames.join(', ')}, and ${run.classNames.join(', ')}`,
        'compare runs on the same data',
      );
    for (const e of [...run.last, ...run.best])
      if (e.confusion.length !== classes ** 2)
        throw new DataError(
          `an evaluation of ${run.scheme}, seed ${run.seed}, holds ${e.confusion.length} counts for ${classes} classes`,
        );
  }
  const split = runs.some((run) => [...run.last, ...run.best].some((e) => e.split === 'test')) ? 'test' : 'val';
  const chosen = runs.some((run) => [...run.evals, ...run.last].some((e) => e.split === 'val'));
  const at =
    (when: 'last' | 'best') =>
    (run: RunRecord): EvalPoint | undefined =>
      when === 'best' && !chosen ? undefined : run[when].find((e) => e.split === split);
  const base = runs.filter((run) => run.scheme === BASELINE);
  const schemes = [...new Set(runs.map((run) => run.scheme))].map((scheme): SchemeSummary => {
    const own = runs.filter((run) => run.scheme === scheme);
    const gain = (when: 'last' | 'best'): Stat | null => gainOver(own, base, (run) => at(when)(run)?.miou);
    return {
      scheme,
      seeds: own.map((run) => run.seed),
      last: scoreSummary(own.map(at('last')), classes),
      best: scoreSummary(own.map(at('best')), classes),
      ema: stat(own.map((run) => at('last')(run)?.ema?.miou)),
      gain: scheme === BASELINE || !base.length ? null : { last: gain('last'), best: gain('best') },
      secondsPerStep: stat(own.map((run) => run.secondsPerStep)),
      imagesPerSecond: stat(own.map((run) => run.imagesPerSecond)),
      peakGpuBytes: Math.max(...own.map((run) => run.peakGpuBytes)),
      seconds: stat(own.map((run) => run.seconds)),
      accepted: stat(own.map((run) => lastOf(run, (s) => s.accepted))),
      pseudoAccuracy: stat(own.map((run) => lastOf(run, (s) => s.pseudoAccuracy))),
    };
  });
  return {
    split,
    headline: split === 'test' && chosen ? 'best' : 'last',
    chosen,
    classNames,
    schemes,
    seconds: runs.reduce((n, run) => n + run.seconds, 0),
  };
}

/** The notes that every form of the summary carries: what the figures are. */
export function footnotes(summary: Summary): string[] {
  const { split, headline, chosen, schemes } = summary;
  const several = schemes.some((s) => s.seeds.length > 1);
  const reported = split === 'test' ? ', reported on test' : ' (chosen and reported on the same images: it flatters)';
  return [
    `Scores are of the ${split} split, in percent; ` +
      `${chosen ? `best is the step that was best on val${reported}` : 'there are no val images to choose a best step by'}; ` +
      `last is the end of training${schemes.some((s) => s.ema) ? ', EMA the moving average of the weights there' : ''}.`,
    'mIoU is the nan-mean: over the classes that occur in truth or prediction. absent=0 averages over ' +
      'all classes, an absent class counting as zero.',
    `${several ? 'Mean ± sample standard deviation over seeds. ' : ''}The gain is in points of mIoU over ` +
      `supervised${several ? ', seed by seed' : ''}. Per class: IoU at ${headline}.`,
  ];
}
