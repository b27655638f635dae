// One training run from its settings to its record: what the command line and the browser have in common.

import type { Device } from '../../runtime/device/device.ts';
import { DeviceError, OutOfMemoryError, UsageError } from '../../runtime/errors.ts';
import { AdamW } from '../../runtime/optim/adamw.ts';
import { LossScaler } from '../../runtime/optim/lossScaler.ts';
import { noDecayForVectors, type Optimizer, type ParamGroup } from '../../runtime/optim/optimizer.ts';
import type { PseudoLabelStats } from '../../runtime/ops/index.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { SampleCache } from '../data/batch.ts';
import type { Dataset } from '../data/types.ts';
import { scores } from '../metrics/miou.ts';
import { createNetwork } from '../nn/create.ts';
import type { Network, TorchTensor } from '../nn/module.ts';
import type { EvalPoint, RunRecord, StepPoint } from '../report/types.ts';
import type { Scheme, SchemeContext } from '../schemes/scheme.ts';
import { captureTensors, restore, type Best, type Checkpoint } from './checkpoint.ts';
import { changedSettings, learningRate, type RunConfig } from './config.ts';
import { Evaluator } from './evaluate.ts';
import { judgeLabelMaps } from './judge.ts';
import { Labeller } from './labeller.ts';
import { largestBatch } from './sizes.ts';
import { loadPretrained, type PretrainedReport } from './pretrained.ts';
import { openStreams, withoutLabels } from './streams.ts';
import { train, type Position, type Progress, type Timing } from './trainer.ts';
import { Alarms } from './alarms.ts';

/** Builds a scheme in a context from its options. */
export type SchemeFactory = (c: SchemeContext, options: Record<string, unknown>) => Scheme;

export interface SessionHooks {
  onStart?(info: { parameters: number; steps: number; sourceSize: readonly [number, number] }): void;
  /** What each network took of the pretrained weights. */
  onPretrained?(report: PretrainedReport): void;
  /** The memory that one step of a stage takes, known before it runs. */
  onMemory?(stage: string, bytes: number): void;
  onSteps?(points: readonly StepPoint[], progress: Progress): void;
  onEval?(point: EvalPoint, progress: Progress): void;
  onWarning?(message: string): void;
  /**
   * Awaited before each step: pauses the run, or looks at the networks between two steps.
   * @param done steps over all stages
   */
  gate?(scheme: Scheme, at: Position, done: number): Promise<void>;
  /** Saves the state; called where it is consistent. */
  save?(checkpoint: Checkpoint): Promise<void>;
  /**
   * Called after the last step, before the final scores: to keep the weights whatever happens to those.
   * @param step the last one
   */
  onTrained?(weights: Pick<SessionResult, 'last' | 'best'>, step: number): Promise<void>;
}

export interface SessionOptions {
  device: Device;
  dataset: Dataset;
  config: RunConfig;
  makeScheme: SchemeFactory;
  /** Goes on from here. */
  resume?: Checkpoint;
  /** Weights to begin with, by torchvision's or this program's names; the last layer is drawn anew. */
  pretrained?: ReadonlyMap<string, TorchTensor>;
  /** Seconds between calls of `save` (default 300). */
  saveEvery?: number;
  /**
   * Load the masks of unlabelled images where there are some, to judge pseudo-labels by; they are never trained on
   * (default false).
   */
  judge?: boolean;
  /** Bytes of decoded images that are kept (default 512 MiB). */
  cacheBytes?: number;
  /** Steps between read-backs of the losses (default 10, at most 256). */
  readEvery?: number;
  signal?: AbortSignal;
  hooks?: SessionHooks;
}

/** What a run leaves behind. The scheme's networks are alive until `dispose`. */
export interface SessionResult {
  record: RunRecord;
  scheme: Scheme;
  /** The evaluated network's weights at the end, and at their best on the validation images. */
  last: Map<string, TorchTensor>;
  best: Best | null;
  interrupted: boolean;
  dispose(): void;
}

