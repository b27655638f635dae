// The example of a scheme of one's own: it is known by its name, trains, resumes bit for bit, and is called by its
// title in a report.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { entropy } from '../../docs/examples/scheme.ts';
import { schemeName } from '../../src/report/schemes.ts';
import { checkOptions, schemeNames } from '../../src/schemes/index.ts';
import { runTiny } from '../support/tiny.ts';

test('it is registered, with its options and help', () => {
  assert.ok(schemeNames().includes('entropy'));
  assert.is(schemeName('entropy'), 'Entropy minimisation');
  assert.is(entropy.help.weight, 'weight of the entropy (0.1)');
  assert.throws(() => checkOptions('entropy', { weight: -1 }), /^weight is -1/);
});

test('it trains: both losses fall, the entropy by its weight, and a stopped run continues with the same losses', async () => {
  const config = {
    scheme: 'entropy',
    steps: 30,
    evalEvery: 30,
    optimizer: { kind: 'adamw' as const, lr: 0.01 },
    options: { weight: 1 },
  };
  const whole = await runTiny(config);
  const part = await runTiny(config, { stopAfter: 8 });
  const rest = await runTiny(config, { resume: part.checkpoint! });
  assert.equal(
    [...part.points, ...rest.points].map((p) => p.loss),
    whole.points.map((p) => p.loss),
  );
  const mean = (key: string, points: typeof whole.points): number =>
    points.reduce((s, p) => s + p.terms[key], 0) / points.length;
  for (const key of ['labelled', 'unlabelled']) {
    const [first, last] = [whole.points.slice(0, 5), whole.points.slice(-5)].map((points) => mean(key, points));
    assert.ok(last < 0.95 * first, `${key}: ${first} to ${last}`);
  }
  const none = await runTiny({ ...config, options: { weight: 0 } });
  assert.ok(
    mean('unlabelled', whole.points.slice(-5)) < mean('unlabelled', none.points.slice(-5)),
    'it is the weight that does it',
  );
  for (const run of [whole, part, rest, none]) run.dispose();
});

test.run();
