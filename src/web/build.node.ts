// Bundles the page into a folder: page.js, worker.js, style.css, index.html. All of it is static: any web server can
// serve it.

import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));

/** @param folder where to (default dist/web beside the sources) */
export async function buildWeb(folder = join(here, '../../dist/web')): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: ['page.ts', 'worker.ts', 'style.css'].map((f) => join(here, f)),
    outdir: folder,
    bundle: true,
    minify: true,
    sourcemap: 'linked',
    format: 'esm',
    platform: 'browser',
    target: ['chrome119', 'firefox121', 'safari17.4'],
    charset: 'utf8',
    legalComments: 'linked',
    logLevel: 'warning',
  });
  copyFileSync(join(here, 'index.html'), join(folder, 'index.html'));
  return folder;
}