/** What a scheme is built from, for these settings. */
export function schemeContext(
  device: Device,
  dataset: Dataset,
  config: RunConfig,
  pretrained?: ReadonlyMap<string, TorchTensor>,
  onPretrained?: SessionHooks['onPretrained'],
): SchemeContext {
  const { numClasses } = dataset;
  return {
    device,
    numClasses,
    crop: config.crop,
    batch: config.batch,
    steps: config.steps,
    seed: config.seed,
    unlabelled: dataset.ids('unlabelled'),
    // Seeds and draws meet in one number: seed s and draw d must differ from every other pair.
    network(draw) {
      const net = createNetwork(device, config.network, numClasses, config.seed * 1000 + draw);
      try {
        const report = pretrained && loadPretrained(net, pretrained, { partial: config.pretrainedPartial });
        if (report) onPretrained?.(report);
      } catch (error) {
        net.dispose();
        throw error;
      }
      return net;
    },
    optimizer: (params, isHead) => createOptimizer(params, config, isHead),
  };
}

function createOptimizer(
  params: ReadonlyMap<string, Tensor>,
  config: RunConfig,
  isHead: (name: string) => boolean,
): Optimizer {
  const o = config.optimizer;
  const groups: ParamGroup[] = [];
  // The first group that matches counts: heads come with and without decay.
  if (o.headLr !== 1) {
    if (!o.decayVectors)
      groups.push({
        match: (name, p) => isHead(name) && noDecayForVectors.match(name, p),
        weightDecay: 0,
        lrScale: o.headLr,
      });
    groups.push({ match: (name) => isHead(name), lrScale: o.headLr });
  }
  if (!o.decayVectors) groups.push(noDecayForVectors);
  const common = { weightDecay: o.weightDecay, groups, ...(o.clip !== null && { maxNorm: o.clip }) };
  if (o.kind === 'adamw') return new AdamW(params, common);
  return new Sgd(params, { ...common, momentum: o.momentum, nesterov: o.nesterov });
}

/** Builds the scheme; what it has made is freed when it cannot be built to the end. */
function buildScheme({ device, dataset, config, pretrained, makeScheme, hooks }: SessionOptions): Scheme {
  const context = schemeContext(device, dataset, config, pretrained, hooks?.onPretrained);
  const made: { dispose(): void }[] = [];
  const noted = <T extends { dispose(): void }>(part: T): T => {
    made.push(part);
    return part;
  };
  try {
    return makeScheme(
      {
        ...context,
        network: (draw) => noted(context.network(draw)),
        optimizer: (params, isHead) => noted(context.optimizer(params, isHead)),
      },
      { ...config.options, weak: { ...config.weak, ...(config.options.weak as object | undefined) } },
    );
  } catch (error) {
    for (const part of made) part.dispose();
    throw advised(error);
  }
}

/** Out of memory, with what helps a run. */
function advised(error: unknown): unknown {
  // Evaluating and labelling have advice of their own.
  return error instanceof OutOfMemoryError && !error.hint?.includes('--memory')
    ? new OutOfMemoryError(error.message.split(' — ')[0], 'use a smaller --batch, --crop or --width, or raise --memory')
    : error;
}

/**
 * Finds out what a run would find out late: whether the test images, which are evaluated after the last step, and the
 * unlabelled ones, which a stage has predicted before its first step, fit into the memory. Validation images are
 * evaluated beside a recorded step, and are looked at when it is there.
 * @throws OutOfMemoryError
 */
async function checkFits({ device, dataset, config }: SessionOptions, scheme: Scheme, budget: number): Promise<void> {
  const evaluator = new Evaluator(device, scheme.evaluated, config.evalBatch, { budget });
  const labeller = new Labeller(device, scheme.evaluated, { budget });
  try {
    const test = await largestBatch(dataset, dataset.ids('test'), config.evalBatch);
    if (test) evaluator.reserve(test);
    evaluator.dispose();
    for (const { predicts } of scheme.stages) {
      const unlabelled = predicts ? await largestBatch(dataset, withoutLabels(dataset)) : null;
      if (unlabelled) labeller.reserve(unlabelled, predicts!);
      labeller.dispose();
    }
  } finally {
    evaluator.dispose();
    labeller.dispose();
    device.pool.trim();
  }
}

