// The examples of the README and of docs/engine.md do what they say: each block is run as it stands, and what it made
// is checked.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = fileURLToPath(new URL('../..', import.meta.url));
const blocksOf = (page: string): { title: string; code: string }[] =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/([^\n]+)\n\n```ts\n(.*?)\n```/gs)].map(([, title, code]) => ({
    title,
    code,
  }));
const blocks = ['README.md', 'docs/engine.md'].flatMap(blocksOf);
const library = join(root, existsSync(join(root, 'src/index.ts')) ? 'src/index.ts' : 'src/nn/unet.ts');
const PACKAGES: Record<string, string> = {
  fewmask: library,
  'fewmask/engine': join(root, 'runtime/index.ts'),
  'fewmask/onnx': join(root, 'runtime/onnx.ts'),
};

/** What each block made, by the name in its heading, and what is to be true of it. */
const CHECKS: Record<string, { made: string; check(made: any): void }> = {
  'Linear regression': {
    made: '[await w.item(), await b.item()]',
    check: ([w, b]: number[]) => assert.ok(Math.abs(w - 2) < 1e-3 && Math.abs(b - 1) < 1e-3, `${w} x + ${b}`),
  },
  classifier: {
    made: 'right / 500',
    check: (share: number) => assert.ok(share > 0.95, `${share} of the digits are right`),
  },
  'U-Net': {
    made: '[await step.outputs.loss.item(), sgd.steps]',
    check: ([loss, steps]: number[]) =>
      assert.ok(loss < 0.5 && steps === 20, `the loss is ${loss} after ${steps} steps`),
  },
  'resume a run': {
    made: '[masks, same]',
    check([masks, same]: [string[], boolean]) {
      assert.is(new Set(masks).size, 4);
      assert.ok(same);
    },
  },
  kernel: {
    made: '[await x.read(), await y.read(), await dx.read()]',
    check([x, y, dx]: Float32Array[]) {
      const f = (v: number): number => Math.exp(-v * v);
      const h = 1e-4;
      x.forEach((v, i) => {
        assert.ok(Math.abs(y[i] - f(v)) < 1e-6, `y of ${v} is ${y[i]}`);
        assert.ok(Math.abs(dx[i] - (f(v + h) - f(v - h)) / (2 * h)) < 1e-5, `dx of ${v} is ${dx[i]}`);
      });
    },
  },
};

test('every block has a check', () => {
  const unchecked = blocks.filter(
    ({ title }) => Object.keys(CHECKS).filter((name) => title.includes(name)).length !== 1,
  );
  assert.equal(
    unchecked.map((b) => b.title),
    [],
  );
  assert.is(blocks.length, Object.keys(CHECKS).length);
});

for (const [name, { made, check }] of Object.entries(CHECKS)) {
  test(`the example "${name}"`, async () => {
    const { code } = blocks.find((b) => b.title.includes(name))!;
    const local = code.replace(
      /from '(fewmask[^']*)'/g,
      (_, from: string) => `from ${JSON.stringify(pathToFileURL(PACKAGES[from]).href)}`,
    );
    const folder = mkdtempSync(join(tmpdir(), 'fewmask-readme-'));
    const { log } = console;
    try {
      const file = join(folder, 'example.mts');
      const support = pathToFileURL(join(root, 'test/support/device.ts')).href;
      writeFileSync(
        file,
        `import { testDevice } from ${JSON.stringify(support)};\nconst device = await testDevice();\n` +
          `${local}\nexport const made = ${made};\n`,
      );
      console.log = () => {};
      check((await import(pathToFileURL(file).href)).made);
    } finally {
      console.log = log;
      rmSync(folder, { recursive: true });
    }
  });
}

test.run();
