// Runs a folder of conformance cases: npm run conformance [-- --dir DIR --filter PATTERN --json]
//
// Prints passed / failed / unsupported by operation, why what is unsupported is so, and every failure with its first
// mismatch.
// Exit code 1 when a case fails.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Device } from '../../runtime/device/device.ts';
import { UnsupportedError } from '../../runtime/errors.ts';
import { openNode } from '../../runtime/node.ts';
import { runOnnxCase, type OnnxCase } from '../support/onnxCases.ts';
import { sharedFolder } from '../support/shared.ts';
import { openCases, runCase, type Case, type CaseSet } from '../support/torchCases.ts';
import { openNets, runNetCase, type NetCase } from '../support/torchNets.ts';
import { Unsupported } from '../support/unsupported.ts';
import { runWebnnCase, type WebnnCase } from '../support/webnnCases.ts';
import { FAMILIES } from './torch/index.ts';
import { WEBNN } from './webnn/index.ts';

interface Count {
  passed: number;
  failed: number;
  unsupported: number;
}
/** Runs a case of a set. Throws Unsupported for one that is beyond the engine, another error for one that fails. */
type Runner = (device: Device, set: CaseSet<any>, c: any) => Promise<void>;

const RUNNERS: Readonly<Record<string, Runner>> = {
  async 'torch-ops'(device, set, c: Case) {
    const family = FAMILIES.find((f) => c.op in f.runs);
    if (!family) throw new Unsupported('no such operation');
    await runCase(device, set, c, family);
  },
  'onnx-node': (device, { data }, c: OnnxCase) => runOnnxCase(device, data, c),
  webnn: (device, { data }, c: WebnnCase) => runWebnnCase(device, data, c, WEBNN),
  'torch-nets': (device, _, c: NetCase) => runNetCase(device, c),
};

/** The cases of a folder, which has a list of them, or networks. */
function open(dir: string): CaseSet<{ name: string; op: string }> {
  const nets = existsSync(join(dir, 'cases.json')) ? null : existsSync(dir) ? openNets(dir) : null;
  if (nets) return { set: 'torch-nets', cases: nets, data: new Uint8Array() };
  return openCases(dir);
}

const { values } = parseArgs({
  options: { dir: { type: 'string' }, filter: { type: 'string' }, json: { type: 'boolean', default: false } },
});
const dir = values.dir ?? sharedFolder('conformance/torch-ops');
if (!dir) {
  console.error('there are no cases: give their folder with --dir');
  process.exit(2);
}
let set: CaseSet<{ name: string; op: string }>;
try {
  set = open(dir);
} catch (error) {
  console.error(`there are no cases in ${dir}: ${(error as Error).message}`);
  process.exit(2);
}
const run =
  RUNNERS[set.set] ??
  (async () => {
    throw new Unsupported(`the set ${set.set}`);
  });
const wanted = new RegExp(values.filter ?? '');
const byOp: Record<string, Count> = {};
/** How many cases of an operation are unsupported, by the reason. */
const reasons: Record<string, Record<string, number>> = {};
const failures: { name: string; op: string; mismatch: string }[] = [];
const device = await openNode();
for (const c of set.cases.filter((k) => wanted.test(k.name))) {
  const count = (byOp[c.op] ??= { passed: 0, failed: 0, unsupported: 0 });
  try {
    await run(device, set, c);
    count.passed++;
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof Unsupported || error instanceof UnsupportedError) {
      count.unsupported++;
      const why = (reasons[c.op] ??= {});
      why[message] = (why[message] ?? 0) + 1;
    } else {
      count.failed++;
      failures.push({ name: c.name, op: c.op, mismatch: message });
    }
  }
}
const total = (key: keyof Count): number => Object.values(byOp).reduce((n, c) => n + c[key], 0);
const result = {
  passed: total('passed'),
  failed: total('failed'),
  unsupported: total('unsupported'),
  byOp,
  reasons,
  failures,
};
if (values.json) console.log(JSON.stringify(result, null, 1));
else {
  const width = Math.max(9, ...Object.keys(byOp).map((op) => op.length));
  console.log(`${'operation'.padEnd(width)}  passed  failed  unsupported`);
  const cell = (n: number, w: number): string => String(n || '').padStart(w);
  for (const [op, c] of Object.entries(byOp)) {
    const why = Object.entries(reasons[op] ?? {})
      .map(([reason, n]) => `${n} ${reason}`)
      .join(', ');
    console.log(
      `${op.padEnd(width)}  ${String(c.passed).padStart(6)}  ${cell(c.failed, 6)}  ${cell(c.unsupported, 11)}${why && `  (${why})`}`,
    );
  }
  for (const f of failures) console.log(`${f.name}: ${f.mismatch}`);
  console.log(`${set.set}: ${result.passed} passed, ${result.failed} failed, ${result.unsupported} unsupported`);
}
process.exit(result.failed ? 1 : 0);
