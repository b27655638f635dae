// Packs Node, Dawn, the built project and the benchmark into one archive for a machine with a GPU and nothing else:
//   npm run bench:bundle
// It is made on Linux x86-64 from what is installed there, and runs where glibc is 2.34 or later.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Bytes that the archive may have. */
export const MOST_BYTES = 60e6;
export const NAME = 'fewmask-bench';

/**
 * For machines that lack them: libstdc++, and what NVIDIA's driver needs of X11 and of the vendor-neutral dispatch.
 * Those that are not here stay out.
 */
const CARRIED = [
  'libstdc++.so.6',
  'libgcc_s.so.1',
  'libX11.so.6',
  'libXext.so.6',
  'libxcb.so.1',
  'libXau.so.6',
  'libXdmcp.so.6',
  'libbsd.so.0',
  'libmd.so.0',
  'libGLdispatch.so.0',
  'libEGL.so.1',
  'libGLX.so.0',
];

/** A library's path; null where this machine does not have it. */
function library(name: string): string | null {
  const folder = ['/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu', '/usr/lib64', '/lib64', '/usr/lib'].find((f) =>
    existsSync(join(f, name)),
  );
  return folder ? realpathSync(join(folder, name)) : null;
}

/** Is all here that the archive is made of? @returns what is missing */
export function missing(): string[] {
  return [
    ...(process.platform === 'linux' && process.arch === 'x64' ? [] : ['a Linux machine on x86-64']),
    ...(library('libvulkan.so.1') ? [] : ['the Vulkan loader libvulkan.so.1 (npm run setup)']),
    ...(existsSync(`${root}dist/fewmask.mjs`) ? [] : ['the built project (npm run build)']),
  ];
}

/** Lays the files of the archive out in a folder. */
export async function stage(folder: string): Promise<void> {
  const lacking = missing();
  if (lacking.length) throw new Error(`the bundle cannot be made: there is no ${lacking.join(', no ')}`);
  rmSync(folder, { recursive: true, force: true });
  const put = (from: string, to: string): void => {
    mkdirSync(dirname(join(folder, to)), { recursive: true });
    copyFileSync(from, join(folder, to));
  };
  put(process.execPath, 'bin/node');
  const webgpu = dirname(createRequire(import.meta.url).resolve('webgpu'));
  for (const file of ['index.js', 'package.json', 'LICENSE.md', 'dist/linux-x64/dawn.node'])
    put(join(webgpu, file), `node_modules/webgpu/${file}`);
  // Dawn looks for the loader beside itself first.
  put(library('libvulkan.so.1')!, 'node_modules/webgpu/dist/linux-x64/libvulkan.so.1');
  for (const name of CARRIED) {
    const path = library(name);
    if (path) put(path, `lib/${name}`);
  }
  for (const file of ['bin/node', 'node_modules/webgpu/dist/linux-x64/dawn.node']) {
    try {
      execFileSync('strip', [join(folder, file)]);
    } catch {
      // Larger, and as good.
    }
  }
  for (const file of [
    'fewmask.mjs',
    'decodeWorker.node.mjs',
    ...readdirSync(`${root}dist/chunks`).map((f) => `chunks/${f}`),
  ].filter((f) => f.endsWith('.mjs')))
    put(`${root}dist/${file}`, `dist/${file}`);
  put(`${root}bench/engines/torchWorker.py`, 'bench/engines/torchWorker.py');
  put(`${root}package.json`, 'package.json');
  for (const file of ['run.sh', 'README.txt']) put(`${root}bench/bundle/${file}`, file);
  chmodSync(join(folder, 'run.sh'), 0o755);
  await build({
    entryPoints: {
      gpu: `${root}bench/gpuBench.ts`,
      launch: `${root}bench/bundle/launch.ts`,
      probe: `${root}bench/bundle/probe.ts`,
    },
    outdir: join(folder, 'bench'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    minifySyntax: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['webgpu', 'sharp'],
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
    logLevel: 'warning',
  });
  writeFileSync(join(folder, 'LICENSES.txt'), licences(folder));
}

/** The licences that ask to travel along, as far as this machine has their texts. */
function licences(folder: string): string {
  const texts: [string, string][] = [
    ['fewmask', `${root}LICENSE`],
    ['packages within the command line', `${root}dist/LICENSES.txt`],
    ['Dawn and its Node bindings', join(folder, 'node_modules/webgpu/LICENSE.md')],
  ];
  for (const path of [
    join(dirname(dirname(realpathSync(process.execPath))), 'LICENSE'),
    '/usr/share/doc/nodejs/LICENSE',
  ])
    texts.push(['Node.js', path]);
  for (const name of [
    'libvulkan1',
    'libstdc++6',
    'libx11-6',
    'libxext6',
    'libxcb1',
    'libxau6',
    'libxdmcp6',
    'libbsd0',
    'libmd0',
    'libglvnd0',
  ])
    texts.push([name, `/usr/share/doc/${name}/copyright`]);
  return texts
    .filter(([, path]) => existsSync(path))
    .map(([name, path]) => `${name}\n\n${readFileSync(path, 'utf8').trim()}\n`)
    .join('\n----\n\n');
}

/** Bytes of all files in a folder. */
export function bytesOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).reduce(
    (n, e) => n + (e.isFile() ? statSync(join(e.parentPath ?? e.path, e.name)).size : 0),
    0,
  );
}

/** Makes the archive. @returns its path and size */
async function pack(): Promise<{ archive: string; bytes: number }> {
  const target = `${root}bench/dist`;
  const folder = join(target, NAME);
  const archive = join(target, `${NAME}-linux-x64.tar.xz`);
  await stage(folder);
  execFileSync(
    'tar',
    ['--owner=0', '--group=0', '--numeric-owner', '--sort=name', '-C', target, '-cJf', archive, NAME],
    { stdio: 'inherit', env: { ...process.env, XZ_OPT: '-9 -T1' } },
  );
  return { archive, bytes: statSync(archive).size };
}

if (basename(process.argv[1] ?? '') === 'bundle.ts') {
  try {
    const { archive, bytes } = await pack();
    console.log(`${archive}: ${(bytes / 1e6).toFixed(1)} MB`);
    if (bytes > MOST_BYTES) {
      console.error(`that is more than ${MOST_BYTES / 1e6} MB`);
      process.exitCode = 1;
    }
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
