// Decoding threads: results and errors as without them, in sources and in a bundle, and a way on where threads do not
// start.

import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, errorText } from '../../runtime/errors.ts';
import { runJob, type FileJob } from '../../src/data/decodeJobs.node.ts';
import { DecodePool } from '../../src/data/decodePool.node.ts';
import { colourMask, removeFolders, tempFolder, vocFolder, write } from '../support/files.ts';

test.after(removeFolders);

const file = (root: string, id: string, mask: string | null): FileJob => ({
  kind: 'file',
  image: join(root, `JPEGImages/${id}.jpg`),
  mask: mask && join(root, `SegmentationClass/${mask}.png`),
  numClasses: 3,
  size: null,
});

test('threads give what this thread gives, and errors with type, message and hint', async () => {
  const root = await vocFolder((r) => write(r, { 'SegmentationClass/rgb.png': colourMask() }));
  const warnings: string[] = [];
  const pool = new DecodePool({ threads: 2, warn: (m) => warnings.push(m) });
  const jobs = [file(root, 'a', 'a'), file(root, 'b', 'b'), file(root, 'c', null), file(root, 'v', 'v')];
  const results = await Promise.all([...jobs, ...jobs].map((j) => pool.run(j)));
  assert.equal(results, await Promise.all([...jobs, ...jobs].map((j) => runJob(j))));
  assert.equal(
    (await pool.run({ kind: 'mask', mask: join(root, 'SegmentationClass/a.png') })).counts.subarray(0, 3),
    Uint32Array.of(48, 0, 48),
  );
  for (const job of [
    file(root, 'a', 'rgb'),
    file(root, 'zz', null),
    file(root, 'a', 'c'),
    { ...file(root, 'a', 'a'), numClasses: 2 },
    file(root, 'd', 'd'),
  ]) {
    const [there, here] = await Promise.all(
      [pool.run(job), runJob(job)].map((p) =>
        p.then(
          () => assert.unreachable('nothing was refused'),
          (e: DataError) => e,
        ),
      ),
    );
    assert.instance(there, DataError);
    assert.equal([there!.name, there!.message, there!.hint], [here!.name, here!.message, here!.hint]);
  }
  assert.equal(warnings, [], 'threads were used');
  const late = pool.run(jobs[0]).catch((e: Error) => errorText(e));
  await pool.close();
  await pool.close();
  assert.match(String(await late), /was closed/);
  assert.match(String(await pool.run(jobs[0]).catch((e: Error) => errorText(e))), /was closed/);
});

test('threads that do not start, or end, are said once, and the work is done all the same', async () => {
  const root = await vocFolder();
  const absent = join(root, 'absent.mjs');
  const ends = join(root, 'ends.mjs');
  writeFileSync(
    ends,
    "import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(3)); parentPort.postMessage('ready');",
  );
  for (const [module, reason] of [
    [absent, /Cannot find module/],
    [ends, /ended with code 3/],
  ] as const) {
    const warnings: string[] = [];
    const pool = new DecodePool({ threads: 2, module: pathToFileURL(module), warn: (m) => warnings.push(m) });
    const results = await Promise.all(['a', 'b', 'v'].map((id) => pool.run(file(root, id, id))));
    assert.equal(
      results.map((r) => r.texels[1] >>> 24),
      [2, 1, 2],
    );
    assert.is(warnings.length, 1);
    assert.match(warnings[0], reason);
    assert.match(warnings[0], /decoded on the main thread/);
    await pool.close();
  }
});

test('in a bundle, with the worker beside it; an open pool does not keep the process alive', async () => {
  const project = join(dirname(fileURLToPath(import.meta.url)), '../..');
  const out = tempFolder();
  const root = await vocFolder();
  mkdirSync(join(out, 'dist'));
  symlinkSync(join(project, 'node_modules'), join(out, 'node_modules'));
  await build({
    entryPoints: {
      data: join(project, 'src/data/open.node.ts'),
      'decodeWorker.node': join(project, 'src/data/decodeWorker.node.ts'),
    },
    outdir: join(out, 'dist'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  });
  writeFileSync(
    join(out, 'run.mjs'),
    `
    import { openDataset } from './dist/data.mjs';
    const set = await openDataset({ path: ${JSON.stringify(root)}, labels: 'labelled' }, {
      threads: 1, warn: (m) => console.log('warned: ' + m),
    });
    console.log([...(await set.load('a', { labels: true })).labels.subarray(0, 4)].join());
  `,
  );
  assert.is(
    execFileSync(process.execPath, [join(out, 'run.mjs')], { encoding: 'utf8', timeout: 60000 }).trim(),
    '0,2,0,2',
  );
});

test.run();
