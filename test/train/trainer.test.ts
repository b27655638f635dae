// The trainer's loop: its rate, and what it frees when something goes wrong.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, errorText } from '../../runtime/errors.ts';
import { square, sum } from '../../runtime/ops/index.ts';
import { createScheme, schemeNames } from '../../src/schemes/index.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { runSession } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import { testDevice } from '../support/device.ts';
import { smallContext } from '../support/schemes.ts';
import { scripted } from '../support/scripted.ts';
import { TINY, tinyData } from '../support/tiny.ts';

test('the rate is that of the steps: evaluating and saving are left out', async () => {
  const rates: number[] = [];
  const result = await runSession({
    device: await testDevice(),
    dataset: tinyData().dataset,
    config: resolveConfig(TINY, { scheme: 'supervised', steps: 3, evalEvery: 1 }),
    readEvery: 1,
    saveEvery: 0,
    makeScheme: (c, options) => createScheme('supervised', c, options),
    hooks: {
      onSteps: (_, { rate }) => void rates.push(rate),
      save: () => new Promise((done) => setTimeout(done, 1000)),
    },
  });
  result.dispose();
  assert.is(rates.length, 3);
  assert.ok(
    rates.slice(1).every((r) => r > 1.25),
    `${rates} steps a second, with a second of saving after each`,
  );
});

test('losses are read every so many steps, at least every 256', async () => {
  const bundles: number[] = [];
  const result = await runSession({
    device: await testDevice(),
    dataset: tinyData().dataset,
    readEvery: 1000,
    config: resolveConfig(TINY, { scheme: 'supervised', evalEvery: 1000 }),
    makeScheme: scripted((ctx, part, optimizer) => {
      const loss = sum(square(part.params.get('w')!));
      ctx.descend(loss, [[part.params, optimizer]]);
      return { loss };
    }, 300),
    hooks: { onSteps: (points) => void bundles.push(points.length) },
  });
  result.dispose();
  assert.equal(bundles, [256, 44]);
});

test('batches that cannot be opened: everything is freed', async () => {
  const device = await testDevice();
  const scheme = createScheme('supervised', smallContext(device), {});
  const { inUse } = device.pool.stats;
  let error: unknown;
  await train(device, scheme, {
    seed: 0,
    sourceSize: [32, 48],
    evalEvery: 1,
    lr: () => 0.1,
    evaluate: async () => [],
    services: { predictUnlabelled: async () => undefined },
    open() {
      throw new DataError('nothing to open');
    },
  }).catch((e: unknown) => (error = e));
  assert.instance(error, DataError);
  assert.is(device.pool.stats.inUse, inUse);
  scheme.dispose();
});

test('options that are refused: the networks made so far are freed', async () => {
  const device = await testDevice();
  const c = smallContext(device);
  const { inUse } = device.pool.stats;
  for (const [name, options] of [
    ['fixmatch', { strong: { ctaugment: { depth: 0 } } }],
    ['fixmatch', { strong: { ctaugment: { decay: 2 } } }],
    ['self-training', { strong: { ctaugment: {} } }],
  ] as const) {
    assert.throws(() => createScheme(name, c, options), /ctaugment|CTAugment/);
    assert.is(device.pool.stats.inUse, inUse, name);
  }
});

test('a scheme that cannot be built to the end: what it has made is freed', async () => {
  const device = await testDevice();
  const { inUse } = device.pool.stats;
  let error: unknown;
  await runSession({
    device,
    dataset: tinyData().dataset,
    config: resolveConfig(TINY, { scheme: 'pseudoseg', network: { depth: 1 } }),
    makeScheme: (c, options) => createScheme('pseudoseg', c, options),
  }).catch((e: unknown) => (error = e));
  assert.match(errorText(error), /1 stages/);
  assert.is(device.pool.stats.inUse, inUse);
});

test('without unlabelled images only the supervised scheme begins', async () => {
  const { dataset } = tinyData();
  const bare = {
    ...dataset,
    ids: (split: Parameters<typeof dataset.ids>[0]) => (split === 'unlabelled' ? [] : dataset.ids(split)),
  };
  const covered = {
    ...dataset,
    ids: (split: Parameters<typeof dataset.ids>[0]) => dataset.ids(split === 'unlabelled' ? 'labelled' : split),
  };
  for (const scheme of schemeNames()) {
    for (const given of scheme === 'self-training' ? [bare, covered] : [bare]) {
      let error: Error | null = null;
      let done = 0;
      await runSession({
        device: await testDevice(),
        dataset: given,
        config: resolveConfig(TINY, { scheme, steps: 1 }),
        makeScheme: (c, options) => createScheme(scheme, c, options),
        hooks: { onMemory: () => void done++ },
      }).then(
        (run) => run.dispose(),
        (e: Error) => (error = e),
      );
      if (scheme === 'supervised') assert.is(error, null);
      else {
        assert.match(errorText(error), /no unlabelled images/, scheme);
        assert.is(done, 0, 'before a step is recorded');
      }
    }
  }
});

test('the weak views of a scheme: its own settings over those of the run', async () => {
  let given: unknown;
  await runSession({
    device: await testDevice(),
    dataset: tinyData().dataset,
    config: resolveConfig(TINY, { weak: { range: [0.5, 0.6] }, options: { weak: { flip: 0 } } }),
    makeScheme(_, options) {
      given = options.weak;
      throw new DataError('seen enough');
    },
  }).catch(() => undefined);
  assert.equal(given, { range: [0.5, 0.6], flip: 0, cover: true });
});

test.run();
