// The trainings of the page, without its worker: what the page shows when a run fails.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FromWorker } from '../../src/web/protocol.ts';
import { Runner } from '../../src/web/runner.ts';
import type { RunSettings } from '../../src/web/settings.ts';
import { testDevice } from '../support/device.ts';

const SETTINGS: RunSettings = {
  scheme: 'supervised',
  network: { kind: 'unet', width: 4, depth: 3 },
  steps: 30,
  labelled: 4,
  unlabelled: 4,
  size: [32, 48],
  batch: 2,
  optimizer: 'sgd',
  lr: 0.03,
  seed: 1,
  options: {},
};

type Failed = Extract<FromWorker, { kind: 'failed' }>;

test('a non-finite step: the page names it, and what to change there', async () => {
  const messages: FromWorker[] = [];
  const runner = new Runner(await testDevice(), (message) => void messages.push(message));
  await runner.start(1, { ...SETTINGS, lr: 1e30 }, 'train-000');
  const { failure, run } = messages.find((m): m is Failed => m.kind === 'failed')!;
  assert.is(run, 1);
  assert.is(failure.code, 'non-finite');
  assert.match(failure.message, /at step [1-3] \(learning rate/);
  assert.not.match(failure.message + failure.hint, /--|NaN\./);
  assert.match(failure.hint, /^lower the learning rate/);
  assert.not.ok(messages.some((m) => m.kind === 'finished'));
  // The next run is not held up by it.
  messages.length = 0;
  await runner.start(2, { ...SETTINGS, steps: 2 }, 'train-000');
  assert.ok(
    messages.some((m) => m.kind === 'finished'),
    JSON.stringify(messages.filter((m) => m.kind === 'failed')),
  );
});

test.run();
