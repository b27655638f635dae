// One training run from its settings to its record: what the command line and the browser have in common.

import type { Device } from '../../runtime/device/device.ts';
import { DeviceError, UsageError } from '../../runtime/errors.ts';
import type { PseudoLabelStats } from '../ops/index.ts';
import { LossScaler } from '../../runtime/optim/lossScaler.ts';
import { SampleCache } from '../data/batch.ts';
import type { Dataset } from '../data/types.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { Network } from '../nn/module.ts';
import type { Scheme, StageServices } from '../schemes/scheme.ts';
import { Alarms } from './alarms.ts';
import { withAverages, type Averaged } from './average.ts';
import { advised, buildScheme, checkFits, schemeContext } from './buildScheme.ts';
import { captureTensors, restore, type Best, type Checkpoint } from './checkpoint.ts';
import { weighClasses } from './classWeights.ts';
import { changedSettings, learningRate, type RunConfig } from './config.ts';
import { Evaluators } from './evaluators.ts';
import { judgeLabelMaps } from './judge.ts';
import { Labeller } from './labeller.ts';
import type { EvalPoint, RunRecord, StepPoint } from './records.ts';
import type { SessionHooks, SessionOptions, SessionResult } from './sessionOptions.ts';
import { largestBatch } from './sizes.ts';
import { openStreams, withoutLabels } from './streams.ts';
import { train, type Position, type Progress, type Timing, type TrainerOptions } from './trainer.ts';

/** Runs the settings to their end, or until the signal. The device stays open, the data set too. */
export async function runSession(options: SessionOptions): Promise<SessionResult> {
  return new Session(options).run();
}

/** A run in progress: its state between steps, and what the trainer asks for. */
class Session {
  private readonly began = performance.now();
  private readonly options: SessionOptions;
  private readonly hooks: SessionHooks;
  private readonly device: Device;
  private readonly dataset: Dataset;
  private readonly config: RunConfig;
  private readonly scheme: Scheme;
  private readonly averages: Averaged['averages'];
  private readonly scaler: LossScaler | undefined;
  private readonly cache: SampleCache;
  /** Factors of the classes in the labelled loss; null: none. */
  private readonly classWeights: Tensor | null;
  private readonly alarms: Alarms;
  /** Bytes of GPU memory that may be in use at once. */
  private readonly budget: number;
  private readonly timing: Timing;
  private readonly steps: StepPoint[];
  private readonly evals: EvalPoint[];
  /** The best weights by stage, while they can still be asked for. */
  private readonly bests: Map<number, Best>;
  /** The counts of pseudo-labels that stay as they are for a stage; those that a step makes are counted by the step. */
  private kept: PseudoLabelStats | null = null;
  private readonly evaluators: Evaluators;
  /** The largest batch of validation images; null without any. */
  private val: Awaited<ReturnType<typeof largestBatch>> = null;
  /** The next step of the state that a checkpoint would hold. */
  private reached: Position;
  /** When a checkpoint was last saved. */
  private saved = performance.now();

  /** @throws DeviceError for a precision that the device lacks; what building the scheme throws */
  constructor(options: SessionOptions) {
    const { device, dataset, config, resume, hooks = {} } = options;
    this.options = options;
    this.hooks = hooks;
    this.device = device;
    this.dataset = dataset;
    this.config = config;
    this.budget = config.memory ?? device.pool.budget;
    device.pool.stats.peak = device.pool.stats.allocated;
    if (config.precision === 'mixed' && !device.f16) {
      throw new DeviceError(
        `mixed precision needs f16, which ${device.info.description} lacks (shader-f16)`,
        'train in full precision (`precision full`), or on another adapter',
      );
    }
    this.cache = new SampleCache(dataset, options.cacheBytes);
    this.classWeights =
      config.classWeights === null
        ? null
        : device.keep(device.tensor(new Float32Array(dataset.numClasses).fill(1), [dataset.numClasses]));
    const context = schemeContext(device, dataset, config, {
      pretrained: options.pretrained,
      onPretrained: (report) => hooks.onPretrained?.(report),
      classWeights: this.classWeights ?? undefined,
    });
    let averages: Averaged['averages'] = new Map();
    const makeScheme: SessionOptions['makeScheme'] = (c, o) => {
      const scheme = options.makeScheme(c, o);
      if (config.ema === null) return scheme;
      const averaged = withAverages(scheme, config.ema, () => c.network(0));
      averages = averaged.averages;
      return averaged.scheme;
    };
    try {
      this.scheme = buildScheme(makeScheme, context, config);
    } catch (error) {
      this.classWeights?.dispose();
      throw error;
    }
    this.averages = averages;
    this.evaluators = new Evaluators(device, dataset, this.cache, this.averages, {
      batch: config.evalBatch,
      budget: this.budget,
    });
    this.scaler = config.precision === 'mixed' ? new LossScaler(device) : undefined;
    this.alarms = new Alarms(dataset.classNames, (message) => hooks.onWarning?.(message), resume?.soFar?.alarms);
    this.timing = { ...(resume?.soFar?.timing ?? { steps: 0, seconds: 0, images: 0 }) };
    this.steps = [...(resume?.steps ?? [])];
    this.evals = [...(resume?.evals ?? [])];
    this.bests = new Map(resume?.bests ?? []);
    this.reached = resume?.position ?? { stage: 0, step: 0 };
  }

