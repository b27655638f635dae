// The rules of the layout: imports go one way, Node and the browser stay where they belong, an operation is three
// files.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const walk = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? walk(join(folder, e.name)) : [join(folder, e.name)],
  );
const sources = ['runtime', 'src']
  .flatMap(walk)
  .filter((f) => f.endsWith('.ts') && f !== 'runtime/kernel/generated.ts');

/** Specifiers of the imports and exports of a file; `typeOnly` for those that vanish when it is compiled. */
function imports(file: string): { from: string; typeOnly: boolean }[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/^(import|export)(\s+type)?\s(?:[^'";]*?from\s+)?['"]([^'"]+)['"]/gm)].map((m) => ({
    from: m[3],
    typeOnly: m[2] !== undefined,
  }));
}

/** The layer of a file: it may import its own layer and those below. */
function layer(file: string): number {
  if (file.startsWith('runtime/')) return 0;
  if (/^src\/(options|settingNames)\.ts$/.test(file) || /^src\/(ops|nn|losses|metrics|data|augment|cam)\//.test(file))
    return 1;
  if (file.startsWith('src/schemes/')) return 2;
  if (file.startsWith('src/train/')) return 3;
  if (/^src\/(report|cli|web)\//.test(file) || /^src\/(index|library\.node)\.ts$/.test(file)) return 4;
  throw new Error(`${file} belongs to no layer`);
}

test('there is no other top-level folder', () => {
  const known = ['shaders', 'src', 'runtime', 'test', 'bench', 'dist', 'docs', 'scripts', 'node_modules', 'runs'];
  const other = readdirSync(root, { withFileTypes: true })
    .filter((e) => e.isDirectory() && !e.name.startsWith('.') && !known.includes(e.name))
    .map((e) => e.name);
  assert.equal(other, []);
});

test('imports go one way', () => {
  const wrong: string[] = [];
  for (const file of sources) {
    for (const { from } of imports(file)) {
      if (!from.startsWith('.')) continue;
      const target = relative(root, resolve(root, dirname(file), from));
      if (target === 'package.json') continue;
      if (layer(target) > layer(file)) wrong.push(`${file} imports ${target}`);
    }
  }
  assert.equal(wrong, []);
});

test('src/train knows no concrete scheme', () => {
  const allowed = ['scheme.ts', 'step.ts'];
  const wrong = sources
    .filter((f) => f.startsWith('src/train/'))
    .flatMap((f) =>
      imports(f)
        .filter(({ from }) => from.includes('/schemes/') && !allowed.some((a) => from.endsWith(`/${a}`)))
        .map(({ from }) => `${f} imports ${from}`),
    );
  assert.equal(wrong, []);
});

test('Node is used only where it belongs', () => {
  const allowed = (f: string): boolean =>
    f.startsWith('runtime/device/node/') ||
    /^runtime\/(node|kernel\/build)\.ts$/.test(f) ||
    f === 'src/report/build.ts' ||
    /\.node\.ts$/.test(f) ||
    f.startsWith('src/cli/');
  const node = (from: string): boolean =>
    from.startsWith('node:') || ['sharp', 'webgpu', 'commander', 'esbuild'].includes(from);
  const direct = sources
    .filter((f) => !allowed(f))
    .flatMap((f) =>
      imports(f)
        .filter(({ from }) => node(from))
        .map(({ from }) => `${f} imports ${from}`),
    );
  assert.equal(direct, []);
  const through = sources
    .filter((f) => !allowed(f))
    .flatMap((f) =>
      imports(f)
        .filter(({ from, typeOnly }) => !typeOnly && from.endsWith('.node.ts'))
        .map(({ from }) => `${f} imports ${from}`),
    );
  assert.equal(through, []);
});

test('every operation has a test of its own name, every shader is used', () => {
  for (const folder of ['runtime/ops', 'src/ops']) {
    // A large operation is a folder of its own, with an index.
    const files = readdirSync(join(root, folder), { withFileTypes: true })
      .filter((e) => e.name !== 'index.ts')
      .map((e) => (e.isDirectory() ? `${e.name}/index.ts` : e.name));
    const ops = files.map((f) => f.replace(/(\/index)?\.ts$/, ''));
    assert.equal(
      ops.filter((op) => !existsSync(join(root, `test/ops/${op}.test.ts`))),
      [],
    );
    const index = readFileSync(join(root, folder, 'index.ts'), 'utf8');
    assert.equal(
      files.filter((f) => !index.includes(`'./${f}'`)),
      [],
    );
  }
  const code = sources.map((f) => readFileSync(join(root, f), 'utf8')).join('\n');
  const shaders = walk('shaders').filter((f) => !f.startsWith('shaders/shared/'));
  assert.equal(
    shaders.map((f) => basename(f, '.wgsl')).filter((s) => !code.includes(`'${s}'`)),
    [],
  );
  const imported = shaders.map((f) => readFileSync(join(root, f), 'utf8')).join('\n');
  const unused = walk('shaders/shared').filter(
    (f) => !new RegExp(`^// #import ${basename(f, '.wgsl')}$`, 'm').test(imported),
  );
  assert.equal(unused, []);
});

test('files stay small', () => {
  // Bytes, so that longer lines buy nothing.
  const bytes = (f: string): number => readFileSync(join(root, f)).length;
  const typescript = [...sources, ...walk('test'), ...walk('bench')].filter(
    (f) => f.endsWith('.ts') && !/\/(node_modules|generated\.ts)/.test(f),
  );
  assert.equal(
    typescript.filter((f) => bytes(f) > 16_000),
    [],
  );
  assert.equal(
    walk('shaders').filter((f) => bytes(f) > 11_000),
    [],
  );
});

test('no line is too long to read', () => {
  const long = [...sources, ...walk('test'), ...walk('bench'), ...walk('shaders')].filter(
    (f) =>
      /\.(ts|wgsl)$/.test(f) &&
      !/\/(node_modules|dist|generated\.ts)/.test(f) &&
      /^.{141,}/m.test(readFileSync(join(root, f), 'utf8')),
  );
  assert.equal(long, []);
});

test('links of the guides lead somewhere, the README is short', () => {
  const guides = ['.', 'docs']
    .flatMap((f) => readdirSync(join(root, f)).map((name) => join(f, name)))
    .filter((f) => f.endsWith('.md'));
  const read = (f: string): string => readFileSync(join(root, f), 'utf8');
  const anchors = (f: string): string[] =>
    [...read(f).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .replace(/\s/g, '-'),
    );
  const broken: string[] = [];
  for (const guide of guides) {
    for (const [, target] of read(guide).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path, anchor] = target.split('#');
      const file = path ? join(dirname(guide), path) : guide;
      if (!existsSync(join(root, file)) || (anchor && !anchors(file).includes(anchor)))
        broken.push(`${guide}: ${target}`);
    }
  }
  assert.equal(broken, []);
  assert.ok(read('README.md').split('\n').length <= 150);
});

test.run();
