// Every operation of runtime/ops: values and gradients against float64 on fresh inputs each run. FEWMASK_SEED repeats a run.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as ops from '../../runtime/ops/index.ts';
import { gpuVariants, testDevice } from '../support/device.ts';
import { fuzzGradients } from './fuzz.ts';
import { EXCEPTIONS, FAMILIES, OPERATIONS } from './ops/index.ts';
import { seed } from './seed.ts';

test('every exported operation is in the table, or excepted with a reason', () => {
  const exported = Object.entries(ops).filter(([, v]) => typeof v === 'function').map(([name]) => name).sort(), known = [...OPERATIONS.map((o) => o.name), ...Object.keys(EXCEPTIONS)].sort();
  assert.equal(exported.filter((n) => !known.includes(n)), [], 'missing in test/fuzz/ops');
  assert.equal(known.filter((n) => !exported.includes(n)), [], 'in test/fuzz/ops alone');
  assert.equal(known.filter((n, i) => n === known[i - 1]), [], 'twice in test/fuzz/ops');
});

for (const [family, table] of Object.entries(FAMILIES)) {
  test(`${family}`, async () => {
    const devices = { list: [await testDevice(), await gpuVariants()] };
    const { ran, failures } = await fuzzGradients(devices, { count: 3 * OPERATIONS.length, seed, log: () => {} }, table);
    assert.is(failures.join('\n'), '');
    assert.is(ran, 3 * table.length);
  });
}

test.run();