  async run(): Promise<SessionResult> {
    const { device, scheme } = this;
    try {
      const sourceSize = await this.open();
      const finished = await train(device, scheme, this.trainerOptions(sourceSize), this.reached);
      return await this.finish(finished);
    } catch (error) {
      scheme.dispose();
      throw advised(error);
    } finally {
      this.evaluators.close();
      this.scaler?.dispose();
      this.classWeights?.dispose();
    }
  }

  /**
   * Checks data and memory, and restores the state of a resumed run.
   * @returns height and width to which the images of a batch are padded
   */
  private async open(): Promise<readonly [number, number]> {
    const { device, dataset, config, scheme, budget } = this;
    this.checkImages();
    const sourceSize = await dataset.maxSize();
    if (this.classWeights && config.classWeights)
      await weighClasses(this.classWeights, config.classWeights, dataset, (id) => this.cache.get(id, true));
    this.restore();
    await this.judge();
    this.hooks.onStart?.({
      parameters: [...scheme.networks.values()].reduce((n, net) => n + net.parameterCount, 0),
      steps: scheme.stages.reduce((n, s) => n + s.steps, 0),
      sourceSize,
    });
    await checkFits(device, dataset, scheme, { evalBatch: config.evalBatch, budget });
    this.val = await largestBatch(dataset, dataset.ids('val'), config.evalBatch);
    this.saved = performance.now();
    return sourceSize;
  }

  /** @throws UsageError where the scheme would have nothing to learn from */
  private checkImages(): void {
    const { dataset, scheme } = this;
    if (dataset.ids('labelled').length === 0) {
      throw new UsageError('there are no labelled images', 'training needs at least one image with a mask');
    }
    const unlabelled = scheme.pseudoLabels ? withoutLabels(dataset) : dataset.ids('unlabelled');
    if (scheme.needsUnlabelled && unlabelled.length === 0) {
      throw new UsageError(
        `there are no unlabelled images, which ${scheme.name} learns from`,
        'name some (`unlabelled`), label fewer (`labels`), or use the scheme supervised',
      );
    }
  }

  private restore(): void {
    const { resume } = this.options;
    if (!resume) return;
    restore(this.scheme, resume, this.config, this.scaler);
    const changes = changedSettings(resume.config, this.config);
    if (changes) this.alarms.note(`the run continues after step ${this.steps.at(-1)?.step ?? 0} with ${changes}`);
  }

  /** Counts the pseudo-labels that the scheme keeps on the host. */
  private async judge(): Promise<void> {
    const maps = this.scheme.pseudoLabels;
    const truth = async (id: string): Promise<Uint8Array | null> =>
      this.options.judge ? (await this.cache.get(id, true)).labels : null;
    this.kept = maps?.size ? await judgeLabelMaps(maps, this.dataset.numClasses, truth) : null;
  }

  /** What the trainer asks of the run. */
  private trainerOptions(sourceSize: readonly [number, number]): TrainerOptions {
    const { dataset, cache, scheme, config, options: o, hooks } = this;
    const { seed } = config;
    return {
      seed,
      sourceSize,
      open: openStreams({ dataset, cache, scheme, seed, size: sourceSize, judge: o.judge ?? false }),
      lr: learningRate(config),
      scaler: this.scaler,
      timing: this.timing,
      services: this.services(),
      evalEvery: config.evalEvery,
      evaluated: (step) =>
        dataset.ids('val').length === 0 || this.evals.some((e) => e.split === 'val' && e.step === step),
      readEvery: o.readEvery,
      budget: this.budget,
      signal: o.signal,
      onMemory: (stage, bytes) => hooks.onMemory?.(stage, bytes),
      onRecorded: (network) => this.val && this.evaluators.reserve(network, this.val),
      gate: hooks.gate && ((at, done) => hooks.gate!(scheme, at, done)),
      onSteps: (points, progress) => this.onSteps(points, progress),
      evaluate: (step, network, stage) => this.evaluateStage(step, network, stage),
      onEval: (points, progress) => this.onEval(points, progress),
      checkpoint: (position, due) => this.checkpoint(position, due),
    };
  }

  private services(): StageServices {
    const { device, dataset, cache, budget } = this;
    return {
      predictUnlabelled: async (network, options, visit) => {
        this.evaluators.close();
        const labeller = new Labeller(device, network, { budget });
        try {
          const ids = [...(options.labelled ? dataset.ids('labelled') : []), ...withoutLabels(dataset)];
          await labeller.run(ids, (id) => cache.get(id, false), options, visit);
        } finally {
          labeller.dispose();
        }
        await this.judge();
      },
      loadBest: async (network, stage) => {
        const best = this.bests.get(stage);
        if (best) network.loadStateDict(best.state);
        return best !== undefined;
      },
    };
  }

