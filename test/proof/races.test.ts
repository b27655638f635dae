// Every kernel with workgroup memory goes through the race detector.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkRaces, races } from '../support/races.ts';
import { ATOMIC, CASES } from './raceCases.ts';
import { sharingEntries } from './shared.ts';

for (const c of ATOMIC) test(`${c.shader}.${c.entry}`, () => assert.equal(races(c), []));
for (const c of CASES) test(`${c.shader}.${c.entry}`, () => checkRaces(c));

test('the detector notices what counts by atomics would miss without their barriers', () => {
  // What is read after the barrier is not an atomic here.
  const c = ATOMIC.find(({ shader }) => shader === 'classThreshold')!;
  assert.ok(
    races(c, (code) =>
      code
        .replace('workgroupBarrier();', '')
        .replace('atomic<u32>', 'u32')
        .replace('atomicAdd(&pixels[y], 1u)', 'pixels[y] += 1u')
        .replace('atomicLoad(&pixels[c])', 'pixels[c]'),
    ).length > 0,
  );
});

test('no kernel with workgroup memory is without a case', () => {
  const covered = new Set([...CASES, ...ATOMIC].map(({ shader, entry }) => `${shader}.${entry}`));
  // The detector has neither f16 nor subgroup matrices; what lanes share there, and the barriers between, is as in
  // conv2dTiles.wgsl.
  const sharing = sharingEntries().filter((e) => !e.startsWith('conv2dMatrix.'));
  assert.ok(sharing.length > 20);
  assert.equal(
    sharing.filter((e) => !covered.has(e)),
    [],
  );
});

test.run();
