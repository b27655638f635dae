// The packed files at work: in every Node that is here, in a thread, bundled, on a page and in a worker of a real
// browser. The same step gives the same numbers.

import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cacheFolder } from '../../runtime/device/node/cache.ts';
import { ENGINE, SEGMENTATION } from '../../runtime/kernel/generated.ts';
import { chromiumPath, launchChromium, WEBGPU } from '../support/chromium.ts';
import { consumer, errorOf, packed, run, STEP } from '../support/packed.ts';

const MOST = 96_000;

const GLOBALS = `const keys = () => Reflect.ownKeys(globalThis).map(String).sort().join();\n`;
const MAIN = `${GLOBALS}const before = keys();
const { step } = await import('./step.js');
const { openNode } = await import('fewmask/node');
const { UNet } = await import('fewmask');
const device = await openNode();
const first = await step(device);
device.close();
const { Worker } = await import('node:worker_threads');
let ticks = 0;
const timer = setInterval(() => ticks++, 1);
const worker = new Worker(new URL('./thread.js', import.meta.url));
const second = await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); });
clearInterval(timer);
console.log(JSON.stringify({ after: first.after, thread: second, same: before === keys(), ticks, unet: typeof UNet,
  version: process.versions.node }));
`;
const THREAD = `import { parentPort } from 'node:worker_threads';
import { openNode } from 'fewmask/node';
import { step } from './step.js';
const device = await openNode();
parentPort.postMessage((await step(device)).after);
device.close();
`;

/**
 * Programs of Node by version: this one; those in FEWMASK_NODES, by colons; those that lie in the cache folder as
 * node-VERSION/bin/node.
 */
async function nodes(): Promise<string[]> {
  const folder = cacheFolder();
  const cached = existsSync(folder)
    ? (await readdir(folder)).filter((f) => f.startsWith('node-')).map((f) => join(folder, f, 'bin/node'))
    : [];
  return [process.execPath, ...(process.env.FEWMASK_NODES ?? '').split(':'), ...cached].filter(
    (f) => f && existsSync(f),
  );
}

test('in Node 20, 22 and 24, on the main thread and in another, with nothing left on globalThis', async () => {
  const folder = consumer(await packed(), 'node', ['webgpu'], {
    'step.js': STEP,
    'main.js': MAIN,
    'thread.js': THREAD,
  });
  const ran = new Set<string>();
  for (const node of await nodes()) {
    const { stdout } = await run(node, [join(folder, 'main.js')]);
    const result = JSON.parse(stdout.trim().split('\n').at(-1)!) as {
      after: number[];
      thread: number[];
      same: boolean;
      ticks: number;
      unet: string;
      version: string;
    };
    assert.ok(errorOf(result.after) < 1e-6, `Node ${result.version}: ${result.after}`);
    assert.equal(result.thread, result.after);
    assert.ok(result.same, `Node ${result.version}: globalThis was changed`);
    assert.ok(result.ticks > 3);
    assert.is(result.unet, 'function');
    ran.add(result.version.split('.')[0]);
  }
  const missing = ['20', '22', '24'].filter((v) => !ran.has(v));
  if (missing.length > 0)
    console.log(
      `skipped: the package in Node ${missing.join(', ')}: not here (name their programs in FEWMASK_NODES, ` +
        'or "npm run setup -- --with-nodes")',
    );
});

/** A bundle for browsers of a program in a folder, minified. */
async function bundle(folder: string, text: string, platform: 'browser' | 'node' = 'browser'): Promise<string> {
  const result = await build({
    stdin: { contents: text, resolveDir: folder },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform,
    target: 'es2022',
    external: platform === 'node' ? ['webgpu'] : [],
    absWorkingDir: folder,
    logLevel: 'silent',
  });
  assert.equal(
    result.warnings.filter((w) => w.id !== 'ignored-bare-import').map((w) => w.text),
    [],
  );
  return result.outputFiles[0].text;
}

