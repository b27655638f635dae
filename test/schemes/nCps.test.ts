// n-CPS: its loss, its votes, and that two networks are CPS.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rng } from '../../runtime/random.ts';
import { cps } from '../../src/losses/index.ts';
import { vote, VOTINGS, type Voting } from '../../src/nn/ensemble.ts';
import { testDevice } from '../support/device.ts';
import { runTiny } from '../support/tiny.ts';

const PIXELS = 40;
const C = 3;
const rng = new Rng(2, 9);
const logits = [0, 1, 2].map(() => Float32Array.from({ length: PIXELS * C }, () => 2 * rng.normal()));
const probabilities = (z: Float32Array, p: number): number[] => {
  const e = [...z.subarray(p * C, (p + 1) * C)].map(Math.exp);
  const sum = e.reduce((a, b) => a + b);
  return e.map((v) => v / sum);
};
const best = (list: readonly number[]): number => list.indexOf(Math.max(...list));

/** The class that wins at a pixel. */
const WINNERS: Record<Voting, (ps: number[][]) => number> = {
  first: (ps) => best(ps[0]),
  soft: (ps) => best(ps[0].map((_, c) => ps.reduce((s, p) => s + p[c], 0))),
  hard: (ps) => best(ps[0].map((_, c) => ps.reduce((s, p) => s + 10 * Number(best(p) === c) + p[c], 0))),
  confident: (ps) => best(ps.reduce((a, b) => (Math.max(...b) > Math.max(...a) ? b : a))),
};

for (const voting of VOTINGS)
  test(`${voting}: the vote of three networks, as a distribution`, async () => {
    const device = await testDevice();
    const z = await vote(
      logits.map((l) => device.tensor(l, [PIXELS, C])),
      voting,
    ).read();
    for (let p = 0; p < PIXELS; p++) {
      const got = [...z.subarray(p * C, (p + 1) * C)];
      const ps = logits.map((l) => probabilities(l, p));
      assert.is(best(got), WINNERS[voting](ps), `pixel ${p}`);
      assert.ok(Math.abs(got.reduce((s, v) => s + Math.exp(v), 0) - 1) < 1e-5);
      if (voting === 'soft')
        got.forEach((v, c) => assert.ok(Math.abs(Math.exp(v) - ps.reduce((s, q) => s + q[c] / 3, 0)) < 1e-5));
    }
  });

test('the cross loss of three networks: every ordered pair, divided by two', async () => {
  const device = await testDevice();
  const z = logits.map((l) => device.tensor(l, [PIXELS, C]));
  const labels = logits.map((l) => Int32Array.from({ length: PIXELS }, (_, p) => best(probabilities(l, p))));
  const y = labels.map((l) => device.tensor(l, [PIXELS]));
  let want = 0;
  for (const [i, zi] of logits.entries())
    for (const [j, yj] of labels.entries())
      if (i !== j) for (let p = 0; p < PIXELS; p++) want -= Math.log(probabilities(zi, p)[yj[p]]) / PIXELS / 2;
  assert.ok(Math.abs((await cps(z, y).item()) - want) < 1e-5 * want);
});

test('two networks of which the first is evaluated are CPS, bit for bit', async () => {
  const plain = await runTiny({ scheme: 'cps' });
  const two = await runTiny({ scheme: 'n-cps', options: { networks: 2, voting: 'first' } });
  assert.equal(
    two.record.steps.map((s) => s.loss),
    plain.record.steps.map((s) => s.loss),
  );
  assert.equal(
    two.record.last.map((e) => e.confusion),
    plain.record.last.map((e) => e.confusion),
  );
  for (const r of [plain, two]) r.dispose();
});

test('the votes of a run are evaluated, saved as one network, and averaged as one', async () => {
  const run = await runTiny({ scheme: 'n-cps', ema: 0.5, options: { voting: 'hard' } });
  assert.equal(run.scheme.ensemble, { members: 3, voting: 'hard' });
  assert.ok(run.last.has('members.2.head.weight') && run.ema!.has('members.2.head.weight'));
  assert.ok(run.record.last.every((e) => e.ema));
  const first = await runTiny({ scheme: 'n-cps', options: { voting: 'first' } });
  assert.not.equal(first.record.last[0].confusion, run.record.last[0].confusion);
  assert.equal(
    first.record.steps.map((s) => s.loss),
    run.record.steps.map((s) => s.loss),
  );
  for (const r of [run, first]) r.dispose();
});

test.run();
