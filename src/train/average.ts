// A moving average of what a run trains, evaluated beside it: any scheme, whatever it does itself.

import { Ema, risingDecay } from '../../runtime/optim/ema.ts';
import { Ensemble } from '../nn/ensemble.ts';
import type { Network } from '../nn/module.ts';
import type { Scheme, Stage } from '../schemes/scheme.ts';

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
  const networks = new Map(scheme.networks);
  const averages = new Map<Network, Network>();
  const updates = new Map<Network, Ema[]>();
  const nameOf = new Map([...scheme.networks].map(([name, net]) => [net, name]));
  const averageOf = (net: Network): Network => {
    const average = network();
    networks.set(`average of ${nameOf.get(net)}`, average);
    return average;
  };
  for (const net of new Set([...scheme.stages.map((s) => s.evaluated ?? scheme.evaluated), scheme.evaluated])) {
    const members = net instanceof Ensemble ? net.members : [net];
    if (!members.every((m) => scheme.optimizers.has(nameOf.get(m) ?? ''))) continue;
    const own = members.map(averageOf);
    averages.set(net, net instanceof Ensemble ? new Ensemble(own, net.voting) : own[0]);
    updates.set(
      net,
      members.map((m, i) => new Ema(own[i], m, { buffers: 'ema' })),
    );
  }
  const stages = scheme.stages.map((stage): Stage => {
    const update = updates.get(stage.evaluated ?? scheme.evaluated);
    if (!update) return stage;
    return {
      ...stage,
      async prepare(services) {
        await stage.prepare?.(services);
        for (const ema of update) ema.copy();
      },
      record(ctx) {
        const out = stage.record(ctx);
        const hyper = ctx.hyper({ name: 'average', emaDecay: ({ step }) => risingDecay(step, decay) });
        for (const ema of update) ema.update(hyper);
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
      ensemble: scheme.ensemble,
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