/** Runs the settings to their end, or until the signal. The device stays open, the data set too. */
export async function runSession(o: SessionOptions): Promise<SessionResult> {
  const { device, dataset, config, resume, hooks = {} } = o;
  const began = performance.now();
  const budget = config.memory ?? device.pool.budget;
  device.pool.stats.peak = device.pool.stats.allocated;
  if (config.precision === 'mixed' && !device.f16)
    throw new DeviceError(
      `mixed precision needs f16, which ${device.info.description} lacks (shader-f16)`,
      'train in full precision (--precision full), or on another adapter',
    );
  const scheme = buildScheme(o);
  const scaler = config.precision === 'mixed' ? new LossScaler(device) : undefined;
  const alarms = new Alarms(dataset.classNames, (message) => hooks.onWarning?.(message), resume?.soFar?.alarms);
  const timing: Timing = { ...(resume?.soFar?.timing ?? { steps: 0, seconds: 0, images: 0 }) };
  const peakGpuBytes = (): number => Math.max(resume?.soFar?.peakGpuBytes ?? 0, device.pool.stats.peak);
  let evaluator: { network: Network; evaluator: Evaluator } | null = null;
  try {
    if (dataset.ids('labelled').length === 0)
      throw new UsageError('there are no labelled images', 'training needs at least one image with a mask');
    if (
      scheme.needsUnlabelled &&
      (scheme.pseudoLabels ? withoutLabels(dataset) : dataset.ids('unlabelled')).length === 0
    ) {
      throw new UsageError(
        `there are no unlabelled images, which ${scheme.name} learns from`,
        'name some (--unlabelled), label fewer (--labels), or use the scheme supervised',
      );
    }
    const sourceSize = await dataset.maxSize();
    const cache = new SampleCache(dataset, o.cacheBytes);
    const steps: StepPoint[] = resume ? [...resume.steps] : [];
    const evals: EvalPoint[] = resume ? [...resume.evals] : [];
    const before = resume?.seconds ?? 0;
    const bests = new Map(resume?.bests ?? []);
    if (resume) {
      restore(scheme, resume, config, scaler);
      const changes = changedSettings(resume.config, config);
      if (changes) alarms.note(`the run continues after step ${steps.at(-1)?.step ?? 0} with ${changes}`);
    }
    // Pseudo-labels that stay as they are for a stage; those that a step makes are counted by the step.
    let kept: PseudoLabelStats | null = null;
    const judgeKept = async (): Promise<void> => {
      const maps = scheme.pseudoLabels;
      kept = maps?.size
        ? await judgeLabelMaps(maps, dataset.numClasses, async (id) =>
            o.judge ? (await cache.get(id, true)).labels : null,
          )
        : null;
    };
    await judgeKept();
    hooks.onStart?.({
      parameters: [...scheme.networks.values()].reduce((n, net) => n + net.parameterCount, 0),
      steps: scheme.stages.reduce((n, s) => n + s.steps, 0),
      sourceSize,
    });

    const closeEvaluator = (): void => {
      evaluator?.evaluator.dispose();
      evaluator = null;
    };
    const evaluatorOf = (network: Network): Evaluator => {
      if (evaluator?.network !== network) {
        closeEvaluator();
        evaluator = { network, evaluator: new Evaluator(device, network, config.evalBatch, { budget }) };
      }
      return evaluator.evaluator;
    };
    const evaluate = async (split: 'val' | 'test', network: Network, step: number): Promise<EvalPoint> => {
      const confusion = await evaluatorOf(network).confusion(dataset.ids(split), (id) => cache.get(id, true));
      return { step, split, ...scores(confusion, dataset.numClasses) };
    };
    await checkFits(o, scheme, budget);
    const val = await largestBatch(dataset, dataset.ids('val'), config.evalBatch);
    const seconds = (): number => before + (performance.now() - began) / 1000;
    let saved = performance.now();
    let reached: Position = resume?.position ?? { stage: 0, step: 0 };

    const finished = await train(
      device,
      scheme,
      {
        seed: config.seed,
        sourceSize,
        open: openStreams({ dataset, cache, scheme, seed: config.seed, size: sourceSize, judge: o.judge ?? false }),
        lr: learningRate(config),
        scaler,
        timing,
        services: {
          async predictUnlabelled(network, options, visit) {
            closeEvaluator();
            const labeller = new Labeller(device, network, { budget });
            try {
              await labeller.run(withoutLabels(dataset), (id) => cache.get(id, false), options, visit);
            } finally {
              labeller.dispose();
            }
            await judgeKept();
          },
          async loadBest(network, stage) {
            const best = bests.get(stage);
            if (best) network.loadStateDict(best.state);
            return best !== undefined;
          },
        },
        evalEvery: config.evalEvery,
        evaluated: (step) => dataset.ids('val').length === 0 || evals.some((e) => e.split === 'val' && e.step === step),
        readEvery: o.readEvery,
        budget,
        signal: o.signal,
        onMemory: hooks.onMemory,
        onRecorded: (network) => void (val && evaluatorOf(network).reserve(val)),
        gate: hooks.gate && ((at, done) => hooks.gate!(scheme, at, done)),
        onSteps(points, progress) {
          if (kept)
            Object.assign(points.at(-1)!, {
              accepted: kept.accepted,
              pseudoAccuracy: kept.accuracy,
              pseudoHistogram: kept.histogram,
            });
          steps.push(...points);
          alarms.onSteps(points, progress.done / progress.total);
          hooks.onSteps?.(points, progress);
        },
        async evaluate(step, network, stage) {
          if (dataset.ids('val').length === 0) return [];
          for (const known of bests.keys()) if (known !== stage && !scheme.stages[known].keepBest) bests.delete(known);
          const point = await evaluate('val', network, step);
          if (point.miou > (bests.get(stage)?.miou ?? -1))
            bests.set(stage, { step, miou: point.miou, state: await network.stateDict() });
          return [point];
        },
        onEval(points, progress) {
          for (const p of points) {
            evals.push(p);
            alarms.onEval(p, progress.done / progress.total);
            hooks.onEval?.(p, progress);
          }
        },
        async checkpoint(position, due) {
          reached = position;
          if (!hooks.save || (!due && performance.now() - saved < 1000 * (o.saveEvery ?? 300))) return;
          await hooks.save(await capture());
          saved = performance.now();
        },
      },
      reached,
    );

    async function capture(): Promise<Checkpoint> {
      return {
        config,
        position: reached,
        classNames: dataset.classNames,
        steps,
        evals,
        seconds: seconds(),
        bests,
        soFar: { alarms: alarms.save(), timing, peakGpuBytes: peakGpuBytes() },
        tensors: await captureTensors(device, scheme, scaler),
        pseudoLabels: new Map(scheme.pseudoLabels ?? []),
        hostState: scheme.hostState?.save() ?? null,
      };
    }

    const last = await scheme.evaluated.stateDict();
    const best = bests.get(scheme.stages.length - 1) ?? null;
    const record: RunRecord = {
      scheme: config.scheme,
      seed: config.seed,
      config: { ...config },
      adapter: device.info.description,
      classNames: dataset.classNames,
      palette: paletteRows(dataset),
      steps,
      evals,
      last: [],
      best: [],
      secondsPerStep: timing.steps ? timing.seconds / timing.steps : 0,
      imagesPerSecond: timing.seconds ? timing.images / timing.seconds : 0,
      peakGpuBytes: peakGpuBytes(),
      seconds: seconds(),
      pictures: [],
      warnings: alarms.messages,
    };
    if (finished) {
      const total = steps.at(-1)?.step ?? 0;
      await hooks.onTrained?.({ last, best }, total);
      const splits = (['val', 'test'] as const).filter((s) => dataset.ids(s).length > 0);
      const measure = async (step: number): Promise<EvalPoint[]> => {
        const points: EvalPoint[] = [];
        for (const split of splits)
          points.push(
            evals.findLast((e) => e.split === split && e.step === step) ??
              (await evaluate(split, scheme.evaluated, step)),
          );
        return points;
      };
      record.last = await measure(total);
      if (best && best.step !== total) {
        scheme.evaluated.loadStateDict(best.state);
        record.best = await measure(best.step);
        scheme.evaluated.loadStateDict(last);
      } else record.best = record.last;
    }
    return { record, scheme, last, best, interrupted: !finished, dispose: () => scheme.dispose() };
  } catch (error) {
    scheme.dispose();
    throw advised(error);
  } finally {
    (evaluator as { evaluator: Evaluator } | null)?.evaluator.dispose();
    scaler?.dispose();
  }
}

/** Colours of the classes, [r, g, b] each. */
export function paletteRows(dataset: Dataset): number[][] {
  return Array.from({ length: dataset.numClasses }, (_, i) => [...dataset.palette.subarray(3 * i, 3 * i + 3)]);
}
