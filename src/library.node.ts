// Build step: the library into dist/lib, a file of JavaScript and one of types for every file of the sources, so that a
// bundler takes only what is used.
// The entries of the package are those of tsconfig.build.json.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'dist/lib');
rmSync(folder, { recursive: true, force: true });
execFileSync(
  process.execPath,
  [createRequire(import.meta.url).resolve('typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')],
  { stdio: 'inherit' },
);
const platform = join(folder, 'runtime/platform.d.ts');
const known = [...readFileSync(platform, 'utf8').matchAll(/^export type (\w+)/gm)].map(([, name]) => name);
/** The import of the platform's types that a file names outside of its comments. */
function platformTypes(path: string, text: string): string {
  const code = text.replace(/\/\*[^]*?\*\//g, '');
  const named = path === platform ? [] : known.filter((name) => new RegExp(`\\b${name}\\b`).test(code));
  const from = relative(dirname(path), platform)
    .replace(/\\/g, '/')
    .replace(/\.d\.ts$/, '.js');
  return named.length
    ? `import type { ${named.join(', ')} } from '${from.startsWith('.') ? from : `./${from}`}';\n`
    : '';
}
for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.d.ts')) continue;
  const path = join(folder, file);
  // tsc rewrites the endings of imports in JavaScript only.
  const text = readFileSync(path, 'utf8').replace(/((?:from|import\()\s*['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2');
  writeFileSync(path, platformTypes(path, text) + text);
}
