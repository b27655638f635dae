// Runs a compute kernel in the interpreter of wgsl_reflect, which finds memory that two invocations touch without a
// barrier between them: a missing barrier often leaves the values right.

import * as assert from 'uvu/assert';
// @ts-expect-error the module file of wgsl_reflect has no types of its own
import { detectRaces } from 'wgsl_reflect/wgsl_reflect.module.js';
import { SHADERS } from '../../runtime/kernel/generated.ts';
import { fillParams, specialise, type Constants, type ParamValue } from '../../runtime/kernel/kernel.ts';

export interface RaceCase {
  shader: string;
  entry: string;
  /** At least the workgroup size, made small: the interpreter is slow. */
  constants: Constants;
  /** Content of the storage bindings, by name. */
  data: Record<string, Float32Array | Int32Array | Uint32Array>;
  params?: Record<string, ParamValue>;
  groups?: number;
}

/** The races found. `change` alters the code first, to see that the detector would notice. */
export function races(c: RaceCase, change: (code: string) => string = (code) => code): string[] {
  const shader = SHADERS[c.shader];
  const code = change(specialise(shader, c.shader, c.constants));
  const bindings: Record<number, unknown> = {};
  for (const b of shader.entries[c.entry].bindings) {
    if (b.kind !== 'uniform') bindings[b.binding] = c.data[b.name];
    else {
      const bytes = new ArrayBuffer(shader.params!.size);
      fillParams(c.shader, shader.params!, new DataView(bytes), 0, c.params ?? {});
      bindings[b.binding] = { uniform: new Uint8Array(bytes) };
    }
  }
  const found = detectRaces(code, c.entry, [c.groups ?? 1, 1, 1], { 0: bindings }) as {
    races: { message: string }[];
    errors: string[];
  };
  return [...found.races.map((r) => r.message), ...found.errors];
}

/** No race as it stands; some without its barriers. */
export function checkRaces(c: RaceCase): void {
  const name = `${c.shader}.${c.entry}`;
  assert.equal(races(c), [], name);
  assert.ok(
    races(c, (code) => code.replaceAll('workgroupBarrier();', '')).length > 0,
    `${name}: the detector must notice missing barriers`,
  );
}
