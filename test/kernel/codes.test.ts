// The host gets the numbers of a shader's choices by their names.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { splitCodes } from '../../runtime/kernel/codes.ts';

const shader = (codes: string): string =>
  `const WG: u32 = 64u;\n${codes}/// Picks.\nconst OP: u32 = OP_EXP;\n\nfn f(OPERAND: f32) -> f32 {\n` +
  '  switch OP {\n    case OP_LOG_2: { return log2(OPERAND); }\n    default: { return exp(OPERAND); }\n  }\n}\n';

test('codes come by name, and their numbers stand in the shader', () => {
  const { codes, code } = splitCodes(
    'a.wgsl',
    shader('const OP_EXP: u32 = 0u;\n/// To base 2.\nconst OP_LOG_2: u32 = 1u;\n'),
  );
  assert.equal(codes, { OP: { exp: 0, log2: 1 } });
  assert.is(code, shader('').replace('OP_EXP', '0u').replace('OP_LOG_2', '1u'));
});

test('codes that a buffer holds have the name of their type', () => {
  const { codes, code } = splitCodes(
    'a.wgsl',
    'alias FILTER = i32;\n/// Flat.\nconst FILTER_BOX: FILTER = 0;\nconst FILTER_BI_LINEAR: FILTER = 1;\n\n' +
      'fn f(v: i32) -> bool { return v == FILTER_BI_LINEAR; }\n',
  );
  assert.equal(codes, { FILTER: { box: 0, biLinear: 1 } });
  assert.is(code, '\nfn f(v: i32) -> bool { return v == 1; }\n');
});

test('a shader without codes stays as it is', () => {
  const plain = 'const OP: u32 = 0u;\nconst ROWS: u32 = 4u;\nconst ROW: u32 = ROWS;\n';
  assert.equal(splitCodes('a.wgsl', plain), { codes: {}, code: plain });
});

test('a code that is missing or out of order is an error that names it', () => {
  assert.throws(() => splitCodes('a.wgsl', shader('const OP_EXP: u32 = 0u;\n')), /^a\.wgsl: OP_LOG_2 is not declared/);
  assert.throws(
    () => splitCodes('a.wgsl', shader('const OP_EXP: u32 = 0u;\nconst OP_LOG_2: u32 = 3u;\n')),
    /^a\.wgsl: OP_LOG_2 is 3; codes are counted from 0/,
  );
});

test.run();
