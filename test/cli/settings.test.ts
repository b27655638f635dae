// Settings in messages: the library marks them by name, the command line shows its flags.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import ts from 'typescript';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addDataOptions } from '../../src/cli/options.ts';
import { addTrainOptions } from '../../src/cli/trainOptions.ts';
import { withSettings } from '../../src/settingNames.ts';

test('a mark is replaced, its value stays; what nobody knows stays as it is', () => {
  const flags = new Map([
    ['maskValues', '--mask-values'],
    ['labels', '--labels'],
  ]);
  const shown = (text: string): string => withSettings(text, (name) => flags.get(name));
  assert.is(shown('give `maskValues 0:0,255:1`, or `maskValues`'), 'give --mask-values 0:0,255:1, or --mask-values');
  assert.is(shown('`labels ` is none'), '--labels  is none');
  assert.is(shown('the file `a.png` of `other 3`'), 'the file `a.png` of `other 3`');
});

/** The texts of a source file. */
function texts(file: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const part = ts.isTemplateHead(node) || ts.isTemplateMiddle(node) || ts.isTemplateTail(node);
    if (ts.isStringLiteralLike(node) || part) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true));
  return found;
}

test('the library names settings that have a flag, and no flags', () => {
  const options = addDataOptions(addTrainOptions(new Command())).options.map((o) => o.attributeName());
  // `adapter` is an option of every command, `out` of those that write; the last two have flags of other names.
  const known = new Set([...options, 'adapter', 'out', 'builtin.train', 'options']);
  const files = ['data', 'train', 'nn', 'augment', 'schemes'].flatMap((folder) => {
    const path = join('src', folder);
    return readdirSync(path, { recursive: true, encoding: 'utf8' }).map((file) => join(path, file));
  });
  const wrong: string[] = [];
  let marks = 0;
  for (const file of files.filter((f) => f.endsWith('.ts'))) {
    for (const text of texts(file)) {
      if (/(?<![\w-])--[a-z]/.test(text) && !text.includes('--import')) wrong.push(`${file}: ${text}`);
      for (const [, name] of text.matchAll(/`([a-z][\w.]*)(?= |`)/gi)) {
        marks++;
        if (!known.has(name)) wrong.push(`${file}: \`${name}\` in ${text}`);
      }
    }
  }
  assert.ok(marks > 50, `${marks} marks`);
  assert.equal(wrong, []);
});

test.run();