test(`the engine with all shaders is under ${MOST / 1000} kB`, async () => {
  const folder = consumer(await packed(), 'size', [], {});
  const code = await bundle(folder, "export * from 'fewmask/engine';");
  const size = gzipSync(code, { level: 9 }).length;
  console.log(
    `fewmask/engine, minified: ${(code.length / 1000).toFixed(1)} kB, by gzip ${(size / 1000).toFixed(1)} kB`,
  );
  // All that its operations launch, and none of the segmentation library's.
  const holds = (name: string): boolean => new RegExp(`\\b${name}:["\`]`).test(code);
  assert.equal(
    Object.keys(ENGINE).filter((name) => !holds(name)),
    [],
  );
  assert.equal(Object.keys(SEGMENTATION).filter(holds), []);
  assert.ok(size < MOST, `${size} bytes`);
});

test('bundled: what is not used is left out, and what is used works', async () => {
  const folder = consumer(await packed(), 'bundle', ['webgpu'], { 'step.js': STEP });
  for (const entry of ['fewmask', 'fewmask/engine', 'fewmask/browser'])
    assert.is((await bundle(folder, `import '${entry}';`)).trim(), '', entry);
  const whole = await bundle(folder, "export * from 'fewmask/engine';");
  // Of the operations only these two, and those that their gradients are made of.
  const small =
    "import { grad, relu } from 'fewmask/engine'; import { openNode } from 'fewmask/node';\nconst d = " +
    'await openNode(), x = d.tensor([3, -3], [2]); x.requiresGrad = true;\n';
  const part = await bundle(folder, `${small}export { grad, relu };`, 'node');
  assert.ok(part.length < whole.length, `${part.length} of ${whole.length}`);
  assert.not.match(part, /inverse of the covariance|scaledDotProductAttention/);
  const programs = {
    // The two halves meet in x: their gradients are added. A second output depends on nothing: its gradient is zeros.
    'part.mjs': await bundle(
      folder,
      `${small}const z = d.tensor([1], [1]); z.requiresGrad = true; const [g] = grad(relu(x), [x], { dy: ` +
        'd.tensor([2, 2], [2]) }); const [o] = grad(relu(d.tensor([1], [1])), [z]);\n' +
        'console.log(JSON.stringify([[...await g.read()], [...await o.read()]])); d.close();',
      'node',
    ),
    'step.mjs': await bundle(
      folder,
      "import { step } from './step.js'; import { openNode } from 'fewmask/node';\nconst d = await " +
        'openNode(); console.log(JSON.stringify((await step(d)).after)); d.close();',
      'node',
    ),
  };
  const outputs: Record<string, string> = {};
  for (const [name, code] of Object.entries(programs)) {
    const target = consumer(await packed(), `bundled-${name}`, ['webgpu'], { [name]: code });
    outputs[name] = (await run(process.execPath, [join(target, name)])).stdout.trim().split('\n').at(-1)!;
  }
  assert.is(outputs['part.mjs'], '[[2,0],[0]]');
  assert.ok(errorOf(JSON.parse(outputs['step.mjs']) as number[]) < 1e-6);
});

