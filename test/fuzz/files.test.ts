// A short run of the fuzzer of files; the long one is `npm run fuzz`. The seed is printed, and FEWMASK_SEED repeats it.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzzFiles } from './files.ts';

test('damaged safetensors and ONNX files are loaded right or refused', async () => {
  const seed = Number(process.env.FEWMASK_SEED ?? Date.now() % 2 ** 32);
  const { ran, failures } = await fuzzFiles({ count: 300, seed, log: console.log });
  assert.is(ran, 600);
  assert.equal(failures.slice(0, 5), []);
});

test.run();
