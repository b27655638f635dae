// The loss of labelled pixels as a setting of a run: every scheme has it, and class weights come from the labels.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { schemeNames } from '../../src/schemes/index.ts';
import { runTiny } from '../support/tiny.ts';

const SHORT = { steps: 2, evalEvery: 2 };
const losses = async (config: Parameters<typeof runTiny>[0]): Promise<number[]> => {
  const run = await runTiny({ ...SHORT, ...config });
  run.dispose();
  return run.record.steps.map((s) => s.loss);
};

for (const scheme of schemeNames())
  test(`${scheme}: another loss of labelled pixels is another loss`, async () => {
    const usual = await losses({ scheme });
    for (const labelledLoss of ['ohem', 'ce+dice'] as const) {
      const other = await losses({ scheme, labelledLoss });
      assert.ok(other.every(Number.isFinite));
      // At first every pixel is hard.
      if (labelledLoss !== 'ohem') assert.is.not(other[0], usual[0], labelledLoss);
    }
    assert.is.not((await losses({ scheme, classWeights: 'median' }))[0], usual[0]);
  });

test('class weights: all alike are none, a list must fit the classes', async () => {
  const scheme = 'supervised';
  const plain = await losses({ scheme });
  const alike = await losses({ scheme, classWeights: [2, 2, 2, 2, 2] });
  plain.forEach((v, i) => assert.ok(Math.abs(v - alike[i]) < 1e-5));
  await losses({ scheme, classWeights: [1, 2] }).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /2 class weights for 5 classes/),
  );
});

for (const scheme of ['fixmatch', 'unimatch', 'unimatch-v2', 'augseg'])
  test(`${scheme}: Dice loss of accepted pixels`, async () => {
    const options = { tau: 0 };
    const usual = await losses({ scheme, options });
    const dice = await losses({ scheme, options: { ...options, loss: 'dice' } });
    assert.ok(dice.every(Number.isFinite));
    assert.is.not(dice[0], usual[0]);
  });

test.run();
