// Bundles the command line into dist/fewmask.mjs, with the packages that it needs. Those with native code stay outside:
// Dawn and sharp are installed beside it.

import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

// Chunks are named by their content: older ones would pile up.
rmSync('dist/chunks', { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: { fewmask: 'src/cli/main.ts', 'decodeWorker.node': 'src/data/decodeWorker.node.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['sharp', 'webgpu'],
  // commander is CommonJS and asks for modules of Node.
  banner: {
    js:
      "#!/usr/bin/env node\nimport { createRequire as createRequireOfNode } from 'node:module';\nconst " +
      'require = createRequireOfNode(import.meta.url);',
  },
  metafile: true,
  sourcemap: 'linked',
  logLevel: 'warning',
});
chmodSync('dist/fewmask.mjs', 0o755);

/** Their licences ask that they travel along. */
const bundled = [
  ...new Set(
    Object.keys(metafile.inputs).flatMap((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []),
  ),
].sort();
const licences = bundled.map((name) => {
  const file = ['LICENSE', 'LICENSE.md', 'license'].map((f) => `node_modules/${name}/${f}`).find(existsSync);
  if (!file) throw new Error(`${name} has no licence file`);
  return `${name}\n\n${readFileSync(file, 'utf8').trim()}\n`;
});
writeFileSync('dist/LICENSES.txt', `Packages within the command line (fewmask.mjs):\n\n${licences.join('\n---\n\n')}`);
