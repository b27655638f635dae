// A run that was stopped and goes on has the record of one that was not.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runTiny } from '../support/tiny.ts';

for (const stopAfter of [3, 6]) {
  test(`stopped at the evaluation after step ${stopAfter}: no evaluation is missing`, async () => {
    const whole = await runTiny({ scheme: 'supervised' });
    const part = await runTiny({ scheme: 'supervised' }, { stopAfter });
    assert.is(part.checkpoint!.position.step, stopAfter);
    const rest = await runTiny({ scheme: 'supervised' }, { resume: part.checkpoint! });
    assert.equal(rest.record.evals, whole.record.evals);
    assert.equal(rest.record.evals.map((e) => e.step), [3, 6]);
    assert.equal(rest.best, whole.best);
    assert.equal(rest.record.best, whole.record.best);
    for (const r of [whole, part, rest]) r.dispose();
  });
}

test.run();
