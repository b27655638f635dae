// Some hundred random programs: values, gradients, eager and planned. `npm run fuzz` runs ten thousand. FEWMASK_SEED
// repeats a run.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gpuVariants, testDevice } from '../support/device.ts';
import { fuzzPrograms } from './fuzz.ts';
import { OPERATIONS } from './ops/index.ts';
import { described, drawProgram, leavesOf, pruned, sinksOf } from './program.ts';
import { seed } from './seed.ts';

test('a seed gives the same program again, and a shorter one is its beginning', () => {
  for (let s = seed; s < seed + 20; s++) {
    const whole = described(drawProgram(OPERATIONS, s)).split('\n');
    const part = described(drawProgram(OPERATIONS, s, 2)).split('\n');
    assert.is(described(drawProgram(OPERATIONS, s)), whole.join('\n'));
    assert.equal(part, whole.slice(0, part.length));
    assert.ok(whole.length >= 3 && whole.length <= 12);
  }
});

test('a pruned program keeps what its last step needs', () => {
  for (let s = seed; s < seed + 20; s++) {
    const p = drawProgram(OPERATIONS, s);
    const last = p.steps.length - 1;
    const least = pruned(p, last);
    assert.is(least.steps[least.steps.length - 1], p.steps[last]);
    // Nothing but what the last step needs: each other step feeds one that is kept.
    const sinks = new Set(sinksOf(least));
    const own = new Set(leavesOf(p));
    for (const step of least.steps.slice(0, -1)) assert.ok(step.outputs.some((v) => !sinks.has(v)));
    assert.ok(leavesOf(least).every((v) => own.has(v)));
  }
});

test('random programs', async () => {
  const { failures } = await fuzzPrograms(
    { list: [await testDevice(), await gpuVariants()] },
    { count: 200, seed, log: () => {} },
  );
  assert.is(failures.join('\n'), '');
});

test.run();
