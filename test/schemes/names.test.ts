// A scheme is one file and one export line: nothing else in the product may know one by its name.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { networks } from '../../src/nn/networks.ts';
import { SPARE } from '../../src/report/schemes.ts';
import { schemes } from '../../src/schemes/index.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where a name may stand beside the scheme's own file, and why. */
const ALLOWED: Readonly<Record<string, string>> = {
  'src/train/settings.ts': 'the default of a run',
  'src/losses/index.ts': 'losses are named after their methods',
  'src/augment/randaugment.ts': 'a list of operations is named after its paper',
};

/** Files of the product by their paths. */
function sources(): string[] {
  const folders = ['runtime', 'src'].flatMap((f) =>
    readdirSync(join(root, f), { recursive: true, encoding: 'utf8' }).map((p) => `${f}/${p.replaceAll('\\', '/')}`),
  );
  return folders.filter((f) => /\.(ts|html|css|mjs)$/.test(f) && !f.endsWith('generated.ts'));
}

/** Text without comments and import lines. */
const code = (file: string): string =>
  readFileSync(join(root, file), 'utf8').replace(/^(import|export) .*$|\/\*[^]*?\*\/|\/\/.*$/gm, '');

test('no file but its own has the name of a scheme', () => {
  const found: string[] = [];
  for (const file of sources()) {
    if (file in ALLOWED) continue;
    const text = code(file);
    for (const { name } of schemes()) {
      const own = readFileSync(join(root, file), 'utf8').includes(`  name: '${name}',\n  title:`);
      if (!own && new RegExp(`['"\`.]${name}['"\`.]`).test(text)) found.push(`${file}: ${name}`);
    }
  }
  // Words of everyday language are names only where they stand in quotes by themselves.
  assert.equal(found, []);
});

test('no file but its own has the title of a scheme', () => {
  const found = sources()
    .filter((f) => !f.startsWith('src/schemes/'))
    .flatMap((file) =>
      schemes()
        .filter(({ title }) => title !== 'Supervised' && new RegExp(`['"\`>]${title}['"\`<]`).test(code(file)))
        .map(({ title }) => `${file}: ${title}`),
    );
  assert.equal(found, []);
});

test('an option is declared in one place: its name and its default are in no list elsewhere', () => {
  // Options that only one scheme has, with names that mean nothing else.
  const counts = new Map<string, number>();
  for (const { options } of schemes())
    for (const key of Object.keys(options)) counts.set(key, (counts.get(key) ?? 0) + 1);
  const telling = [...counts].filter(([key, n]) => n === 1 && /[A-Z]/.test(key)).map(([key]) => key);
  assert.ok(telling.length > 4);
  const found: string[] = [];
  for (const file of sources()) {
    if (file.startsWith('src/schemes/')) continue;
    for (const key of telling)
      if (new RegExp(`['"\`]${key}['"\`]|\\b${key}\\??:`).test(code(file))) found.push(`${file}: ${key}`);
  }
  assert.equal(found, []);
});

test('no file but its own has the name or the title of a network', () => {
  const found = sources().flatMap((file) => {
    if (file === 'src/nn/networks.ts') return [];
    const text = code(file);
    const whole = readFileSync(join(root, file), 'utf8');
    return networks()
      .filter(({ name }) => !whole.includes(`  name: '${name}',\n  title:`))
      .filter(({ name, title }) => new RegExp(`['"\`](${name}|${title.replaceAll('+', '\\+')})['"\`]`).test(text))
      .map(({ name }) => `${file}: ${name}`);
  });
  assert.equal(found, []);
});

test('an option of a network is in no list outside src/nn', () => {
  // Names that only networks use; operations have alignCorners too.
  const telling = networks()
    .flatMap(({ options }) => Object.keys(options))
    .filter((key) => /[A-Z]/.test(key) && key !== 'alignCorners');
  assert.ok(telling.length > 4);
  const found = sources()
    .filter((file) => !file.startsWith('src/nn/'))
    .flatMap((file) =>
      telling.filter((key) => new RegExp(`\\b${key}\\b`).test(code(file))).map((key) => `${file}: ${key}`),
    );
  assert.equal(found, []);
});

test('every scheme has a colour of its own in reports, in both modes', () => {
  const css = readFileSync(join(root, 'src/report/client/tokens.css'), 'utf8');
  const colours = [...css.matchAll(/--s(\d+): (#[0-9a-f]{6});/g)];
  const half = colours.length / 2;
  for (const mode of [colours.slice(0, half), colours.slice(half)]) {
    assert.equal(
      mode.map(([, slot]) => Number(slot)),
      Array.from({ length: half }, (_, i) => i),
    );
    assert.is(new Set(mode.map(([, , colour]) => colour)).size, half);
  }
  assert.ok(half >= schemes().length + SPARE, `${half} colours for ${schemes().length} schemes and ${SPARE} others`);
});

test.run();
