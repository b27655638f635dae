// Double backward of every operation that claims it, against second differences in float64, on fresh inputs each run.
// FEWMASK_SEED repeats a run.

import { RECORDS } from './records.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { testDevice } from '../support/device.ts';
import { OPERATIONS } from './ops/index.ts';
import { described, drawSingle } from './program.ts';
import { checkSecond } from './second.ts';
import { seed } from './seed.ts';

/** Operations that must have a second derivative: the smooth elementwise family, matrix products, convolutions. */
const REQUIRED = [
  'celu',
  'elu',
  'selu',
  'softplus',
  'logSigmoid',
  'sigmoid',
  'tanh',
  'silu',
  'gelu',
  'mish',
  'erf',
  'expm1',
  'log1p',
  'softsign',
  'hardswish',
  'relu',
  'leakyRelu',
  'square',
  'reciprocal',
  'sqrt',
  'rsqrt',
  'exp',
  'log',
  'log2',
  'sin',
  'cos',
  'tan',
  'asin',
  'acos',
  'atan',
  'sinh',
  'cosh',
  'abs',
  'neg',
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'atan2',
  'maximum',
  'minimum',
  'where',
  'matmul',
  'linear',
  'einsum',
  'conv1d',
  'conv2d',
  'convTranspose2d',
  'sum',
  'mean',
  'globalAvgPool',
  'softmax',
  'logSoftmax',
];

/** Names of the records that claim a second derivative, and have a first one. */
const claimed = (): string[] => [
  ...new Set(RECORDS.filter((r) => r.twice && Object.values(r.backward).some((fn) => fn)).map((r) => r.name)),
];

/** Records of backward passes: they stand on the tape of a first gradient, which the second one goes through. */
const BACKWARD = /gradient|Grad$|^expand$|^spread$|^derivative|^strided$|^put$|^gate$/;

test('second derivatives', async () => {
  const device = await testDevice();
  const seen = new Set<string>();
  const twice = new Set<string>();
  const failures: string[] = [];
  /** One call of an operation; false when it was one of integers, or of nothing. */
  const one = async (i: number, round: number): Promise<boolean> => {
    const entry = OPERATIONS[i];
    const program = drawSingle(entry, (seed + round * OPERATIONS.length + i) >>> 0, true);
    const result = await checkSecond(device, program);
    result?.records.forEach((r) => seen.add(r));
    if (result?.twice) twice.add(entry.name);
    if (result?.message) failures.push(`${described(program)}\n  ${result.message} (seed ${program.seed})`);
    return result !== null;
  };
  for (const i of OPERATIONS.keys())
    for (let round = 0, done = 0; round < 12 && done < 2; round++) if (await one(i, round)) done++;
  // Records that only some attributes lead to.
  const missing = (): string[] => claimed().filter((name) => !seen.has(name) && !BACKWARD.test(name));
  for (const name of missing()) {
    const i = OPERATIONS.findIndex((o) => o.name === name);
    for (let round = 12; round < 300 && i >= 0 && !seen.has(name); round++) await one(i, round);
  }
  device.check();
  assert.is(failures.join('\n'), '');
  assert.equal(
    REQUIRED.filter((name) => !twice.has(name)),
    [],
    'no second derivative was taken of these',
  );
  assert.equal(missing(), [], 'records that claim a second derivative and were not tested');
});

test.run();
