// Bundles the command line into dist/fewmask.mjs. Packages stay outside: they are installed, and some carry native code.

import { chmodSync } from 'node:fs';
import { build } from 'esbuild';

await build({
  entryPoints: { fewmask: 'src/cli/main.ts', 'decodeWorker.node': 'src/data/decodeWorker.node.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  banner: { js: '#!/usr/bin/env node' },
  sourcemap: 'linked',
  logLevel: 'warning',
});
chmodSync('dist/fewmask.mjs', 0o755);
