// The table of operations is complete, and says what the operations do.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { reference } from './build.ts';
import type { OpRow } from './table.ts';

interface Printed {
  rows: OpRow[];
  records: { name: string; inputs: string[]; file: string }[];
  text: string;
}

test('every operation and every record has its row', async () => {
  const lines = execFileSync(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('print.ts', import.meta.url))],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  )
    .trim()
    .split('\n');
  const table = JSON.parse(lines.at(-1)!) as Printed;
  const { text } = table;
  assert.ok(table.rows.length > 180 && table.records.length > 60);
  for (const { name, inputs, file } of table.records) {
    assert.ok(file, name);
    assert.ok(text.includes(`| ${name} | ${file}.ts | ${inputs.join(', ')} |`), name);
  }
  for (const r of table.rows) {
    assert.ok(text.includes(`| ${r.name} | `), r.name);
    assert.ok(r.dtypes.length > 0, r.name);
  }
  const facts = Object.fromEntries(table.rows.map((r) => [r.name, [r.gradient.join(' '), r.twice]]));
  const known = {
    conv2d: ['x w b', true],
    matmul: ['a b', true],
    exp: ['x', true],
    softmax: ['x', true],
    floorDivide: ['', false],
    argmax: ['', false],
    where: ['a b', true],
    crossEntropy: ['logits', false],
    layerNorm: ['x gamma beta', false],
    embedding: ['w', true],
    all: ['', false],
    detach: ['', false],
    gridSample: ['x grid', false],
  };
  for (const [name, want] of Object.entries(known)) assert.equal(facts[name], want, name);
  assert.equal(
    [...table.rows.find((r) => r.name === 'crossEntropy')!.dtypes].filter((d) => d !== 'f16'),
    ['f32'],
  );
  assert.equal(
    [...table.rows.find((r) => r.name === 'add')!.dtypes].filter((d) => d !== 'f16'),
    ['f32', 'i32', 'u32'],
  );
});

test('typedoc has nothing to complain about', async () => {
  assert.is(await reference(null), 0);
});

test.run();
