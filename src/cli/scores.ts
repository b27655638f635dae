// Scores of a run in a few lines.

import { share } from '../report/format.ts';
import { oneClassLine } from '../metrics/miou.ts';
import type { EvalPoint, RunRecord } from '../train/records.ts';

/** One evaluation: mean in both treatments of absent classes, then each class. */
export function evalLines(e: EvalPoint, classNames: readonly string[]): string[] {
  const width = Math.max(...classNames.map((n) => n.length));
  const line = oneClassLine(e.confusion, classNames);
  const mean = `${share(e.miou)} % over the classes that occur (${share(e.miouAbsentZero)} % with absent classes as 0)`;
  return [
    `${e.split} mIoU ${mean}, pixel accuracy ${share(e.pixelAccuracy)} %${line ? `; ${line}` : ''}`,
    ...classNames.map((name, c) => `  ${name.padEnd(width)} ${share(e.iou[c]).padStart(5)}`),
  ];
}

/** Last and best iterates on each split; the classes of the last split at the end of training. */
export function scoreLines(r: RunRecord): string[] {
  const lines = r.last.slice(0, -1).map((e) => evalLines(e, r.classNames)[0]);
  const final = r.last.at(-1);
  if (final) lines.push(...evalLines(final, r.classNames));
  for (const e of r.best) {
    if (e.step !== final?.step) lines.push(`best on val (step ${e.step}): ${evalLines(e, r.classNames)[0]}`);
  }
  for (const e of r.last) if (e.ema) lines.push(`moving average: ${evalLines(e.ema, r.classNames)[0]}`);
  lines.push(
    `${r.steps.length} steps, ${r.secondsPerStep.toFixed(3)} s a step, ${r.imagesPerSecond.toFixed(1)} ` +
      `images/s, peak GPU memory ${Math.round(r.peakGpuBytes / 2 ** 20)} MiB`,
  );
  return lines;
}
