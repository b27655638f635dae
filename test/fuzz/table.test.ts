// Every operation of runtime/ops: values and gradients against float64 on fresh inputs each run. FEWMASK_SEED repeats a
// run.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as ops from '../support/ops.ts';
import { gpuVariants, softwareVariants, testDevice } from '../support/device.ts';
import { fuzzGradients, fuzzSpecials } from './fuzz.ts';
import { EXCEPTIONS, FAMILIES, OPERATIONS } from './ops/index.ts';
import { seed } from './seed.ts';
import { drawSpecial } from './specials.ts';

test('every exported operation is in the table, or excepted with a reason', () => {
  const exported = Object.entries(ops)
    .filter(([, v]) => typeof v === 'function')
    .map(([name]) => name)
    .sort();
  const known = [...OPERATIONS.map((o) => o.name), ...Object.keys(EXCEPTIONS)].sort();
  assert.equal(
    exported.filter((n) => !known.includes(n)),
    [],
    'missing in test/fuzz/ops',
  );
  assert.equal(
    known.filter((n) => !exported.includes(n)),
    [],
    'in test/fuzz/ops alone',
  );
  assert.equal(
    known.filter((n, i) => n === known[i - 1]),
    [],
    'twice in test/fuzz/ops',
  );
});

for (const [family, table] of Object.entries(FAMILIES)) {
  test(`${family}`, async () => {
    const devices = { list: [await testDevice(), await gpuVariants()] };
    const { ran, failures } = await fuzzGradients(
      devices,
      { count: 3 * OPERATIONS.length, seed, log: () => {} },
      table,
    );
    assert.is(failures.join('\n'), '');
    assert.is(ran, 3 * table.length);
  });
}

test('every operation is tried with special values, or says why there is no right answer', () => {
  for (const operation of OPERATIONS) {
    if (operation.specials === undefined)
      assert.ok(
        drawSpecial(operation, seed),
        `${operation.name}: no operand may hold special values, and no reason is given`,
      );
    else assert.ok(operation.specials.length > 10, `${operation.name}: the reason`);
    if (operation.nanGradients !== undefined)
      assert.ok(operation.nanGradients.length > 10, `${operation.name}: the reason`);
  }
});

for (const [family, table] of Object.entries(FAMILIES)) {
  test(`${family}: NaN, infinities, signed zeros, denormals`, async () => {
    const devices = { list: [await testDevice(), await gpuVariants(), await softwareVariants()] };
    const { ran, failures } = await fuzzSpecials(devices, { count: 9 * OPERATIONS.length, seed, log: () => {} }, table);
    assert.is(failures.join('\n'), '');
    assert.is(ran, 9 * table.filter((o) => o.specials === undefined).length);
  });
}

test.run();
