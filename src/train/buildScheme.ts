// Builds the scheme of a run from its settings, and checks that evaluating and labelling fit into the memory.

import type { Device } from '../../runtime/device/device.ts';
import { OutOfMemoryError } from '../../runtime/errors.ts';
import { AdamW } from '../../runtime/optim/adamw.ts';
import { noDecayForVectors, type Optimizer, type ParamGroup } from '../../runtime/optim/optimizer.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { Dataset } from '../data/types.ts';
import { labelledLoss } from '../losses/index.ts';
import { createNetwork } from '../nn/networks.ts';
import type { TorchTensor } from '../nn/module.ts';
import type { Scheme, SchemeContext } from '../schemes/scheme.ts';
import type { RunConfig } from './config.ts';
import { Evaluator } from './evaluate.ts';
import { Labeller } from './labeller.ts';
import { loadPretrained, type PretrainedReport } from './pretrained.ts';
import { largestBatch } from './sizes.ts';
import { withoutLabels } from './streams.ts';

/** Builds a scheme in a context from its options. */
export type SchemeFactory = (c: SchemeContext, options: Record<string, unknown>) => Scheme;

export interface ContextOptions {
  /** Weights to begin with. */
  pretrained?: ReadonlyMap<string, TorchTensor>;
  onPretrained?(report: PretrainedReport): void;
  /** f32 [classes], read by every step. */
  classWeights?: Tensor;
}

/** What a scheme is built from, for these settings. */
export function schemeContext(
  device: Device,
  dataset: Dataset,
  config: RunConfig,
  { pretrained, onPretrained, classWeights }: ContextOptions = {},
): SchemeContext {
  const { numClasses } = dataset;
  const { labelledLoss: kind } = config;
  return {
    device,
    numClasses,
    crop: config.crop,
    batch: config.batch,
    steps: config.steps,
    seed: config.seed,
    labelled: dataset.ids('labelled'),
    unlabelled: dataset.ids('unlabelled'),
    ...((kind !== 'ce' || classWeights) && {
      labelledLoss: (logits: Tensor, labels: Tensor) => labelledLoss(logits, labels, kind, classWeights),
    }),
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
    if (!o.decayVectors) {
      const match = (name: string, p: Tensor): boolean => isHead(name) && noDecayForVectors.match(name, p);
      groups.push({ match, weightDecay: 0, lrScale: o.headLr });
    }
    groups.push({ match: (name) => isHead(name), lrScale: o.headLr });
  }
  if (!o.decayVectors) groups.push(noDecayForVectors);
  const common = { weightDecay: o.weightDecay, groups, ...(o.clip !== null && { maxNorm: o.clip }) };
  if (o.kind === 'adamw') return new AdamW(params, common);
  return new Sgd(params, { ...common, momentum: o.momentum, nesterov: o.nesterov });
}

/** Builds the scheme. When it cannot be built to the end, what it has made is freed. */
export function buildScheme(make: SchemeFactory, context: SchemeContext, config: RunConfig): Scheme {
  const made: { dispose(): void }[] = [];
  const noted = <T extends { dispose(): void }>(part: T): T => {
    made.push(part);
    return part;
  };
  const noting: SchemeContext = {
    ...context,
    network: (draw) => noted(context.network(draw)),
    optimizer: (params, isHead) => noted(context.optimizer(params, isHead)),
  };
  try {
    return make(noting, {
      ...config.options,
      weak: { ...config.weak, ...(config.options.weak as object | undefined) },
    });
  } catch (error) {
    for (const part of made) part.dispose();
    throw advised(error);
  }
}

/** Out of memory, with what helps a run. */
export function advised(error: unknown): unknown {
  // Evaluating and labelling have advice of their own.
  return error instanceof OutOfMemoryError && !error.hint?.includes('`memory`')
    ? new OutOfMemoryError(error.message, 'use a smaller `batch`, `crop` or `width`, or raise `memory`')
    : error;
}

/**
 * Finds out before the first step what a run would find out late: whether the test images, which are evaluated after
 * the last step, and the unlabelled ones, which a stage predicts before its first step, fit into the memory.
 * Validation images are evaluated beside a recorded step and are checked when that is recorded.
 * @param budget bytes that may be in use at once
 * @throws OutOfMemoryError
 */
export async function checkFits(
  device: Device,
  dataset: Dataset,
  scheme: Scheme,
  options: { evalBatch: number; budget: number },
): Promise<void> {
  const { evalBatch, budget } = options;
  const evaluator = new Evaluator(device, scheme.evaluated, evalBatch, { budget });
  const labeller = new Labeller(device, scheme.evaluated, { budget });
  try {
    const test = await largestBatch(dataset, dataset.ids('test'), evalBatch);
    if (test) evaluator.reserve(test);
    evaluator.dispose();
    for (const { predicts } of scheme.stages) {
      if (!predicts) continue;
      const ids = [...(predicts.labelled ? dataset.ids('labelled') : []), ...withoutLabels(dataset)];
      const largest = await largestBatch(dataset, ids);
      if (largest) labeller.reserve(largest, predicts);
      labeller.dispose();
    }
  } finally {
    evaluator.dispose();
    labeller.dispose();
    device.pool.trim();
  }
}