  private onSteps(points: readonly StepPoint[], progress: Progress): void {
    if (this.kept) {
      const { accepted, accuracy, histogram } = this.kept;
      Object.assign(points.at(-1)!, { accepted, pseudoAccuracy: accuracy, pseudoHistogram: histogram });
    }
    this.steps.push(...points);
    this.alarms.onSteps(points, progress.done / progress.total);
    this.hooks.onSteps?.(points, progress);
  }

  private onEval(points: readonly EvalPoint[], progress: Progress): void {
    for (const point of points) {
      this.evals.push(point);
      this.alarms.onEval(point, progress.done / progress.total);
      this.hooks.onEval?.(point, progress);
    }
  }

  /** Evaluates the network of a stage on the validation images, and keeps its best weights. */
  private async evaluateStage(step: number, network: Network, stage: number): Promise<EvalPoint[]> {
    const { bests, scheme } = this;
    if (this.dataset.ids('val').length === 0) return [];
    for (const known of bests.keys()) if (known !== stage && !scheme.stages[known].keepBest) bests.delete(known);
    const point = await this.evaluators.evaluate('val', network, step);
    if (point.miou > (bests.get(stage)?.miou ?? -1)) {
      bests.set(stage, { step, miou: point.miou, state: await network.stateDict() });
    }
    return [point];
  }

  /** Saves where it is due, or where the last checkpoint is old. */
  private async checkpoint(position: Position, due: boolean): Promise<void> {
    this.reached = position;
    const old = performance.now() - this.saved >= 1000 * (this.options.saveEvery ?? 300);
    if (!this.hooks.save || (!due && !old)) return;
    await this.hooks.save(await this.capture());
    this.saved = performance.now();
  }

  /** The state of the run, to resume from. */
  private async capture(): Promise<Checkpoint> {
    const { config, scheme, steps, evals, bests, timing } = this;
    return {
      config,
      position: this.reached,
      classNames: this.dataset.classNames,
      steps,
      evals,
      seconds: this.seconds,
      bests,
      soFar: { alarms: this.alarms.save(), timing, peakGpuBytes: this.peakGpuBytes },
      tensors: await captureTensors(this.device, scheme, this.scaler),
      pseudoLabels: new Map(scheme.pseudoLabels ?? []),
      hostTensors: scheme.hostTensors && new Map(scheme.hostTensors),
      hostState: scheme.hostState?.save() ?? null,
    };
  }

  /** Seconds of the run, those before a resume included. */
  private get seconds(): number {
    return (this.options.resume?.seconds ?? 0) + (performance.now() - this.began) / 1000;
  }

  private get peakGpuBytes(): number {
    return Math.max(this.options.resume?.soFar?.peakGpuBytes ?? 0, this.device.pool.stats.peak);
  }

  /** The record of the run, with the final scores where it reached its end. */
  private async finish(finished: boolean): Promise<SessionResult> {
    const { scheme, evals } = this;
    const last = await scheme.evaluated.stateDict();
    const best = this.bests.get(scheme.stages.length - 1) ?? null;
    const ema = (await this.averages.get(scheme.evaluated)?.stateDict()) ?? null;
    const record = this.record();
    if (finished) {
      const total = this.steps.at(-1)?.step ?? 0;
      await this.hooks.onTrained?.({ last, best, ema, scheme }, total);
      const splits = (['val', 'test'] as const).filter((s) => this.dataset.ids(s).length > 0);
      const measure = async (step: number): Promise<EvalPoint[]> => {
        const points: EvalPoint[] = [];
        for (const split of splits) {
          const known = evals.findLast((e) => e.split === split && e.step === step);
          points.push(known ?? (await this.evaluators.evaluate(split, scheme.evaluated, step)));
        }
        return points;
      };
      record.last = await measure(total);
      record.best = record.last.map(withoutAverage);
      if (best && best.step !== total) {
        scheme.evaluated.loadStateDict(best.state);
        record.best = (await measure(best.step)).map(withoutAverage);
        scheme.evaluated.loadStateDict(last);
      }
    }
    return { record, scheme, last, best, ema, interrupted: !finished, dispose: () => scheme.dispose() };
  }

  /** The record so far, without final scores. */
  private record(): RunRecord {
    const { config, dataset, timing } = this;
    return {
      scheme: config.scheme,
      seed: config.seed,
      config: { ...config },
      adapter: this.device.info.description,
      classNames: dataset.classNames,
      palette: paletteRows(dataset),
      steps: this.steps,
      evals: this.evals,
      last: [],
      best: [],
      secondsPerStep: timing.steps ? timing.seconds / timing.steps : 0,
      imagesPerSecond: timing.seconds ? timing.images / timing.seconds : 0,
      peakGpuBytes: this.peakGpuBytes,
      seconds: this.seconds,
      pictures: [],
      warnings: this.alarms.messages,
    };
  }
}

/** The average is that of the end, also where the weights are those of an earlier step. */
const withoutAverage = ({ ema: _, ...point }: EvalPoint): EvalPoint => point;

/** Colours of the classes, [r, g, b] each. */
export function paletteRows(dataset: Dataset): number[][] {
  return Array.from({ length: dataset.numClasses }, (_, i) => [...dataset.palette.subarray(3 * i, 3 * i + 3)]);
}
