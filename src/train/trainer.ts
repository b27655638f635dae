// Runs a scheme: records its stages as plans, keeps batches ahead of the GPU, reads losses in bundles, evaluates, and
// saves.

import type { Plan } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { DataError, type NonFiniteError } from '../../runtime/errors.ts';
import { pseudoLabelStats } from '../ops/index.ts';
import type { LossScaler } from '../../runtime/optim/lossScaler.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { SourceBatch } from '../data/types.ts';
import type { EvalPoint, StepPoint } from './records.ts';
import type { Network } from '../nn/module.ts';
import type { Scheme, StageServices, StepOutputs } from '../schemes/scheme.ts';
import type { Moment, StepContext, StreamSpec } from '../schemes/step.ts';
import { failureAt } from './failure.ts';
import { record, type Recorded } from './recorded.ts';
import type { Watch } from './watch.ts';

/** Batches by step: the same step always gives the same batch. */
export interface BatchSource {
  batch(step: number): Promise<SourceBatch>;
}

export interface TrainerOptions {
  seed: number;
  /** Height and width to which the images of a batch are padded. */
  sourceSize: readonly [number, number];
  /** Opens the batches of a stream; asked again for each stage. */
  open(stream: StreamSpec, stage: number): BatchSource;
  /** Learning rate from the moment within a stage. */
  lr(at: Moment): number;
  /** Steps are made in mixed precision, with this loss scale. */
  scaler?: LossScaler;
  /** The trainer adds its steps to it. */
  timing?: Timing;
  services: StageServices;
  /** Evaluates the network of a stage. */
  evaluate(step: number, network: Network, stage: number): Promise<EvalPoint[]>;
  /** Steps between evaluations (the last step is always evaluated). */
  evalEvery: number;
  /**
   * Has the network been evaluated after so many steps over all stages? If not, a run that continues at such a step
   * evaluates first.
   */
  evaluated?(step: number): boolean;
  /** Steps between read-backs of the losses (default 10, at most 256: counts of pixels have 32 bits). */
  readEvery?: number;
  /** Called after each read-back. */
  onSteps?(points: readonly StepPoint[], progress: Progress): void;
  onEval?(points: readonly EvalPoint[], progress: Progress): void | Promise<void>;
  /**
   * Called when the state is consistent; save here. `due` is true where a stage ends, the signal was given, or data
   * for the next step cannot be read.
   */
  checkpoint?(position: Position, due: boolean): Promise<void>;
  signal?: AbortSignal;
  /** Bytes of GPU memory that may be in use at once, a step's included (default: the device's budget). */
  budget?: number;
  onMemory?(stage: string, bytes: number): void;
  /** Called when a stage's step is recorded, before its first step: evaluations must fit into the memory beside it. */
  onRecorded?(network: Network): void;
  /**
   * Awaited before each step: to pause, or to look at the networks between two steps. Its time does not count.
   * @param done steps over all stages
   */
  gate?(at: Position, done: number): Promise<void>;
}

/** Most steps between read-backs: the counts of pseudo-labels then have room for 2^24 pixels per step. */
const MOST_BUNDLED = 256;

/** Where a run stands: the next step to do. */
export interface Position {
  stage: number;
  step: number;
}

export interface Progress extends Position {
  /** Steps done and to do over all stages. */
  done: number;
  total: number;
  stageName: string;
  /** Steps a second, lately. */
  rate: number;
}

/** Sums over the steps, without evaluations and saving. */
export interface Timing {
  steps: number;
  seconds: number;
  /** Images in the batches of the steps. */
  images: number;
}

/**
 * Runs the scheme from `start` to its end, or until the signal. Where data cannot be read the state before it is handed
 * to `checkpoint` first.
 * @returns false when the signal ended the run before its last step
 * @throws NonFiniteError at a step that makes a loss, a gradient norm or a weight NaN or infinite; nothing is handed to
 * `checkpoint` from such a step on
 * @throws what a batch, an evaluation or a stage's preparation throws
 */
