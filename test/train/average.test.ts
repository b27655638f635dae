// The moving average that any run can have: its recursion, what it leaves alone, its scores, and resuming.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { TorchTensor } from '../../src/nn/module.ts';
import { schemeNames } from '../../src/schemes/index.ts';
import { runTiny } from '../support/tiny.ts';

type State = Map<string, TorchTensor>;

test('the average follows its definition, running statistics included, and changes no loss', async () => {
  const states: State[] = [];
  const ema = 0.7;
  const config = { scheme: 'fixmatch', steps: 5, evalEvery: 5 };
  const plain = await runTiny(config, {
    gate: async (scheme) => void states.push(await scheme.evaluated.stateDict()),
  });
  states.push(plain.last);
  const averaged = await runTiny({ ...config, ema });
  assert.equal(
    averaged.record.steps.map((s) => s.loss),
    plain.record.steps.map((s) => s.loss),
  );
  assert.equal(averaged.last, plain.last);
  for (const [name, { data }] of averaged.ema!) {
    if (!(data instanceof Float32Array)) continue;
    let want = Float64Array.from(states[0].get(name)!.data);
    for (let step = 0; step < config.steps; step++) {
      const a = Math.min(1 - 1 / (step + 1), ema);
      want = want.map((v, i) => a * v + (1 - a) * states[step + 1].get(name)!.data[i]);
    }
    data.forEach((v, i) => assert.ok(Math.abs(v - want[i]) <= 1e-6 * (1 + Math.abs(want[i])), `${name}[${i}]`));
  }
  assert.is(plain.ema, null);
  for (const r of [plain, averaged]) r.dispose();
});

test('both are evaluated, at every evaluation and at the end', async () => {
  const run = await runTiny({ scheme: 'supervised', ema: 0.5 });
  for (const e of [...run.record.evals, ...run.record.last]) {
    assert.ok(e.ema, `${e.split} at ${e.step}`);
    assert.is(e.ema.step, e.step);
  }
  assert.ok(run.record.best.every((e) => !e.ema));
  assert.not.equal(run.ema, run.last);
  run.dispose();
});

for (const scheme of ['self-training', 'cps', 'pseudoseg', 'cutmix-seg']) {
  test(`${scheme}: resumes bit for bit with an average`, async () => {
    const config = { scheme, ema: 0.6 };
    const whole = await runTiny(config);
    const part = await runTiny(config, { stopAfter: 4 });
    const rest = await runTiny(config, { resume: part.checkpoint! });
    assert.equal(rest.ema, whole.ema);
    assert.equal(rest.record.last, whole.record.last);
    for (const r of [whole, part, rest]) r.dispose();
  });
}

test('a scheme whose average is evaluated gets no second one; every other has one', async () => {
  const without: string[] = [];
  for (const scheme of schemeNames()) {
    const run = await runTiny({ scheme, ema: 0.6, steps: 2, evalEvery: 2 });
    if (!run.ema) without.push(scheme);
    run.dispose();
  }
  assert.equal(without.sort(), ['augseg', 'cutmix-seg', 'mean-teacher', 'u2pl', 'unimatch-v2']);
});

test.run();
