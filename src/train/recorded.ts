// Records the step of a stage as a plan: the scheme's views, losses and updates, the log of its losses, and the watch
// over it.

import { Plan, type DeclareInput } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { mixedPrecision } from '../../runtime/modules/precision.ts';
import { concat } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { Scheme, StepOutputs } from '../schemes/scheme.ts';
import { Network } from '../nn/module.ts';
import { StepContext, type GradientWatch } from '../schemes/step.ts';
import type { TrainerOptions } from './trainer.ts';
import { Watch, type Named } from './watch.ts';

/** A recorded step. */
export interface Recorded {
  plan: Plan<Record<string, Tensor>>;
  context: StepContext;
  /** Names of the scalars of a step, in the order in which they are logged. */
  names: string[];
  counts: Tensor | undefined;
  feedback: StepOutputs['feedback'];
  watch: Watch;
}

/** The tensors of a scheme's networks, by the names that messages give them. */
function namedTensors(scheme: Scheme): Named[] {
  const several = scheme.networks.size > 1;
  return [...scheme.networks].flatMap(([network, { params, buffers }]) => {
    const of = several ? ` of the network ${network}` : '';
    const named = (tensors: ReadonlyMap<string, Tensor>, what: string): Named[] =>
      [...tensors].map(([name, t]) => [`the ${what} ${name}${of}`, t]);
    return [...named(params, 'weight'), ...named(buffers, 'running statistic')];
  });
}

/** What a step is recorded with: see `TrainerOptions`. */
export type RecordOptions = Pick<TrainerOptions, 'seed' | 'sourceSize' | 'lr' | 'scaler' | 'budget'>;

/**
 * Records the step of a stage, with a watch over it.
 * @throws OutOfMemoryError when it does not fit into the budget
 */
export function record(device: Device, scheme: Scheme, stage: number, options: RecordOptions): Recorded {
  let context!: StepContext;
  let names: string[] = [];
  let counts: Tensor | undefined;
  let feedback: StepOutputs['feedback'];
  const watch = new Watch(device);
  const tensors = namedTensors(scheme);
  const networks = [...scheme.networks.values()].filter((net) => net instanceof Network);
  const nameOf = new Map(tensors.map(([name, t]) => [t, name]));
  const watchGradients: GradientWatch = (params, grads, hyper) =>
    watch.gradients(
      grads.map((dw, i) => [nameOf.get(params[i]) ?? 'a parameter', dw]),
      hyper,
      options.scaler?.scale,
    );
  const body = (_: Record<string, Tensor>, declare: DeclareInput): Record<string, Tensor> => {
    context = new StepContext(device, declare, {
      seed: options.seed + 1000003 * stage,
      sourceSize: options.sourceSize,
      lr: options.lr,
      scaler: options.scaler,
      watch: watchGradients,
    });
    // Each pass that drops draws for itself.
    let passes = 0;
    for (const net of networks) net.seeds = () => context.randomSeed(`dropout ${passes++}`);
    const step = (): StepOutputs => scheme.stages[stage].record(context);
    const out = options.scaler ? mixedPrecision(device, step) : step();
    counts = out.counts;
    feedback = out.feedback;
    const terms = Object.entries(out.terms ?? {});
    names = ['loss', ...terms.map(([name]) => name)];
    const log = concat([out.loss.view([1]), ...terms.map(([, t]) => t.view([1]))], 0);
    // Networks of other stages do not change.
    watch.finish(
      log,
      tensors.filter(([, t]) => device.recorder!.uses(t.storage)),
    );
    const outputs: Record<string, Tensor> = { log };
    if (feedback) outputs.feedback = feedback.values;
    return outputs;
  };
  try {
    const plan = new Plan<Record<string, Tensor>>(device, {}, body, { budget: options.budget });
    return { plan, context, names, counts, feedback, watch };
  } catch (error) {
    watch.dispose();
    throw error;
  } finally {
    for (const net of networks) net.seeds = null;
  }
}