export async function train(
  device: Device,
  scheme: Scheme,
  options: TrainerOptions,
  start: Position = { stage: 0, step: 0 },
): Promise<boolean> {
  const { timing } = options;
  const total = scheme.stages.reduce((n, s) => n + s.steps, 0);
  let done = scheme.stages.slice(0, start.stage).reduce((n, s) => n + s.steps, 0) + start.step;
  for (let stage = start.stage; stage < scheme.stages.length; stage++) {
    const { name, steps } = scheme.stages[stage];
    const first = stage === start.stage ? start.step : 0;
    const due = (step: number): boolean => step % options.evalEvery === 0 || step === steps;
    const evaluate = async (step: number, rate: number): Promise<void> => {
      const evals = await options.evaluate(done, scheme.stages[stage].evaluated ?? scheme.evaluated, stage);
      await options.onEval?.(evals, { stage, step, done, total, stageName: name, rate });
    };
    if (first === 0) {
      // A stage numbers its steps from 1.
      if (options.scaler) device.clear(options.scaler.counts);
      await scheme.stages[stage].prepare?.(options.services);
      await options.checkpoint?.({ stage, step: 0 }, false);
    }
    if (first > 0 && due(first) && options.evaluated?.(done) === false) await evaluate(first, 0);
    if (first >= steps) continue;
    const recorded = record(device, scheme, stage, options);
    const { plan, context } = recorded;
    let loop: StageLoop | null = null;
    try {
      options.onMemory?.(name, plan.memory.bytes);
      options.onRecorded?.(scheme.stages[stage].evaluated ?? scheme.evaluated);
      const active = (loop = new StageLoop(device, recorded, options, { stage, steps }));
      const read = async (step: number): Promise<void> => {
        const { points, failure } = await active.read(done);
        const lost = failure ? done - (points.at(-1)?.step ?? done) : 0;
        const progress = { stage, step: step - lost, done: done - lost, total, stageName: name, rate: active.rate };
        if (points.length > 0) options.onSteps?.(points, progress);
        if (failure) throw failure;
      };
      /** Runs what needs data; where that fails, the state before is saved. */
      const keeping = async (step: number, work: () => Promise<void>): Promise<void> => {
        try {
          await work();
        } catch (error) {
          if (error instanceof DataError && done > 0) {
            if (!active.settled) await read(step);
            await options.checkpoint?.({ stage, step }, true);
          }
          throw error;
        }
      };
      await plan.compile();
      for (let step = first; step < steps; step++) {
        const waiting = performance.now();
        await options.gate?.({ stage, step }, done);
        const { every } = scheme.stages[stage];
        if (every && step % every.steps === 0) {
          await keeping(step, () => every.run(options.services, step / every.steps));
        }
        const began = performance.now();
        active.leaveOut(began - waiting);
        await keeping(step, () => active.step(step));
        scheme.stages[stage].afterStep?.(step);
        done++;
        const last = step === steps - 1;
        const stopping = options.signal?.aborted === true;
        const evaluating = due(step + 1);
        if (active.full || active.failed || last || stopping || evaluating) await read(step + 1);
        if (timing) {
          timing.seconds += (performance.now() - began) / 1000;
          timing.steps++;
          timing.images += context.streams.reduce((n, s) => n + s.n, 0);
        }
        const pausing = performance.now();
        if (evaluating) await keeping(step + 1, () => evaluate(step + 1, active.rate));
        if (active.settled) await options.checkpoint?.({ stage, step: step + 1 }, last || stopping);
        active.leaveOut(performance.now() - pausing);
        if (stopping) return last && stage === scheme.stages.length - 1;
      }
    } finally {
      await loop?.close();
      plan.dispose();
      recorded.watch.dispose();
    }
  }
  return true;
}

/** The inner loop of one stage. */
class StageLoop {
  rate = 0;
  private readonly ring: Tensor;
  private readonly sources: { spec: StreamSpec; source: BatchSource }[];
  private readonly capacity: number;
  private pendingSteps: { step: number; lr: number }[] = [];
  private next: { step: number; batches: Promise<SourceBatch[]> } | null = null;
  private lastRead = performance.now();
  /** Steps that have been sent to the GPU. */
  private sent = 0;
  /** A step is known to have failed before the losses were read. */
  failed = false;

  private readonly device: Device;
  private readonly plan: Plan<Record<string, Tensor>>;
  private readonly context: StepContext;
  private readonly names: readonly string[];
  private readonly counts: Tensor | undefined;
  private readonly feedback: StepOutputs['feedback'];
  private readonly watch: Watch;
  private readonly options: TrainerOptions;
  private readonly stage: { stage: number; steps: number };

