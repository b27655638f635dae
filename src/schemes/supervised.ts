// Supervised training on the labelled images alone: the yardstick of every comparison.

import type { Optimizer } from '../../runtime/optim/optimizer.ts';
import { ceValid } from '../losses/index.ts';
import { TRAIN, type Network } from '../nn/module.ts';
import type { Scheme, SchemeContext, StepOutputs } from './scheme.ts';
import type { StepContext } from './step.ts';
import { checkFields } from '../augment/settings.ts';
import { normalise, VIEW_FIELDS, weakView, type ViewOptions } from './views.ts';

export type SupervisedOptions = ViewOptions;

export const SUPERVISED_FIELDS = VIEW_FIELDS;

/** L = CE-valid of the labelled batch. Batch norm: train, statistics move. @throws UsageError where an option does not fit */
export function supervised(c: SchemeContext, options: SupervisedOptions = {}): Scheme {
  checkFields(SUPERVISED_FIELDS, options, 'the scheme supervised');
  const net = c.network(0);
  const optimizer = c.optimizer(net.params, (name) => net.isHead(name));
  return {
    name: 'supervised',
    needsUnlabelled: false,
    networks: new Map([['net', net]]),
    optimizers: new Map([['net', optimizer]]),
    evaluated: net,
    stages: [{ name: 'supervised', steps: c.steps, record: (ctx) => supervisedStep(ctx, c, net, optimizer, options) }],
    dispose() {
      optimizer.dispose();
      net.dispose();
    },
  };
}

/** One step on labelled images; also the first stage of self-training. */
export function supervisedStep(ctx: StepContext, c: SchemeContext, net: Network, optimizer: Optimizer, options: SupervisedOptions): StepOutputs {
  const view = weakView(ctx, c, { name: 'labelled', kind: 'labelled', n: c.batch.labelled }, options);
  const loss = ceValid(net.forward(normalise(view.image), TRAIN), view.labels);
  ctx.descend(loss, [[net.params, optimizer]]);
  return { loss };
}
