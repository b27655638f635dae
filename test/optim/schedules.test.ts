// Schedules and ramps at the published points.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cosineFixMatch, poly, rampDown, schedule, sigmoidRamp, warmUp } from '../../runtime/optim/schedules.ts';

const near = (got: number, want: number): void =>
  assert.ok(Math.abs(got - want) <= 1e-8 * Math.max(1, Math.abs(want)) + 5e-9, `${got} for ${want}`);

test('sigmoid ramp', () => {
  for (const [t, want] of [
    [0, 0.00673795],
    [0.1, 0.01742237],
    [0.25, 0.06005467],
    [0.5, 0.2865048],
    [0.75, 0.73161563],
    [0.9, 0.95122942],
    [1, 1],
    [2, 1],
  ])
    near(sigmoidRamp(t), want);
  for (let t = 0; t < 1; t += 0.01) assert.ok(sigmoidRamp(t + 0.01) > sigmoidRamp(t));
});

test('poly', () => {
  for (const [t, want] of [
    [0, 1],
    [0.1, 0.90953258],
    [0.25, 0.77188951],
    [0.5, 0.53588673],
    [0.75, 0.28717459],
    [0.9, 0.12589254],
    [0.99, 0.01584893],
  ])
    near(poly(t), want);
  near(0.007 * poly(15000 / 30000), 0.00375121);
  near(0.01 * poly(1000 / 39338), 0.00977092);
});

test("FixMatch's cosine, temporal ensembling's ramp-down and weight", () => {
  near(cosineFixMatch(0.5), 0.77301045);
  near(cosineFixMatch(1), 0.19509032);
  for (const [e, want] of [
    [250, 1],
    [260, 0.60653066],
    [275, 0.04393693],
    [299, 6.1136e-6],
  ])
    near(rampDown(e, 300), want);
  near((100 * 4000) / 50000, 8);
});

test('warm-up, and names', () => {
  assert.equal(
    [0, 4, 9, 20].map((s) => warmUp(s, 10)),
    [0.1, 0.5, 1, 1],
  );
  assert.is(schedule('poly'), poly);
  assert.throws(() => schedule('step'), /no schedule "step"/);
});

test.run();
