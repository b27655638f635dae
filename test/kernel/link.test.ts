// Shaders bring in shared code by an import line.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { link } from '../../runtime/kernel/link.ts';

const snippets = {
  pair:
    '// What it is for.\n\n/// One.\nfn one() -> u32 {\n  return TWO - 1u;\n}\n\nconst TWO: u32 = 2u;\n\n' +
    '/// Three.\nfn three() -> u32 {\n  return 3u;\n}\n',
};

test('an import brings in what is used, through others too, and nothing else', () => {
  const linked = link('a.wgsl', '// A shader.\n// #import pair\n\nfn f() -> u32 {\n  return one();\n}\n', snippets);
  assert.is(
    linked,
    '// A shader.\n/// One.\nfn one() -> u32 {\n  return TWO - 1u;\n}\n\nconst TWO: u32 = 2u;\n\nfn f() -> u32 {\n  return one();\n}\n',
  );
  assert.is(link('a.wgsl', 'fn one() {}\n', snippets), 'fn one() {}\n', 'no import, no change');
});

test('an unknown or useless import is an error that names the shader', () => {
  assert.throws(
    () => link('a.wgsl', '// #import other\n', snippets),
    /^a\.wgsl: there is no shaders\/shared\/other\.wgsl/,
  );
  assert.throws(
    () => link('a.wgsl', '// #import pair\nfn four() {}\n', snippets),
    /^a\.wgsl: imports pair, but uses nothing of it/,
  );
});

test.run();
