// The package: what is in it, that checkers of packages find nothing to say, that types resolve, and what is said where
// an optional package is missing.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { consumer, manifest, packed, root, run } from '../support/packed.ts';

test('it holds what is needed, and nothing installs or runs by itself', async () => {
  const p = await packed();
  const { files } = p;
  const m = manifest(p);
  for (const f of [
    'LICENSE',
    'README.md',
    'package.json',
    'dist/fewmask.mjs',
    'dist/LICENSES.txt',
    'dist/lib/runtime/index.js',
    'dist/lib/runtime/kernel/generated.js',
    'dist/lib/src/index.d.ts',
  ])
    assert.ok(files.includes(f), f);
  const expected = [
    /^(LICENSE|README\.md|package\.json|dist\/LICENSES\.txt)$/,
    /^dist\/(fewmask|decodeWorker\.node)\.mjs$/,
    /^dist\/chunks\/[\w.-]+\.mjs$/,
    /^dist\/lib\/(runtime|src)\/[\w/]+(\.d\.ts|\.js)$/,
  ];
  assert.equal(
    files.filter((f) => !expected.some((e) => e.test(f))),
    [],
  );
  assert.is(m.dependencies, undefined);
  assert.is(m.sideEffects, false);
  assert.equal(
    Object.keys(m.scripts as object).filter((s) => /install|^prepare$/.test(s)),
    [],
  );
  assert.equal(Object.keys(m.exports as object), [
    '.',
    './engine',
    './node',
    './browser',
    './onnx',
    './safetensors',
    './package.json',
  ]);
  assert.equal(
    Object.values(m.peerDependenciesMeta as Record<string, { optional: boolean }>).map((o) => o.optional),
    [true, true, true],
  );
});

test('only ./node and the command line know Node; the engine imports no package', async () => {
  const p = await packed();
  const outside: string[] = [];
  for (const f of p.files.filter((name) => name.startsWith('dist/lib/') && name.endsWith('.js'))) {
    for (const [, from] of readFileSync(join(p.package, f), 'utf8')
      .replace(/\/\*[^]*?\*\//g, '')
      .matchAll(/(?:from\s+|import\(|import\s+)['"]([^'"]+)['"]/g)) {
      if (!from.startsWith('.') && !f.startsWith('dist/lib/runtime/device/node/')) outside.push(`${f}: ${from}`);
      if (from.startsWith('.')) assert.ok(from.endsWith('.js'), `${f}: ${from}`);
    }
  }
  assert.equal(outside, []);
});

test('publint has nothing to say', async () => {
  const p = await packed();
  const { messages } = await publint({ pkgDir: p.package, strict: true });
  assert.equal(
    messages.map((m) => `${m.code} ${m.path.join('.')}`),
    [],
  );
});

test('attw finds every type', async () => {
  const p = await packed();
  const attw = join(
    root,
    'node_modules/@arethetypeswrong/cli',
    (
      JSON.parse(readFileSync(join(root, 'node_modules/@arethetypeswrong/cli/package.json'), 'utf8')) as {
        bin: { attw: string };
      }
    ).bin.attw,
  );
  // The profile leaves out what asks by require(): the package is ESM. Anything else ends with an exit code.
  const { stdout } = await run(process.execPath, [attw, p.tarball, '--profile', 'esm-only', '--format', 'json'], {
    maxBuffer: 1 << 26,
  }).catch((e: { stdout: string }) => assert.unreachable(e.stdout) as never);
  const { problems } = JSON.parse(stdout) as { problems: Record<string, { resolutionKind?: string }[]> };
  assert.equal(
    Object.values(problems)
      .flat()
      .filter((o) => o.resolutionKind !== 'node10' && o.resolutionKind !== 'node16-cjs'),
    [],
  );
});

const USE = `
import { relu, grad, type Tensor } from 'fewmask/engine';
import { openNode } from 'fewmask/node';
import { openBrowser } from 'fewmask/browser';
import { UNet, losses, scores } from 'fewmask';
const device = await (process.argv.length > 9 ? openBrowser() : openNode());
const y: Tensor = relu(device.tensor([1, -1], [2]));
const g: Tensor[] = grad(y, [y], { dy: y });
const net = new UNet(device, { classes: 2, seed: 1 } as never);
const l: Tensor = losses.ceValid(y, y);
const s: number = scores([1, 0, 0, 1], 2).miou;
// @ts-expect-error a number is not a tensor
relu(3 as string);
export { g, net, l, s };
`;

test('types for a user, strictly', async () => {
  const p = await packed();
  const options = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable', 'webworker.asynciterable'],
    types: ['@webgpu/types', 'node'],
    strict: true,
    skipLibCheck: false,
    noEmit: true,
  };
  const folder = consumer(p, 'types', ['@webgpu/types', '@types/node', 'undici-types'], {
    'use.ts': USE,
    'tsconfig.json': JSON.stringify({ compilerOptions: options, files: ['use.ts'] }),
  });
  const { stdout } = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]).catch(
    (e: { stdout: string }) => e,
  );
  assert.is(stdout, '');
});

test('without the package webgpu, and without sharp, it is said what to install', async () => {
  const p = await packed();
  const folder = consumer(p, 'bare', [], {
    'open.js':
      "import { openNode } from 'fewmask/node';\nimport { DeviceError, errorText } from 'fewmask/engine';\nawait " +
      'openNode().catch((e) => console.log(`${e instanceof DeviceError} ${errorText(e)}`));\n',
  });
  const { stdout } = await run(process.execPath, [join(folder, 'open.js')]);
  assert.is(stdout, 'true WebGPU in Node is the package webgpu (Dawn), which is not installed — npm install webgpu\n');
  const cli = join(p.package, 'dist/fewmask.mjs');
  assert.match((await run(process.execPath, [cli, '--help'])).stdout, /fewmask/);
  const failed = await run(process.execPath, [cli, 'inspect', '--images', 'test/data', '--masks', 'test/data'], {
    cwd: root,
  }).catch((e: { code: number; stderr: string }) => e);
  assert.is((failed as { code: number }).code, 1);
  assert.not.match(failed.stderr, /\bat .*:\d+:\d+|ERR_MODULE/);
});

test.run();
