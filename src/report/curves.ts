// Curves over training steps: per scheme the mean over seeds and a band of one sample standard deviation.

import { stat } from './summary.ts';
import type { Comparison, RunRecord } from '../train/records.ts';

export interface Curve {
  scheme: string;
  mean: (number | null)[];
  /** Mean -/+ deviation; null where a single seed has a value. */
  low: (number | null)[];
  high: (number | null)[];
}

export interface Measure {
  name: string;
  /** Steps, ascending; those of every curve. */
  x: number[];
  curves: Curve[];
}

export interface Chart {
  id: string;
  title: string;
  note: string;
  /** Values are shares, shown in percent. */
  share: boolean;
  /** One is shown at a time. */
  measures: Measure[];
}

interface Point {
  step: number;
  value: number;
}

/**
 * More points than this are averaged in bins of steps: a screen shows no more, and losses of single batches are noise.
 */
const BINS = 150;

const short = (v: number | null): number | null => (v === null ? null : Number(v.toPrecision(5)));

/** One run's values at the steps `x`: the mean of its points in (x[i-1], x[i]]. */
function binned(points: readonly Point[], x: readonly number[]): (number | null)[] {
  const sum = new Float64Array(x.length);
  const count = new Uint32Array(x.length);
  let i = 0;
  for (const { step, value } of points) {
    while (i < x.length - 1 && step > x[i]) i++;
    if (!Number.isFinite(value)) continue;
    sum[i] += value;
    count[i]++;
  }
  return Array.from(sum, (s, k) => (count[k] ? s / count[k] : null));
}

/** @returns null where no run has a point */
function measure(name: string, runs: readonly RunRecord[], get: (run: RunRecord) => Point[]): Measure | null {
  const points = runs.map((run) => get(run).sort((a, b) => a.step - b.step));
  let x = [...new Set(points.flatMap((p) => p.map((q) => q.step)))].sort((a, b) => a - b);
  if (!x.length) return null;
  const top = x[x.length - 1];
  if (x.length > BINS) x = Array.from({ length: BINS }, (_, i) => Math.round(((i + 1) * top) / BINS));
  const values = points.map((p) => binned(p, x));
  const schemes = [...new Set(runs.filter((_, r) => points[r].length).map((run) => run.scheme))];
  const curves = schemes.map((scheme): Curve => {
    const own = values.filter((_, r) => runs[r].scheme === scheme);
    const stats = x.map((_, i) => stat(own.map((v) => v[i])));
    const edge = (sign: number): (number | null)[] =>
      stats.map((s) => short(s && s.std !== null ? s.mean + sign * s.std : null));
    return { scheme, mean: stats.map((s) => short(s && s.mean)), low: edge(-1), high: edge(1) };
  });
  return { name, x, curves };
}

/** The charts of the report; those without data are left out. */
export function charts({ runs }: Comparison): Chart[] {
  const terms = [
    ...new Set(runs.flatMap((run) => (run.steps.length ? Object.keys(run.steps[run.steps.length - 1].terms) : []))),
  ];
  const split = runs.some((run) => run.evals.some((e) => e.split === 'val')) ? 'val' : 'test';
  const steps = (name: string, get: (s: RunRecord['steps'][number]) => number | undefined): Measure | null =>
    measure(name, runs, (run) =>
      run.steps.flatMap((s) => (get(s) === undefined ? [] : [{ step: s.step, value: get(s)! }])),
    );
  const all: (Omit<Chart, 'measures'> & { measures: (Measure | null)[] })[] = [
    {
      id: 'miou',
      title: `mIoU on ${split}`,
      note: 'nan-mean over classes, %',
      share: true,
      measures: [
        measure('mIoU', runs, (run) =>
          run.evals.filter((e) => e.split === split).map((e) => ({ step: e.step, value: e.miou })),
        ),
      ],
    },
    {
      id: 'loss',
      title: 'Training loss',
      note: 'schemes add different terms: compare shapes, not heights',
      share: false,
      measures: [steps('total', (s) => s.loss), ...terms.map((t) => steps(t, (s) => s.terms[t]))],
    },
    {
      id: 'accepted',
      title: 'Accepted pseudo-labels',
      note: '% of pixels of the unlabelled images',
      share: true,
      measures: [steps('accepted', (s) => s.accepted)],
    },
    {
      id: 'accuracy',
      title: 'Accuracy of pseudo-labels',
      note: '% right among the judged: masks are read for this figure only',
      share: true,
      measures: [steps('accuracy', (s) => s.pseudoAccuracy)],
    },
  ];
  return all.map((c) => ({ ...c, measures: c.measures.filter((m) => m !== null) })).filter((c) => c.measures.length);
}
