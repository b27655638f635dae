// npm run fuzz [-- --only programs|gradients|specials|files --count N --seed S]: random programs, single calls with
// their gradients, single calls with special values (NaN, infinities, signed zeros, denormals), and mutated files,
// until one fails or the count is reached. Exit code 1 when something failed.

import { parseArgs } from 'node:util';
import type { Device } from '../../runtime/device/device.ts';
import { openNode } from '../../runtime/node.ts';
import { asGpu, asSoftware } from '../support/device.ts';
import { fuzzFiles } from './files.ts';
import { fuzzGradients, fuzzPrograms, fuzzSpecials, type Devices, type FuzzOptions, type FuzzResult } from './fuzz.ts';

const PARTS = ['programs', 'gradients', 'specials', 'files'] as const;

const { values } = parseArgs({
  options: { only: { type: 'string' }, count: { type: 'string', default: '10000' }, seed: { type: 'string' } },
});
const count = Number(values.count);
const seed = Number(values.seed ?? process.env.FEWMASK_SEED ?? Math.floor(Math.random() * 2 ** 31));
const only = values.only as (typeof PARTS)[number] | undefined;
if ((only && !PARTS.includes(only)) || ![count, seed].every((v) => Number.isInteger(v) && v >= 0)) {
  console.error(`usage: npm run fuzz [-- --only ${PARTS.join('|')} --count N --seed S]`);
  process.exit(2);
}

/**
 * A device, and the same adapter with the traits of a GPU and of another software adapter: every variant of a kernel
 * has its turn.
 */
async function open(): Promise<readonly Device[]> {
  const device = await openNode();
  return [device, asGpu(device), asSoftware(device)];
}

const devices: Devices = { list: await open(), reopen: open };
const parts: Record<(typeof PARTS)[number], (o: FuzzOptions) => Promise<FuzzResult>> = {
  programs: (o) => fuzzPrograms(devices, o),
  gradients: (o) => fuzzGradients(devices, o),
  specials: (o) => fuzzSpecials(devices, o),
  files: fuzzFiles,
};
let failed = 0;
for (const part of PARTS) {
  if (only && part !== only) continue;
  console.log(`${part}: ${count} from seed ${seed}`);
  const { ran, failures } = await parts[part]({ count, seed, log: (line) => console.log(line) });
  console.log(`${part}: ran ${ran}, ${failures.length} failed`);
  failed += failures.length;
}
process.exitCode = failed > 0 ? 1 : 0;
for (const d of devices.list) d.close();
