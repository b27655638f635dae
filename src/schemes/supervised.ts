// Supervised training on the labelled images alone: the baseline of every comparison.

import { standardize } from '../augment/gpu/standardize.ts';
import { TRAIN, type Network } from '../nn/module.ts';
import { defineScheme, type Step } from './define.ts';
import type { StepOutputs } from './scheme.ts';

/** L = CE-valid of the labelled batch. Batch norm: train, statistics move. Also what a teacher learns by. */
export function supervisedStep(s: Step, net: Network): StepOutputs {
  const l = s.labelled();
  return { loss: s.supervised(net.forward(standardize(l.image), TRAIN), l.label) };
}

export const supervised = defineScheme({
  name: 'supervised',
  title: 'Supervised',
  paper: 'the baseline',
  about: 'the labelled images alone: the baseline',
  options: {},
  needsUnlabelled: false,
  build(parts) {
    const { net } = parts.learner();
    return { evaluated: net, step: (s) => supervisedStep(s, net) };
  },
});
