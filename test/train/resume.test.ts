// A run that was stopped and continues has the record of one that was not.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, errorText } from '../../runtime/errors.ts';
import type { Checkpoint } from '../../src/train/checkpoint.ts';
import { runTiny, tinyData } from '../support/tiny.ts';

for (const stopAfter of [3, 6]) {
  test(`stopped at the evaluation after step ${stopAfter}: no evaluation is missing`, async () => {
    const whole = await runTiny({ scheme: 'supervised' });
    const part = await runTiny({ scheme: 'supervised' }, { stopAfter });
    assert.is(part.checkpoint!.position.step, stopAfter);
    const rest = await runTiny({ scheme: 'supervised' }, { resume: part.checkpoint! });
    assert.equal(rest.record.evals, whole.record.evals);
    assert.equal(
      rest.record.evals.map((e) => e.step),
      [3, 6],
    );
    assert.equal(rest.best, whole.best);
    assert.equal(rest.record.best, whole.record.best);
    for (const r of [whole, part, rest]) r.dispose();
  });
}

for (const stopAfter of [10, 22]) {
  test(`stopped after step ${stopAfter}: warnings that were said, and those that were coming`, async () => {
    const config = { scheme: 'fixmatch', steps: 24, evalEvery: 24, options: { tau: 1.1 } };
    const whole = await runTiny(config);
    assert.ok(whole.record.warnings.some((w) => /step 20: hardly any pseudo-label/.test(w)));
    const part = await runTiny(config, { stopAfter });
    const rest = await runTiny(config, { resume: part.checkpoint! });
    assert.equal(rest.record.warnings, whole.record.warnings);
    for (const r of [whole, part, rest]) r.dispose();
  });
}

for (const [what, scheme] of [
  ['an unlabelled image', 'fixmatch'],
  ['a validation image', 'supervised'],
] as const) {
  test(`${what} that cannot be read: what was trained is saved, and training continues as if nothing had been`, async () => {
    const { dataset } = tinyData();
    const order: string[] = [];
    const config = { scheme, steps: 8, evalEvery: 3 };
    const whole = await runTiny(config, {
      dataset: { ...dataset, load: (id, o) => (order.push(id), dataset.load(id, o)) },
    });
    // The one that is needed last, when steps have been made.
    const bad =
      scheme === 'fixmatch'
        ? [...new Set(order)].filter((id) => dataset.ids('unlabelled').includes(id)).at(-1)!
        : 'val-1';
    let kept: Checkpoint | null = null;
    const damaged: typeof dataset.load = async (id, o) => {
      if (id === bad) throw new DataError(`${id} is damaged`);
      return dataset.load(id, o);
    };
    await runTiny(config, { dataset: { ...dataset, load: damaged }, saved: (c) => (kept = c) }).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(errorText(error), /is damaged/),
    );
    const checkpoint = kept as Checkpoint | null;
    assert.ok(
      checkpoint && checkpoint.position.step > 0 && checkpoint.steps.length === checkpoint.position.step,
      `saved at ${checkpoint?.position.step}`,
    );
    const rest = await runTiny(config, { resume: checkpoint });
    assert.equal(
      rest.record.steps.map((s) => s.loss),
      whole.record.steps.map((s) => s.loss),
    );
    assert.equal(rest.record.evals, whole.record.evals);
    assert.equal(rest.best, whole.best);
    for (const r of [whole, rest]) r.dispose();
  });
}

test('times and memory are those of the whole run; a checkpoint of an earlier version has none', async () => {
  const part = await runTiny({ scheme: 'cps' }, { stopAfter: 4 });
  const { soFar } = part.checkpoint!;
  assert.equal([soFar!.timing.steps, soFar!.timing.images], [4, 4 * (2 + 3 + 3)]);
  soFar!.peakGpuBytes += 2 ** 30;
  const rest = await runTiny({ scheme: 'cps' }, { resume: part.checkpoint! });
  assert.is(rest.checkpoint!.soFar!.timing.steps, 6);
  assert.is(rest.record.peakGpuBytes, soFar!.peakGpuBytes);
  // A run that had reached its end.
  const again = await runTiny({ scheme: 'cps' }, { resume: rest.checkpoint! });
  assert.equal(
    [again.record.secondsPerStep, again.record.imagesPerSecond, again.record.warnings],
    [rest.record.secondsPerStep, rest.record.imagesPerSecond, rest.record.warnings],
  );
  assert.ok(again.record.imagesPerSecond > 0);
  const { soFar: _, ...earlier } = part.checkpoint!;
  const old = await runTiny({ scheme: 'cps' }, { resume: earlier });
  assert.equal(old.record.evals, rest.record.evals);
  assert.is(old.checkpoint!.soFar!.timing.steps, 2);
  for (const r of [part, rest, again, old]) r.dispose();
});

test.run();
