// Every specialisation of every shader that the code can ask for compiles, with nothing for the compiler to remark.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SHADERS } from '../../runtime/kernel/generated.ts';
import { specialise } from '../../runtime/kernel/kernel.ts';
import { compilers } from '../support/compilers.ts';
import { testDevice } from '../support/device.ts';
import { canonical, checkDeclared, FIXED, specialisations } from './specialisations.ts';

test('every constant of every shader is fixed, a flag, or has its values declared', () => {
  const undeclared = Object.entries(SHADERS).flatMap(([shader, { constants }]) => {
    const named = new Set(specialisations(shader).flatMap(Object.keys));
    return Object.keys(constants)
      .filter((c) => !named.has(c) && !FIXED.has(c))
      .map((c) => `${shader}.${c}`);
  });
  assert.equal(undeclared, []);
});

test('every specialisation compiles without a remark', async () => {
  const { gpu } = await testDevice();
  const compiler = await compilers();
  const all = Object.keys(SHADERS).flatMap((shader) =>
    [...new Map(specialisations(shader).map((c) => [canonical(shader, c), c]))].map(([name, constants]) => ({
      shader,
      name,
      constants,
    })),
  );
  const codes = new Map(all.map((s) => [specialise(SHADERS[s.shader], s.shader, s.constants), s.name]));
  assert.is(codes.size, all.length, 'each is another code');
  const remarks: string[] = [];
  const subgroups = gpu.features.has('subgroups');
  gpu.pushErrorScope('validation');
  for (const [code, name] of codes) {
    if (!subgroups && code.includes('enable subgroups')) continue;
    const { messages } = await compiler(code).createShaderModule({ code }).getCompilationInfo();
    for (const m of messages) remarks.push(`${name}:${m.lineNum} ${m.type}: ${m.message}`);
  }
  const error = await gpu.popErrorScope();
  console.log(`${codes.size} specialisations of ${Object.keys(SHADERS).length} shaders`);
  assert.equal(remarks.slice(0, 20), []);
  assert.is(error, null);
});

test('every entry point makes a pipeline with the bindings that were reflected', async () => {
  const { gpu, kernels } = await testDevice();
  gpu.pushErrorScope('validation');
  for (const [shader, { code, entries }] of Object.entries(SHADERS)) {
    if ((!gpu.features.has('subgroups') && code.includes('enable subgroups')) || code.includes('subgroup_matrix'))
      continue; // of matrices as few adapters have them
    for (const entry of Object.keys(entries)) kernels.get(shader, entry, {}, SHADERS);
  }
  assert.is((await gpu.popErrorScope())?.message, undefined);
});

test('a specialisation that is not declared is noticed', async () => {
  const { kernels } = await testDevice();
  assert.throws(() => kernels.get('conv2d', 'forward', { PX: 3 }), /does not declare conv2d\(PX=3\)/);
  checkDeclared('conv2d', { BACK: true });
  assert.throws(() => checkDeclared('conv2d', { PX: 3 }), /does not declare conv2d\(PX=3\)/);
});

test.run();
