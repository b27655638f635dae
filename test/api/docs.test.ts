// The documentation of the public symbols: none is without, functions have an example and say what they throw, and the
// examples pass the type checker.

import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as engine from '../../runtime/index.ts';
import * as ops from '../support/ops.ts';
import { complaints, projectProgram, publicSymbols, type PublicSymbol } from '../support/publicApi.ts';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const entries = ['index', 'node', 'browser', 'onnx', 'safetensors'].map((f) => `${root}/runtime/${f}.ts`);
const program = projectProgram(root, entries);
const symbols = entries.flatMap((e) => publicSymbols(program, e));
const byName = new Map(symbols.map((s) => [s.name, s]));
const place = (s: PublicSymbol): string => `${s.name} (${relative(root, s.file)}:${s.line})`;

/**
 * Operations of runtime/ops that are pieces of the project's own training methods: they are imported from there, and
 * may change at any time.
 */
const INTERNAL = [
  'acceptedShare',
  'addConfusion',
  'channelMax',
  'classGate',
  'confusionCounts',
  'countPseudoLabels',
  'fuse',
  'gate',
  'kthLargest',
  'maskPairs',
  'normaliseMaps',
  'percentile',
  'predictionEntropy',
  'presentClasses',
  'pseudoLabel',
  'pseudoLabelCounts',
  'pseudoLabelStats',
  'sharpen',
  'softmaxMse',
  'updateClassConfidence',
];

test('every operation is public, or known to be internal', () => {
  const missing = Object.keys(ops).filter((name) => !(name in engine) && !INTERNAL.includes(name));
  assert.equal(missing, [], 'export them from runtime/index.ts');
  assert.equal(
    INTERNAL.filter((name) => name in engine || !(name in ops)),
    [],
  );
});

test('every public symbol and member is documented', () => {
  assert.ok(symbols.length > 500);
  assert.equal(symbols.filter((s) => !s.text.trim() && !(s.kind === 'method' && s.tags.length > 0)).map(place), []);
});

test('every function and class has an example', () => {
  const wanted = symbols.filter((s) => s.kind === 'function' || (s.kind === 'class' && !s.name.endsWith('Error')));
  assert.equal(wanted.filter((s) => s.examples.length === 0).map(place), []);
});

/** Says what is thrown, itself or by pointing to a function of its kind that does. */
function saysWhatItThrows(s: PublicSymbol, seen: readonly string[] = []): boolean {
  if (s.tags.includes('throws')) return true;
  const others = [...s.comment.matchAll(/(?:See|[Aa]s in|as)\s+(?:\*\s+)?\{@link (\w+)\}/g)]
    .map((m) => m[1])
    .filter((name) => !seen.includes(name));
  return others.some((name) => byName.has(name) && saysWhatItThrows(byName.get(name)!, [...seen, s.name]));
}

test('what throws says so', () => {
  // Lists of what is alive cannot fail.
  const safe = ['liveTensors', 'leakReport', 'traceTensors', 'ParamGroup.match'];
  const wanted = symbols.filter(
    (s) => (s.kind === 'function' || s.kind === 'method') && s.mayThrow && !safe.includes(s.name),
  );
  assert.equal(wanted.filter((s) => !saysWhatItThrows(s)).map(place), []);
});

/**
 * Names that an example takes for granted: tensors, a device, a network, and what follows from their having no type.
 */
const UNKNOWN_NAME = [2304, 2552, 18004, 7006];

test('the examples and those of README and guides pass the type checker', () => {
  const names = Object.keys(engine).filter((name) => name !== 'schedules');
  const head = [
    `import { ${names.join(', ')} } from '${root}/runtime/index.ts';`,
    `import { ${Object.keys(engine.schedules).join(', ')} } from '${root}/runtime/optim/schedules.ts';`,
    `import type { ForwardMode } from '${root}/runtime/index.ts';`,
  ];
  const examples = symbols.flatMap((s) => s.examples.map((code) => ({ s, code })));
  const at: PublicSymbol[] = [];
  const lines = [head.join(' ')];
  for (const { s, code } of examples) {
    for (const line of ['export async function example() {', ...code.split('\n'), '}']) {
      lines.push(line);
      at[lines.length] = s;
    }
  }
  const file = `${root}/test/api/examples.generated.ts`;
  const text = lines.map((line, i) => line.replace('function example()', `function example${i}()`)).join('\n');
  const pages = ['README.md', 'docs/engine.md'].map((page) => readFileSync(`${root}/${page}`, 'utf8')).join('\n');
  const readme = [...pages.matchAll(/```ts\n(.*?)\n```/gs)].map((m) => m[1]);
  const blocks = Object.fromEntries(
    readme.map((code, i) => [
      `${root}/test/api/readme${i}.generated.ts`,
      `declare const device: import('${root}/runtime/index.ts').Device;\n${code}\nexport {};`,
    ]),
  );
  const library = existsSync(`${root}/src/index.ts`) ? 'src/index.ts' : 'src/nn/unet.ts';
  const checked = projectProgram(
    root,
    [],
    { [file]: text, ...blocks },
    { fewmask: [library], 'fewmask/engine': ['runtime/index.ts'], 'fewmask/node': ['runtime/node.ts'] },
  );
  const wrong = complaints(checked, file)
    .filter((c) => !UNKNOWN_NAME.includes(c.code))
    .map((c) => `${at[c.line] ? place(at[c.line]) : 'imports'}: ${c.message} (${c.code}) in ${lines[c.line - 1]}`);
  const wrongBlocks = Object.keys(blocks).flatMap((f) =>
    complaints(checked, f).map((c) => `${relative(root, f)}:${c.line} ${c.message}`),
  );
  assert.equal([...wrong, ...wrongBlocks], []);
});

test.run();
