// A scheme whose step is given by a test: two weights `w` under AdamW and two statistics `s`, 0 at first, beside a
// network that is not trained.

import type { Device } from '../../runtime/device/device.ts';
import { AdamW } from '../../runtime/optim/adamw.ts';
import { ParameterSet } from '../../src/nn/module.ts';
import type { Scheme, SchemeContext, StepOutputs } from '../../src/schemes/scheme.ts';
import type { StepContext } from '../../src/schemes/step.ts';

/** Records the step. */
export type Script = (ctx: StepContext, part: ParameterSet, optimizer: AdamW) => StepOutputs;

class Part extends ParameterSet {
  constructor(device: Device) {
    super(device, 0);
    this.param('w', [2], 'zeros');
    this.buffer('s', [2], 0);
  }
}

/** Makes the scheme. @param steps of its one stage */
export function scripted(record: Script, steps: number): (c: SchemeContext) => Scheme {
  return (c) => {
    const net = c.network(0);
    const part = new Part(c.device);
    const optimizer = new AdamW(part.params);
    return {
      name: 'scripted',
      needsUnlabelled: false,
      networks: new Map([['part', part]]),
      optimizers: new Map([['part', optimizer]]),
      evaluated: net,
      stages: [{ name: 'scripted', steps, record: (ctx) => record(ctx, part, optimizer) }],
      dispose() {
        for (const t of [net, part, optimizer]) t.dispose();
      },
    };
  };
}
