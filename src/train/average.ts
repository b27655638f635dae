// A moving average of what a run trains, evaluated beside it: any scheme, whatever it does itself.

import { Ema } from '../../runtime/optim/ema.ts';
import type { Network } from '../nn/module.ts';
import type { Scheme, Stage } from '../schemes/scheme.ts';
import { risingDecay } from '../schemes/teacher.ts';

/** A scheme with moving averages of its networks. */
export interface Averaged {
  /** The scheme, whose steps also update the averages; they are saved and disposed of with its networks. */
  scheme: Scheme;
  /** The average of an evaluated network; there is none where that is an average itself. */
  averages: ReadonlyMap<Network, Network>;
}

/**
 * Adds a moving average to every network that a scheme trains and evaluates. Running statistics are averaged as the
 * weights are. A stage begins with the average at its network.
 * @param decay a of `average <- a average + (1 - a) network`; it rises from 0, so that a short run forgets its start
 * @param network makes a network like those of the scheme
 */
export function withAverages(scheme: Scheme, decay: number, network: () => Network): Averaged {
  const averages = new Map<Network, Network>();
  const updates = new Map<Network, Ema>();
  const networks = new Map(scheme.networks);
  const evaluated = new Set([...scheme.stages.map((s) => s.evaluated ?? scheme.evaluated), scheme.evaluated]);
  for (const [name, net] of scheme.networks) {
    const own = net as Network;
    if (!evaluated.has(own) || !scheme.optimizers.has(name)) continue;
    const average = network();
    averages.set(own, average);
    updates.set(own, new Ema(average, own, { buffers: 'ema' }));
    networks.set(`average of ${name}`, average);
  }
  const stages = scheme.stages.map((stage): Stage => {
    const update = updates.get(stage.evaluated ?? scheme.evaluated);
    if (!update) return stage;
    return {
      ...stage,
      async prepare(services) {
        await stage.prepare?.(services);
        update.copy();
      },
      record(ctx) {
        const out = stage.record(ctx);
        update.update(ctx.hyper({ name: 'average', emaDecay: ({ step }) => risingDecay(step, decay) }));
        return out;
      },
    };
  });
  const { name, needsUnlabelled, optimizers, label, pseudoLabels, hostTensors, hostState } = scheme;
  return {
    scheme: {
      name,
      needsUnlabelled,
      networks,
      optimizers,
      stages,
      evaluated: scheme.evaluated,
      ...(label && { label: (x) => label.call(scheme, x) }),
      pseudoLabels,
      hostTensors,
      hostState,
      dispose() {
        for (const average of averages.values()) average.dispose();
        scheme.dispose();
      },
    },
    averages,
  };
}
