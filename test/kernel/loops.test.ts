// A variable of a loop without a value is to be zero in each round, but Tint's SPIR-V makes it so in the first one
// only: the next ones find what was left.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fileURLToPath } from 'node:url';
import { linkFolders } from '../../runtime/kernel/build.ts';

const shaders = linkFolders(fileURLToPath(new URL('../../shaders', import.meta.url)));
/** Each round writes all of them before it reads one. */
const WRITTEN = ['conv2d.wgsl: p', 'conv2d.wgsl: m', 'conv2dTiles.wgsl: r', 'conv2dMatrix.wgsl: l', 'matmul.wgsl: v'];

/** Variables that a loop declares without a value. */
function unset(code: string): string[] {
  const found: string[] = [];
  const blocks: boolean[] = [];
  let loop = false;
  for (const [token, name] of code
    .replace(/\/\/.*/g, '')
    .matchAll(/[{}]|\b(?:for|loop|while)\b|\bvar\s+(\w+)\s*:[^=;]+;/g)) {
    if (token === '{') {
      blocks.push(loop || blocks.at(-1) === true);
      loop = false;
    } else if (token === '}') blocks.pop();
    else if (!name) loop = true;
    else if (blocks.at(-1)) found.push(name);
  }
  return found;
}

test('variables of loops have values', () => {
  assert.equal(
    unset(
      'fn f() { var a: u32; for (var i = 0u; i < 4u; i++) { if (i > a) { var b: u32; } var c = 0u; } var ' +
        'd: f32; loop { var e: vec2<f32>; } }',
    ),
    ['b', 'e'],
  );
  const found = Object.entries(shaders).flatMap(([shader, code]) =>
    unset(code).map((name) => `${shader}.wgsl: ${name}`),
  );
  assert.equal(
    found.filter((f) => !WRITTEN.includes(f)),
    [],
  );
});

test.run();