  constructor(
    device: Device,
    { plan, context, names, counts, feedback, watch }: Recorded,
    options: TrainerOptions,
    stage: { stage: number; steps: number },
  ) {
    this.device = device;
    this.plan = plan;
    this.context = context;
    this.names = names;
    this.counts = counts;
    this.feedback = feedback;
    this.watch = watch;
    this.options = options;
    this.stage = stage;
    this.capacity = Math.min(options.readEvery ?? 10, MOST_BUNDLED);
    this.sources = context.streams.map((spec) => ({ spec, source: options.open(spec, stage.stage) }));
    this.ring = device.keep(
      device.tensor(new Float32Array(this.capacity * names.length), [this.capacity, names.length]),
    );
  }

  get full(): boolean {
    return this.pendingSteps.length === this.capacity;
  }

  /** Have all losses been read, so that the state is known to be sound? */
  get settled(): boolean {
    return this.pendingSteps.length === 0;
  }

  /** Takes milliseconds out of the rate. */
  leaveOut(ms: number): void {
    this.lastRead += ms;
  }

  private load(step: number): Promise<SourceBatch[]> {
    const batches = Promise.all(this.sources.map(({ source }) => source.batch(step)));
    batches.catch(() => undefined); // reported where it is awaited
    return batches;
  }

  async step(step: number): Promise<void> {
    const batches = await (this.next?.step === step ? this.next.batches : this.load(step));
    this.next = step + 1 < this.stage.steps ? { step: step + 1, batches: this.load(step + 1) } : null;
    const at: Moment = { step, progress: step / this.stage.steps };
    const byStream = new Map(this.sources.map(({ spec }, i) => [spec.name, batches[i]]));
    this.plan.run(this.context.inputs(at, byStream));
    this.device.copyInto(this.plan.outputs.log, this.ring, this.pendingSteps.length * this.names.length);
    this.pendingSteps.push({ step, lr: this.options.lr(at) });
    this.sent++;
    // At once: a checkpoint may follow any step, and must find the host's state of that step.
    if (this.feedback) {
      const [values, state] = await this.device.read([this.plan.outputs.feedback, this.watch.state]);
      this.failed = this.watch.first(state) !== null;
      // A failed step must not change the host's state.
      if (!this.failed) this.feedback.apply(values as Float32Array, at);
    }
  }

  /**
   * The points of the steps since the last read: up to the first with a non-finite value, which is the failure.
   * @param done steps over all stages, the last one included
   */
  async read(done: number): Promise<{ points: StepPoint[]; failure: NonFiniteError | null }> {
    const { scaler } = this.options;
    const [log, state, ...more] = await this.device.read([
      this.ring,
      this.watch.state,
      ...(this.counts ? [this.counts] : []),
      ...(scaler ? [scaler.scale, scaler.counts] : []),
    ]);
    const counts = this.counts && more.shift();
    const k = this.names.length;
    const n = this.pendingSteps.length;
    const stats = counts ? pseudoLabelStats(counts as Uint32Array) : undefined;
    if (this.counts) this.device.clear(this.counts);
    const points = this.pendingSteps.map(({ lr }, i): StepPoint => {
      const value = (j: number): number => log[i * k + j];
      const terms = Object.fromEntries(this.names.slice(1).map((name, j) => [name, value(j + 1)]));
      const point: StepPoint = { step: done - n + i + 1, loss: value(0), terms, lr };
      if (stats && i === n - 1)
        Object.assign(point, {
          accepted: stats.accepted,
          pseudoAccuracy: stats.accuracy,
          pseudoHistogram: stats.histogram,
        });
      return point;
    });
    if (scaler) Object.assign(points.at(-1)!, { lossScale: more[0][0], skipped: more[1][2] });
    this.pendingSteps = [];
    const now = performance.now();
    this.rate = n / ((now - this.lastRead) / 1000);
    this.lastRead = now;
    const bad = this.watch.first(state);
    if (!bad) return { points, failure: null };
    const failed = points.length - 1 - (this.sent - bad.step);
    const { step, lr } = points[failed];
    const losses = this.names.map((name, j) => ({ name, value: log[failed * k + j] }));
    const failure = failureAt({ ...bad, lr, losses, mixed: scaler !== undefined }, step);
    return { points: points.slice(0, failed), failure };
  }

  async close(): Promise<void> {
    await this.next?.batches.catch(() => undefined);
    this.ring.dispose();
  }
}
