// Runs a folder of conformance cases: npm run conformance [-- --dir DIR --filter PATTERN --json]
//
// Prints passed / failed / unsupported by operation and every failure with its first mismatch. Exit code 1 when a case fails.

import { parseArgs } from 'node:util';
import { UnsupportedError } from '../../runtime/errors.ts';
import { openNode } from '../../runtime/node.ts';
import { runOnnxCase, type OnnxCase } from '../support/onnxCases.ts';
import { sharedFolder } from '../support/shared.ts';
import { openCases, runCase } from '../support/torchCases.ts';
import { FAMILIES } from './torch/index.ts';

interface Count { passed: number; failed: number; unsupported: number }

const { values } = parseArgs({ options: { dir: { type: 'string' }, filter: { type: 'string' }, json: { type: 'boolean', default: false } } });
const dir = values.dir ?? sharedFolder('conformance/torch-ops');
if (!dir) {
  console.error('there are no cases: give their folder with --dir');
  process.exit(2);
}
const set = openCases(dir);
const families = set.set === 'torch-ops' ? FAMILIES : [];
const wanted = new RegExp(values.filter ?? '');
const byOp: Record<string, Count> = {};
const failures: { name: string; op: string; mismatch: string }[] = [];
const reasons = new Set<string>();
const device = await openNode();
for (const c of set.cases.filter((k) => wanted.test(k.name))) {
  const count = (byOp[c.op] ??= { passed: 0, failed: 0, unsupported: 0 });
  const family = families.find((f) => c.op in f.runs);
  const onnx = set.set === 'onnx-node';
  if (!family && !onnx) {
    count.unsupported++;
    continue;
  }
  try {
    if (family) await runCase(device, set, c, family);
    else await runOnnxCase(device, set.data, c as unknown as OnnxCase);
    count.passed++;
  } catch (error) {
    if (error instanceof UnsupportedError) {
      count.unsupported++;
      reasons.add(error.message);
      continue;
    }
    count.failed++;
    failures.push({ name: c.name, op: c.op, mismatch: (error as Error).message });
  }
}
const total = (key: keyof Count): number => Object.values(byOp).reduce((n, c) => n + c[key], 0);
const result = { passed: total('passed'), failed: total('failed'), unsupported: total('unsupported'), byOp, failures, reasons: [...reasons] };
if (values.json) console.log(JSON.stringify(result, null, 1));
else {
  const width = Math.max(9, ...Object.keys(byOp).map((op) => op.length));
  console.log(`${'operation'.padEnd(width)}  passed  failed  unsupported`);
  for (const [op, c] of Object.entries(byOp)) console.log(`${op.padEnd(width)}  ${String(c.passed).padStart(6)}  ${String(c.failed || '').padStart(6)}  ${String(c.unsupported || '').padStart(11)}`);
  for (const f of failures) console.log(`${f.name}: ${f.mismatch}`);
  for (const reason of reasons) console.log(`unsupported: ${reason}`);
  console.log(`${set.set}: ${result.passed} passed, ${result.failed} failed, ${result.unsupported} unsupported`);
}
process.exit(result.failed ? 1 : 0);
