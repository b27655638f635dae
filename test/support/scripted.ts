// A scheme whose step is what a test says: two weights `w`, 0 at first, under AdamW, beside a network that rests.

import { AdamW } from '../../runtime/optim/adamw.ts';
import { ParameterSet } from '../../src/nn/module.ts';
import type { Scheme, SchemeContext, StepOutputs } from '../../src/schemes/scheme.ts';
import type { StepContext } from '../../src/schemes/step.ts';

/** Records the step. */
export type Script = (ctx: StepContext, part: ParameterSet, optimizer: AdamW) => StepOutputs;

/** Makes the scheme. @param steps of its one stage */
export function scripted(record: Script, steps: number): (c: SchemeContext) => Scheme {
  return (c) => {
    const net = c.network(0), part = new ParameterSet(c.device, 0);
    part.param('w', [2], 'zeros');
    const optimizer = new AdamW(part.params);
    return {
      name: 'scripted', needsUnlabelled: false, networks: new Map([['part', part]]),
      optimizers: new Map([['part', optimizer]]), evaluated: net,
      stages: [{ name: 'scripted', steps, record: (ctx) => record(ctx, part, optimizer) }],
      dispose() {
        for (const t of [net, part, optimizer]) t.dispose();
      },
    };
  };
}
