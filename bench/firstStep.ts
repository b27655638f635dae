// Opens an engine, takes one training step of the U-Net, and ends: run by first.ts in a process of its own.

import { globals } from 'webgpu';
import { openNodeDevice } from '../runtime/device/node/open.ts';
import { openNode } from '../runtime/node.ts';
import { CASES } from './cases.ts';
import { inputsOf } from './data.ts';
import type { Engine } from './engine.ts';
import { fewmaskEngine } from './engines/fewmask.ts';
import { Memory, provideNavigator } from './gpu.ts';

const name = process.argv[2];
let engine: Engine;
if (name === 'fewmask') engine = fewmaskEngine(await openNode(), '');
else {
  provideNavigator(await openNodeDevice(), globals, new Memory());
  engine =
    name === 'tfjs'
      ? await (await import('./engines/tfjs.ts')).tfjsEngine('')
      : await (await import('./engines/jax.ts')).jaxEngine('');
}
const c = CASES.find((x) => x.name === 'unet-step')!;
const job = await engine.build(c, inputsOf(c.name, c.work));
if ('why' in job) throw new Error(job.why);
await job.run(1);
process.exit(0);
