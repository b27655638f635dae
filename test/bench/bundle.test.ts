// The archive for GPU machines, unpacked: what is in it, and that it runs with an empty environment.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, missing, stage } from '../../bench/bundle.ts';

const script = fileURLToPath(new URL('../../bench/bundle/run.sh', import.meta.url));

test('run.sh is a POSIX script that uses no program but the shell', () => {
  if (process.platform === 'win32') return;
  assert.is(spawnSync('sh', ['-n', script]).status, 0);
  assert.not.match(readFileSync(script, 'utf8'), /\b(dirname|basename|readlink|grep|sed|find|mkdir|env)\b/);
});

const lacking = missing();
if (lacking.length) console.log(`the bundle is not tested: there is no ${lacking.join(', no ')}`);
else {
  const folder = mkdtempSync(join(tmpdir(), 'fewmask-bundle-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));

  test('the bundle has what it needs, and no images', async () => {
    await stage(folder);
    for (const file of [
      'run.sh',
      'README.txt',
      'LICENSES.txt',
      'package.json',
      'bin/node',
      'node_modules/webgpu/index.js',
      'node_modules/webgpu/dist/linux-x64/dawn.node',
      'node_modules/webgpu/dist/linux-x64/libvulkan.so.1',
      'lib/libstdc++.so.6',
      'dist/fewmask.mjs',
      'bench/gpu.mjs',
      'bench/launch.mjs',
      'bench/probe.mjs',
      'bench/engines/torchWorker.py',
    ])
      assert.ok(existsSync(join(folder, file)), file);
    assert.is(
      execFileSync('sh', ['-c', `find '${folder}' -name '*.jpg' -o -name '*.png' -o -name '*.map'`], {
        encoding: 'utf8',
      }),
      '',
    );
    // xz makes a quarter of it: the archive stays far below its 60 MB, which the command itself checks.
    assert.ok(bytesOf(folder) < 150e6, String(bytesOf(folder)));
  });

  test('it runs with no environment: a case is measured, results are written', () => {
    const out = join(folder, 'out');
    const { status, stdout, stderr } = spawnSync(
      '/bin/sh',
      [join(folder, 'run.sh'), '--out', out, 'bench', '--quick', '--no-torch', '--only', '^matmul-96$'],
      { env: {}, encoding: 'utf8', timeout: 120_000 },
    );
    assert.is(status, 0, stderr.slice(-1000));
    assert.match(stdout, /^matmul-96 +fewmask +\d/m);
    const { cases } = JSON.parse(readFileSync(join(out, 'gpu.json'), 'utf8')) as {
      cases: { name: string; results: { right?: boolean }[] }[];
    };
    assert.equal(
      cases.map((c) => [c.name, c.results[0].right]),
      [['matmul-96', true]],
    );
    assert.match(readFileSync(join(out, 'driver.txt'), 'utf8'), /^as the machine is: /m);
  });

  test('a wrong word is refused', () => {
    const { status, stderr } = spawnSync('/bin/sh', [join(folder, 'run.sh'), 'dance'], { env: {}, encoding: 'utf8' });
    assert.is(status, 2);
    assert.match(stderr, /^usage: /m);
  });
}

test.run();
