// The package as npm would publish it, packed once for all tests of the process and unpacked where `import 'fewmask'`
// finds it.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

export interface Packed {
  /** The file that `npm pack` made. */
  tarball: string;
  /** A project of a user: `node_modules/fewmask` and nothing else. */
  folder: string;
  /** node_modules/fewmask in it. */
  package: string;
  /** Paths in the package. */
  files: string[];
}

let made: Promise<Packed> | undefined;

/** Builds, packs and unpacks the package. */
export function packed(): Promise<Packed> {
  return (made ??= make());
}

async function make(): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'fewmask-pack-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const npm =
    process.env.npm_execpath && /npm-cli\.c?js$/.test(process.env.npm_execpath)
      ? [process.execPath, process.env.npm_execpath]
      : ['npm'];
  const { stdout } = await run(npm[0], [...npm.slice(1), 'pack', '--json', '--pack-destination', folder], {
    cwd: root,
    maxBuffer: 1 << 26,
  });
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [
    { filename: string; files: { path: string }[] },
  ];
  const tarball = join(folder, filename);
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  await run('tar', ['-xzf', tarball, '-C', modules]);
  cpSync(join(modules, 'package'), join(modules, 'fewmask'), { recursive: true });
  rmSync(join(modules, 'package'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }\n');
  return { tarball, folder, package: join(modules, 'fewmask'), files: files.map((f) => f.path) };
}

/** Another project beside it with some of this project's packages installed too; `files` are written into it. */
export function consumer(p: Packed, name: string, packages: readonly string[], files: Record<string, string>): string {
  const folder = join(p.folder, name);
  const modules = join(folder, 'node_modules');
  mkdirSync(modules, { recursive: true });
  // A link would be followed, and its neighbours looked for where it leads.
  cpSync(p.package, join(modules, 'fewmask'), { recursive: true });
  for (const other of packages) {
    mkdirSync(dirname(join(modules, other)), { recursive: true });
    symlinkSync(join(root, 'node_modules', other), join(modules, other));
  }
  for (const [path, text] of Object.entries({ 'package.json': '{ "type": "module", "private": true }\n', ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** What a user would write to see that it works: a step of gradient descent, whose numbers are known. */
export const STEP = `
import { grad, matmul, mean, square } from 'fewmask/engine';
export async function step(device) {
  const x = device.tensor([1, 2, 3, 4, 5, 6], [3, 2]), w = device.tensor([0.5, -0.25], [2, 1]);
  w.requiresGrad = true;
  const [dw] = device.scope(() => grad(mean(square(matmul(x, w))), [w]));
  const d = await dw.read(), before = await w.read();
  return { before: [...before], after: [...before].map((v, i) => v - 0.01 * d[i]) };
}
`;
/** w - 0.01 * 2/3 * x'(x w): x w = [0, 0.5, 1], x'(x w) = [6.5, 8]. */
export const AFTER = [0.5 - 0.01 * (2 / 3) * 6.5, -0.25 - 0.01 * (2 / 3) * 8];

/** The relative error of a step. */
export function errorOf(after: readonly number[]): number {
  return Math.max(...AFTER.map((v, i) => Math.abs(after[i] - v) / Math.abs(v)));
}

/** The package's own package.json. */
export function manifest(p: Packed): Record<string, unknown> {
  return JSON.parse(readFileSync(join(p.package, 'package.json'), 'utf8'));
}

export { root, run };