const PAGE = `<!doctype html><meta charset="utf-8"><title>fewmask</title>
<script type="importmap">{ "imports": { "fewmask": "/fewmask/dist/lib/src/index.js", "fewmask/engine": "/fewmask/dist/lib/runtime/index.js",
  "fewmask/browser": "/fewmask/dist/lib/runtime/browser.js" } }</script>
<script type="module" src="/page.js"></script>`;
const PAGE_JS = `${GLOBALS}
const before = keys();
try {
  const { step } = await import('./step.js');
  const { openBrowser } = await import('fewmask/browser');
  const { UNet } = await import('fewmask');
  const device = await openBrowser();
  const first = await step(device);
  // What is tuned is found again in IndexedDB by the device that is opened next.
  const { conv2d, ones } = await import('fewmask/engine'), { tune } = await import('fewmask/browser');
  const x = ones(device, [2, 24, 24, 16]), w = ones(device, [3, 3, 16, 16]), timed = device.gpu.features.has('timestamp-query');
  const tuned = timed ? await tune(device, () => ({ y: conv2d(x, w, undefined, { padding: 1 }) })) : null;
  const later = await openBrowser(), kept = later.choices;
  later.close();
  // A GPUDevice and a buffer of the page's own.
  const { Device, deviceDescriptor, relu } = await import('fewmask/engine');
  const adapter = await navigator.gpu.requestAdapter(), gpu = await adapter.requestDevice(deviceDescriptor(adapter));
  const own = new Device(gpu);
  const buffer = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
  gpu.queue.writeBuffer(buffer, 0, new Float32Array([1, -2, 3, -4]));
  const wrapped = [...await relu(own.wrap(buffer, [4])).read()], third = await step(own);
  own.close();
  await gpu.queue.onSubmittedWorkDone();
  buffer.destroy();
  const same = before === keys();
  let frames = 0, done = false;
  const count = () => { frames++; if (!done) requestAnimationFrame(count); };
  requestAnimationFrame(count);
  const worker = new Worker('/worker.js', { type: 'module' });
  const second = await new Promise((resolve, reject) => { worker.onmessage = (e) => resolve(e.data);
    worker.onerror = (e) => reject(new Error(e.message)); });
  done = true;
  document.title = JSON.stringify({ after: first.after, worker: second, own: third.after, wrapped, same, frames,
    unet: typeof UNet, tuned, kept });
} catch (error) {
  document.title = JSON.stringify({ error: String(error) });
}
`;
/** Workers have no import map: relative addresses. */
const WORKER_JS = `import { openBrowser } from './fewmask/dist/lib/runtime/browser.js';
import { grad, matmul, mean, square } from './fewmask/dist/lib/runtime/index.js';
${STEP.replace(/^import .*$/m, '').replace('export ', '')}
const device = await openBrowser();
postMessage((await step(device)).after);
`;
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };

/** Files of a folder, and of the package under /fewmask/, as any web server gives them. */
async function serveFolder(folder: string, pack: string): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const path = new URL(request.url!, 'http://localhost').pathname;
    const file = path.startsWith('/fewmask/')
      ? join(pack, path.slice(9))
      : join(folder, path === '/' ? 'index.html' : path.slice(1));
    const found = !path.includes('..') && existsSync(file);
    response
      .writeHead(found ? 200 : 404, { 'content-type': TYPES[extname(file)] ?? 'text/plain' })
      .end(found ? readFileSync(file) : 'nothing');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as { port: number }).port}/` };
}

const chromium = chromiumPath();
if (!chromium)
  console.log('skipped: the package in a browser: no Chromium (npm run setup -- --with-browser, or FEWMASK_CHROMIUM)');
else {
  test('unbundled in Chromium, on a page and in a worker, as static files', async () => {
    const p = await packed();
    const folder = consumer(p, 'page', [], {
      'index.html': PAGE,
      'page.js': PAGE_JS,
      'worker.js': WORKER_JS,
      'step.js': STEP,
    });
    const { server, url } = await serveFolder(folder, p.package);
    const browser = await launchChromium(chromium, WEBGPU);
    try {
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on(
        'response',
        (r) => r.status() >= 400 && !r.url().endsWith('favicon.ico') && complaints.push(`${r.status()} ${r.url()}`),
      );
      page.on('pageerror', (e) => complaints.push(String(e)));
      await page.goto(url);
      await page.waitForFunction(() => document.title.startsWith('{'), null, { timeout: 120_000 });
      const result = JSON.parse(await page.title()) as {
        error?: string;
        after: number[];
        worker: number[];
        own: number[];
        wrapped: number[];
        same: boolean;
        frames: number;
        unet: string;
        tuned: Record<string, string> | null;
        kept: Record<string, string>;
      };
      assert.is(result.error, undefined);
      assert.equal(complaints, []);
      assert.ok(errorOf(result.after) < 1e-6, String(result.after));
      assert.equal(result.worker, result.after);
      assert.equal(result.own, result.after);
      assert.equal(result.wrapped, [1, 0, 3, 0]);
      assert.ok(result.same, 'globalThis was changed');
      assert.ok(result.frames > 1, 'the page went on while the worker worked');
      assert.is(result.unet, 'function');
      if (result.tuned) {
        assert.ok(Object.keys(result.tuned).length > 0, 'nothing was tuned');
        assert.equal(result.kept, result.tuned);
      } else console.log('skipped: tuning in a browser: its adapter has no timestamps');
    } finally {
      await browser.close();
      server.close();
    }
  });
}

test.run();
