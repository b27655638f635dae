// The losses that a run may choose: labelled pixels, class weights by median frequency, accepted pixels.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { Rng } from '../../runtime/random.ts';
import { acceptedLoss, ceAccepted, labelledLoss, medianFrequencyWeights, ohem } from '../../src/losses/index.ts';
import { testDevice } from '../support/device.ts';

const C = 4;
const PIXELS = 64;
const rng = new Rng(8, 1);
const z = Float32Array.from({ length: PIXELS * C }, () => 3 * rng.normal());
const y = Int32Array.from({ length: PIXELS }, () => (rng.bernoulli(0.1) ? 255 : rng.int(3)));
const row = (p: number): number[] => [...z.subarray(p * C, (p + 1) * C)];
const probabilities = (p: number): number[] => {
  const e = row(p).map((v) => Math.exp(v - Math.max(...row(p))));
  const sum = e.reduce((a, b) => a + b);
  return e.map((v) => v / sum);
};
const valid = [...y.keys()].filter((p) => y[p] !== 255);
const loss = (p: number): number => -Math.log(probabilities(p)[y[p]]);
const diceOf = (pixels: readonly number[]): number => {
  let sum = 0;
  for (let c = 0; c < C; c++) {
    const p = pixels.map((q) => probabilities(q)[c]);
    const t = pixels.map((q) => Number(y[q] === c));
    const both = p.reduce((s, v, i) => s + v * t[i], 0);
    sum += (2 * both + 1) / (p.reduce((a, b) => a + b, 0) + t.reduce((a, b) => a + b, 0) + 1);
  }
  return 1 - sum / C;
};
const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
const near = (got: number, want: number, what: string): void =>
  assert.ok(Math.abs(got - want) < 1e-5 * (1 + Math.abs(want)), `${what}: ${got}, not ${want}`);

test('cross-entropy, of hard pixels, with Dice, with class weights: by their definitions', async () => {
  const device = await testDevice();
  const logits = device.tensor(z, [PIXELS, C]);
  const labels = device.tensor(y, [PIXELS]);
  const w = [0.5, 2, 3, 1];
  const classWeights = device.tensor(Float32Array.from(w), [C]);
  const weighted = valid.reduce((s, p) => s + w[y[p]] * loss(p), 0) / valid.reduce((s, p) => s + w[y[p]], 0);
  const ce = mean(valid.map(loss));
  const limit = Math.min(-Math.log(0.7), valid.map(loss).sort((a, b) => b - a)[Math.floor(PIXELS / 16) - 1]);
  const hard = valid.filter((p) => loss(p) >= limit);
  near(await labelledLoss(logits, labels, 'ce').item(), ce, 'ce');
  near(await labelledLoss(logits, labels, 'ce', classWeights).item(), weighted, 'ce weighted');
  near(await labelledLoss(logits, labels, 'ohem').item(), mean(hard.map(loss)), 'ohem');
  near(
    await labelledLoss(logits, labels, 'ohem', classWeights).item(),
    mean(hard.map((p) => w[y[p]] * loss(p))),
    'ohem weighted',
  );
  near(await labelledLoss(logits, labels, 'ce+dice').item(), (ce + diceOf(valid)) / 2, 'ce+dice');
  near(await labelledLoss(logits, labels, 'ce+dice', classWeights).item(), (weighted + diceOf(valid)) / 2, 'both');
  assert.ok(hard.length > 4 && hard.length < valid.length);
  assert.is(
    await ohem(logits, labels, { threshold: 0.7, minKept: 4 }).item(),
    await labelledLoss(logits, labels, 'ohem').item(),
  );
});

test('accepted pixels: Dice over them alone; nothing accepted is 0 without a gradient', async () => {
  const device = await testDevice();
  const logits = device.tensor(z, [PIXELS, C]);
  logits.requiresGrad = true;
  const labels = device.tensor(y, [PIXELS]);
  const on = Float32Array.from({ length: PIXELS }, (_, p) => Number(p % 3 === 0 && y[p] !== 255));
  const accepted = device.tensor(on, [PIXELS]);
  const dice = acceptedLoss('dice', logits, labels, accepted);
  near(await dice.item(), diceOf([...on.keys()].filter((p) => on[p])), 'dice');
  const [d] = grad(dice, [logits]);
  (await d.read()).forEach((v, i) => assert.ok(on[Math.floor(i / C)] === 1 ? v !== 0 : v === 0, `gradient ${i}`));
  for (const denominator of ['all', 'valid', 'kept'] as const)
    assert.is(
      await acceptedLoss('ce', logits, labels, accepted, denominator).item(),
      await ceAccepted(logits, labels, accepted, denominator).item(),
    );
  const none = acceptedLoss('dice', logits, labels, device.tensor(new Float32Array(PIXELS), [PIXELS]));
  assert.is(await none.item(), 0);
  assert.ok((await grad(none, [logits])[0].read()).every((v) => v === 0));
});

test('median frequency: shares among the images that show a class; ignored pixels and absent classes', () => {
  // Class 0: 6 of 10 valid pixels; class 1: 3 of 10; class 2: 1 of 4, in the second image alone.
  const images = [Uint8Array.of(0, 0, 0, 0, 1, 1, 255), Uint8Array.of(0, 0, 1, 2)];
  const got = medianFrequencyWeights(images, 4);
  [0.3 / 0.6, 0.3 / 0.3, 0.3 / 0.25, 1].forEach((want, c) => near(got[c], want, `class ${c}`));
  const two = medianFrequencyWeights([Uint8Array.of(0, 0, 0, 1)], 2);
  near(two[0], 0.5 / 0.75, 'even count');
  assert.equal([...medianFrequencyWeights([Uint8Array.of(255)], 2)], [1, 1]);
});

test.run();
