// What every kernel must keep to, so that it runs on an adapter that offers no more than WebGPU guarantees.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SHADERS } from '../../runtime/kernel/generated.ts';
import { folded } from '../../runtime/kernel/geometry.ts';

const entries = Object.entries(SHADERS).flatMap(([shader, info]) =>
  Object.entries(info.entries).map(([entry, e]) => ({ name: `${shader}.${entry}`, constants: info.constants, ...e })),
);

test('no entry binds more than eight storage buffers', () => {
  assert.ok(entries.length > 100);
  const over = entries.filter((e) => e.bindings.filter((b) => b.kind !== 'uniform').length > 8).map((e) => e.name);
  assert.equal(over, []);
});

test('no workgroup has more than 256 invocations', () => {
  const size = (e: (typeof entries)[number]): number =>
    e.workgroup.reduce((n, w) => n * parseInt(e.constants[w]?.value ?? w, 10), 1);
  assert.equal(
    entries.filter((e) => !(size(e) >= 1 && size(e) <= 256)).map((e) => e.name),
    [],
  );
});

test('shaders count workgroups where the host folds them', () => {
  const folds = Object.values(SHADERS).flatMap(({ constants }) => constants.FOLD?.value ?? []);
  assert.ok(folds.length > 2);
  for (const fold of folds) assert.is(fold, `${folded(1e6, 1)[0]}u`);
});

test.run();
