// Bundles the benchmark into bench/dist, the peers with it: TensorFlow.js's modules do not load in Node as they are.
// Installs the peers where they are missing.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
if (!existsSync(`${here}node_modules`))
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' });

await build({
  entryPoints: {
    run: `${here}run.ts`,
    firstStep: `${here}firstStep.ts`,
    'decodeWorker.node': `${here}../src/data/decodeWorker.node.ts`,
  },
  outdir: `${here}dist`,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  mainFields: ['module', 'main'],
  external: ['webgpu', 'sharp', 'fast-png', 'commander', 'onnxruntime-web'],
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
  },
  logLevel: 'warning',
});
