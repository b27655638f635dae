// Checks losses, predictions and pseudo-labels as they arrive, and warns when a run goes wrong.

import { oneClassLine } from '../metrics/miou.ts';
import type { EvalPoint, StepPoint } from './records.ts';

/** A network has collapsed when at least this share of all predictions is of one class. */
const COLLAPSED = 0.995;
/** Share of a run before which a network has not had the time to learn. */
const EARLY = 0.25;

/** A loss explodes at this multiple of its first value, which is taken as at least LEAST_FIRST. */
const EXPLODED = 1000;
const LEAST_FIRST = 0.1;

/** The warnings so far, and what further ones depend on: plain JSON for checkpoints. */
export interface AlarmState {
  messages: string[];
  /** Kinds of warnings that still hold. */
  active: string[];
  /** Points in a row without accepted pseudo-labels. */
  unaccepted: number;
  /** The first loss of the run; absent in files of earlier versions. */
  firstLoss?: number;
}

/** Collects warnings; each kind is reported once, until its cause is gone. */
export class Alarms {
  readonly messages: string[];
  private readonly classNames: readonly string[];
  private readonly say: (message: string) => void;
  private readonly active: Set<string>;
  private unaccepted: number;
  private firstLoss: number | undefined;

  /** @param state of the run that continues */
  constructor(classNames: readonly string[], say: (message: string) => void, state?: AlarmState) {
    this.classNames = classNames;
    this.say = say;
    this.messages = [...(state?.messages ?? [])];
    this.active = new Set(state?.active);
    this.unaccepted = state?.unaccepted ?? 0;
    this.firstLoss = state?.firstLoss;
  }

  save(): AlarmState {
    const { messages, active, unaccepted, firstLoss } = this;
    return { messages: [...messages], active: [...active], unaccepted, ...(firstLoss !== undefined && { firstLoss }) };
  }

  /** Reports a message and keeps it for the record of the run. */
  note(message: string): void {
    this.messages.push(message);
    this.say(message);
  }

  private set(kind: string, on: boolean, message: () => string): void {
    if (!on) this.active.delete(kind);
    else if (!this.active.has(kind)) {
      this.active.add(kind);
      this.note(message());
    }
  }

  /**
   * Predictions of one class where the truth has several; a truth of one class, on which any score is worthless.
   * @param progress share of the run that is done: every network predicts the commonest class at first
   */
  onEval({ confusion, split, step }: EvalPoint, progress: number): void {
    const line = oneClassLine(confusion, this.classNames);
    this.set(`one-class-${split}`, line !== null, () => `${split} images: ${line}`);
    const c = this.classNames.length;
    const columns = new Float64Array(c);
    const rows = new Float64Array(c);
    confusion.forEach((v, i) => {
      columns[i % c] += v;
      rows[Math.floor(i / c)] += v;
    });
    const total = columns.reduce((a, b) => a + b, 0);
    const top = columns.indexOf(Math.max(...columns));
    const several = rows.filter((v) => v > 0.01 * total).length > 1;
    this.set(
      'collapse',
      progress >= EARLY && total > 0 && several && columns[top] >= COLLAPSED * total,
      () =>
        `step ${step}: the network predicts "${this.classNames[top]}" for ` +
        `${((100 * columns[top]) / total).toFixed(1)} % of the pixels: it has collapsed, or has not begun to ` +
        'learn; try a lower learning rate, a lower weight of the unlabelled loss (or a ramp), or more steps',
    );
  }

  /** Losses that explode, pseudo-labels of one class or none at all, gradients that overflow f16. */
  onSteps(points: readonly StepPoint[], progress: number): void {
    for (const { step, loss, accepted, pseudoHistogram, lossScale } of points) {
      this.firstLoss ??= loss;
      this.set(
        'explodes',
        loss >= EXPLODED * Math.max(this.firstLoss, LEAST_FIRST),
        () =>
          `step ${step}: the loss is ${loss.toPrecision(3)}, over ${EXPLODED} times the first one: training diverges; ` +
          'lower the learning rate, clip the gradients, or warm the learning rate up',
      );
      if (lossScale !== undefined)
        this.set(
          'loss-scale',
          lossScale <= 1,
          () =>
            `step ${step}: gradients overflow f16 even where the loss is not scaled up, and such steps change ` +
            'nothing; lower the learning rate, or train in full precision (`precision full`)',
        );
      if (accepted === undefined) continue;
      const total = pseudoHistogram?.reduce((a, b) => a + b, 0) ?? 0;
      if (pseudoHistogram && total > 0) {
        const top = pseudoHistogram.indexOf(Math.max(...pseudoHistogram));
        this.set(
          'pseudo-collapse',
          progress >= EARLY &&
            this.classNames.length > 1 &&
            pseudoHistogram[top] >= COLLAPSED * total &&
            accepted > 0.05,
          () =>
            `step ${step}: ${((100 * pseudoHistogram[top]) / total).toFixed(1)} % of the accepted pseudo-labels ` +
            `are "${this.classNames[top]}": the unlabelled loss pulls everything to one class; lower its weight, ` +
            'ramp it up, or raise the threshold',
        );
      }
      this.unaccepted = accepted < 0.001 ? this.unaccepted + 1 : 0;
      this.set(
        'unaccepted',
        this.unaccepted >= 20,
        () =>
          `step ${step}: hardly any pseudo-label has been accepted for a while: the unlabelled images teach ` +
          'nothing; lower the threshold, or train longer',
      );
    }
  }
}
