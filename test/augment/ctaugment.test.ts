// CTAugment's worked example (methods, section 15.8), its draws and its state.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rng } from '../../runtime/random.ts';
import { binProbabilities, CtAugment } from '../../src/augment/ctaugment.ts';
import { OP_ROW } from '../../src/augment/operations.ts';

const near = (got: number, want: number, tolerance = 5e-9): void =>
  assert.ok(Math.abs(got - want) <= tolerance, `${got}, expected ${want}`);

test('an update, and the probabilities of bins', () => {
  const cta = new CtAugment();
  cta.update([{ op: 'solarize', levels: [0.37] }], 0.2);
  cta.rates.get('solarize')![0].forEach((rate, bin) => near(rate, bin === 6 ? 0.992 : 1));
  const p = binProbabilities([1, 0.9, 0.8, 0.79, 0.5], 0.99, 0.8);
  [0.36996337, 0.33333333, 0.2967033, 0, 0].forEach((want, bin) => near(p[bin], want));
  let updates = 0;
  const cold = new CtAugment();
  while (binProbabilities(cold.rates.get('invert')![0], 0.99, 0.8)[0] > 0) {
    cold.update([{ op: 'invert', levels: [0] }], 0);
    updates++;
  }
  assert.is(updates, 23);
});

test('levels at the ends fall into the outer bins; two parameters learn each by itself', () => {
  const cta = new CtAugment();
  cta.update([{ op: 'rescale', levels: [0.999999, 0] }], 0);
  const [scale, method] = cta.rates.get('rescale')!;
  near(scale[16], 0.99);
  near(method[0], 0.99);
  assert.is(scale.filter((r) => r === 1).length, 16);
  cta.update([{ op: 'identity', levels: [] }], 0);
});

test('strong views keep to bins above the threshold, probes go everywhere', () => {
  const cta = new CtAugment();
  const rates = cta.rates.get('rotate')![0];
  for (let bin = 0; bin < 17; bin++) if (bin % 3) rates[bin] = 0.2;
  const rng = new Rng(1, 2);
  let strong = 0;
  const probed = new Set<number>();
  for (let i = 0; i < 4000; i++) {
    for (const { op, levels } of cta.policy(rng)) {
      assert.ok(levels.every((l) => l >= 0 && l < 1));
      if (op !== 'rotate') continue;
      strong++;
      assert.is(Math.floor(levels[0] * 17) % 3, 0);
    }
    for (const { op, levels } of cta.probe(rng)) if (op === 'rotate') probed.add(Math.floor(levels[0] * 17));
  }
  // Two of 19 operations an image.
  assert.ok(Math.abs(strong / 4000 - 2 / 19) < 0.02);
  assert.is(probed.size, 17);
});

test('tables end with the square in strong views alone; options leave geometry out', () => {
  const cta = new CtAugment();
  const table = cta.table([cta.policy(new Rng(1, 1)), cta.policy(new Rng(1, 2))], [32, 40], new Rng(1, 3), true);
  assert.is(table.length, 2 * 3 * OP_ROW);
  for (const k of [0, 1]) assert.is(table[(3 * k + 2) * OP_ROW], 17);
  assert.is(cta.slots(false), 2);
  assert.is(cta.rates.size, 19);
  assert.is(new CtAugment({ geometric: false }).rates.size, 13);
  assert.throws(() => new CtAugment({ decay: 1 }), /decay/);
  assert.is(new CtAugment({ depth: undefined }).policy(new Rng(1, 1)).length, 2, 'what is undefined is not given');
});

test('state goes through JSON', () => {
  const a = new CtAugment();
  const b = new CtAugment();
  const rng = new Rng(5, 5);
  for (let i = 0; i < 200; i++) a.update(a.probe(rng), rng.uniform());
  b.load(JSON.parse(JSON.stringify(a.save())));
  assert.equal(b.save(), a.save());
  assert.equal(b.policy(new Rng(1, 1)), a.policy(new Rng(1, 1)));
  assert.throws(() => b.load({}), /rates/);
});

test.run();
